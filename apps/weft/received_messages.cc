#include "received_messages.h"

#include <cstdio>
#include <ctime>

#include "progress_line.h"
#include "wire/message_id.h"

namespace weft::app {
namespace {

std::string iso_time(std::uint64_t ms) {
    const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    std::string out(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
    if (ms % 1000 != 0) str_append(out, '.', std::to_string(1000 + ms % 1000).substr(1));
    return out + 'Z';
}

std::string hex_of(std::string_view bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out.append({kHex[byte >> 4], kHex[byte & 15]});
    }
    return out;
}

/// Lines with the message.
std::string text_of(const pulsar::Message& message, const config::Arguments& arguments) {
    std::string properties;
    for (const auto& [key, value] : message.properties)
        str_append(properties, properties.empty() ? "" : ", ", key, '=', value);
    std::string out = "----- got message -----\n";
    str_append(out, "publishTime:[", message.publish_time_ms, "], eventTime:[", message.event_time_ms,
               "], key:[", message.key.value_or("null"), "], properties:[", properties,
               "], content:", arguments.is_set("--hex") ? hex_of(message.payload) : message.payload);
    if (arguments.is_set("--print-metadata")) {
        str_append(out, ", event-time:", iso_time(message.event_time_ms),
                   ", message-id:", wire::to_string(message.id), ", producer-name:", message.producer_name,
                   ", sequence-id:", message.sequence_id,
                   ", replicated-from:null, redelivery-count:", message.redelivery_count,
                   ", ordering-key:", message.ordering_key.value_or(""), ", schema-version:");
    }
    return out + '\n';
}

}  // namespace

std::string wrong_amount(const config::Arguments& arguments) {
    const std::int64_t wanted = arguments.integer("--num-messages");
    if (wanted < 0)
        return str_cat("Number of messages should be zero or positive. (--num-messages = ", wanted,
                       ": use 0 for all that comes)");
    const std::int64_t queue = arguments.integer("--queue-size");
    if (queue < 1 || queue > 1'000'000)
        return str_cat("Invalid value for option '--queue-size': '", queue,
                       "' is out of range: use 1 to 1000000");
    return "";
}

Result<std::uint64_t> show_messages(const config::Arguments& arguments,
                                    const std::function<Result<pulsar::Message>(Deadline)>& next,
                                    const std::function<void(const pulsar::Message&)>& shown) {
    const auto wanted = static_cast<std::uint64_t>(arguments.integer("--num-messages"));
    const bool quiet = arguments.is_set("--hide-content");
    ProgressLine progress(quiet ? ProgressLine::Output::quiet : ProgressLine::Output::shared);
    std::uint64_t got = 0;
    while (wanted == 0 || got < wanted) {
        auto waiting = next(Deadline::after(0s));
        if (!waiting && waiting.error().code == ErrorCode::deadline_exceeded) {
            std::fflush(stdout);  // before it may wait for long, not for each message
            waiting = next(Deadline::never());
        }
        WEFT_TRY(const auto message, std::move(waiting));
        ++got;
        progress.show_count(got, wanted);
        if (!quiet) {
            const std::string text = text_of(message, arguments);
            std::fwrite(text.data(), 1, text.size(), stdout);
        }
        shown(message);
    }
    return got;
}

}  // namespace weft::app
