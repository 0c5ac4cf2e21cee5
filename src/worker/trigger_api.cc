// The part of FunctionsApi that sends one message through a function and answers with what comes of it.

#include <algorithm>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "wire/topic_name.h"
#include "worker/detail/reports.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

constexpr std::size_t kShownMax = 500;

struct TriggerParts {
    std::optional<std::string_view> data;
    std::string topic;  // empty: not given
};

Result<TriggerParts> read_trigger(const http::Request& request) {
    const auto type = request.headers.find("content-type");
    if (type == request.headers.end() || !type->second.starts_with("multipart/form-data")) {
        return fail(ErrorCode::invalid_argument,
                    "The request must be multipart/form-data with the part data or dataStream, it is ",
                    type == request.headers.end() ? "of no type" : type->second);
    }
    WEFT_TRY(const auto parts, http::parse_multipart(request));
    TriggerParts found;
    for (const auto& part : parts) {
        if (part.name == "data" || (part.name == "dataStream" && !found.data)) found.data = part.content;
        if (part.name == "topic") found.topic = part.content;
    }
    if (!found.data)
        return fail(ErrorCode::invalid_argument,
                    "Trigger Data is not provided (data = nothing: send it as the part data or dataStream)");
    return found;
}

std::string full_name(const std::string& topic) {
    const auto name = wire::TopicName::parse(topic);
    return name ? name->full() : topic;
}

/// The input that the message goes to, as a full name.
Result<std::string> input_of(const ::proto::FunctionDetails& details, const std::string& topic) {
    const auto& inputs = details.source().inputspecs();
    std::string names;
    for (const auto& [input, spec] : inputs) str_append(names, names.empty() ? "" : " or ", input);
    names.resize(std::min(names.size(), kShownMax));
    if (topic.empty() && inputs.size() != 1) {
        return fail(ErrorCode::invalid_argument,
                    "Function in trigger function has more than 1 input topics (topic = nothing: use ", names,
                    ")");
    }
    for (const auto& [input, spec] : inputs) {
        if (topic.empty() || full_name(input) == full_name(topic)) return full_name(input);
    }
    return fail(ErrorCode::invalid_argument,
                "Function in trigger function has unidentified topic (topic = ", topic.substr(0, kShownMax),
                ": use ", names, ")");
}

}  // namespace

FunctionsApi::Answer FunctionsApi::trigger(const http::Request& request) {
    if (options_.trigger == nullptr) return fail(ErrorCode::not_supported, "Triggering a function is off");
    WEFT_TRY(const TriggerParts parts, read_trigger(request));
    WEFT_TRY_VOID(model::check_name("Function name", request.param("name")));
    WEFT_TRY(const Found found, find_function(request));
    const auto& details = found.meta->functiondetails();
    const auto name = model::name_of(details);
    WEFT_TRY(auto input, input_of(details, parts.topic));
    const Deadline deadline = request.deadline.at_most(options_.trigger_patience);
    // Without an instance that has subscribed, the message might go past the function.
    bool ready = false;
    for (const auto& report : statuses_of(request, found)) ready = ready || report.status.running();
    if (!ready)
        return fail(ErrorCode::invalid_argument, "Function in trigger function is not ready (", name.full(),
                    " has no running instance: start it, or try again)");
    TriggerRequest message;
    message.client_name = str_cat(options_.worker_id, "-trigger-", name.full());
    message.input_topic = std::move(input);
    if (!details.sink().topic().empty()) message.output_topic = full_name(details.sink().topic());
    message.payload = *parts.data;
    auto answer = options_.trigger->trigger(message, deadline);
    if (!answer) {
        // Not 503: the message may have been sent, and a client must not think that it may ask again.
        const ErrorCode code = answer.error().code;
        const bool told = code == ErrorCode::deadline_exceeded || code == ErrorCode::too_large;
        return fail(told ? code : ErrorCode::internal, answer.error().message);
    }
    return *answer ? http::Response::text(std::move(**answer)) : http::Response::no_content();
}

}  // namespace weft::worker
