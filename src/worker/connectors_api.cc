// The part of FunctionsApi that takes sources and sinks. Weft runs no Java connectors yet, so none can be
// made here: what is asked for is refused as Pulsar's worker refuses a class that it can't find. Those that
// Java workers have written are listed, shown, stopped, started and deleted like functions.

#include <nlohmann/json.hpp>

#include "model/details_json.h"
#include "wire/proto/Function.pb.h"
#include "worker/detail/requests.h"
#include "worker/detail/upload.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

using nlohmann::json;

constexpr std::string_view kServices = "META-INF/services/pulsar-io.yaml";
constexpr std::string_view kNoJava = "Weft runs no Java connectors yet";

std::unexpected<Error> bad_request(auto&&... parts) { return fail(ErrorCode::invalid_argument, parts...); }

Result<std::string> text_member(const json& config, const char* member) {
    if (!config.contains(member) || config[member].is_null()) return std::string();
    if (!config[member].is_string())
        return bad_request(member, " = ",
                           shown(config[member].dump(-1, ' ', false, json::error_handler_t::replace)),
                           " must be a string");
    return config[member].get<std::string>();
}

Result<json> read_config(const http::Request& request, std::string_view text) {
    const std::string_view part = config_part_in(request);
    if (text.size() > model::kConfigBytesMax)
        return bad_request(part, " has ", text.size(), " bytes: at most ", model::kConfigBytesMax,
                           " are taken");
    // Not deeper than a function's may be: what reads it recurses.
    const auto shallow = [](int depth, json::parse_event_t, json&) {
        return depth <= model::kConfigDepthMax;
    };
    json config = json::parse(text, shallow, false);
    if (config.is_null())
        return bad_request(kind_in(request), " config is not provided (part ", part,
                           " = null: send it as JSON)");
    if (!config.is_object())
        return bad_request(part, " = ", shown(text), " must be a JSON object (send it as JSON)");
    return config;
}

bool has_inputs(const json& config) {
    for (const char* const member :
         {"inputs", "topicsPattern", "topicToSerdeClassName", "topicToSchemaType", "inputSpecs"}) {
        if (config.contains(member) && !config[member].is_null() && !config[member].empty()) return true;
    }
    return false;
}

/// Why this can't run here, with what Pulsar's worker says of it. There is always a reason.
std::unexpected<Error> refusal(const http::Request& request, const json& config, bool has_data,
                               std::string_view data) {
    const std::string_view kind = kind_in(request);
    const auto archive = text_member(config, "archive");
    if (!archive) return std::unexpected(archive.error());
    const auto class_name = text_member(config, "className");
    if (!class_name) return std::unexpected(class_name.error());
    if (archive->starts_with("builtin://")) {
        return bad_request("Built-in ", component_word(request),
                           " is not available (archive = ", shown(*archive),
                           ": there are no built-in connectors; ", kNoJava, ')');
    }
    if (!has_data)
        return bad_request(kind, " package is not provided (part data = nothing: upload the file)");
    if (component_in(request) == model::ComponentType::sink && !has_inputs(config)) {
        return bad_request(
            "Must specify at least one topic of input via topicToSerdeClassName, topicsPattern, "
            "topicToSchemaType or inputSpecs (inputs = nothing: name one)");
    }
    const std::string where =
        component_in(request) == model::ComponentType::source ? " not found in class loader" : " not found";
    if (!class_name->empty())
        return bad_request(kind, " class ", shown(*class_name), where, " (className: ", kNoJava, ')');
    if (!data.contains(kServices)) {
        return bad_request(kind, " package doesn't contain the ", kServices,
                           " file. (className = nothing: ", kNoJava, ')');
    }
    return bad_request(kind, " class of ", kServices, where, " (className = nothing: ", kNoJava, ')');
}

}  // namespace

FunctionsApi::Answer FunctionsApi::create_connector(const http::Request& request) {
    const auto name = name_in(request);
    const std::string kind(kind_in(request));
    WEFT_TRY_VOID(model::check_name("Tenant", name.tenant));
    WEFT_TRY_VOID(model::check_name("Namespace", name.ns));
    WEFT_TRY_VOID(model::check_name(kind + " name", name.name));
    WEFT_TRY(const Upload upload, read_upload(request));
    WEFT_TRY(const json config, read_config(request, upload.config));
    WEFT_TRY_VOID(check_namespace(name, request.deadline));
    if (look_up(name).meta) return bad_request(kind, " ", shown(name.name), " already exists");
    return refusal(request, config, upload.has_data, upload.program());
}

FunctionsApi::Answer FunctionsApi::update_connector(const http::Request& request) {
    const Found found = look_up(name_in(request));
    if (!found.meta || model::component_of(found.meta->functiondetails()) != component_in(request)) {
        return fail(found.meta ? ErrorCode::not_found : ErrorCode::invalid_argument, kind_in(request), " ",
                    shown(request.param("name")), " doesn't exist");
    }
    WEFT_TRY(const Upload upload, read_upload(request));
    WEFT_TRY(const json config, read_config(request, upload.config));
    return refusal(request, config, upload.has_data, upload.program());
}

}  // namespace weft::worker
