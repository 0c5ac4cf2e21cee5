#include "model/details_json.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "model/function_details.h"
#include "wire/proto/Function.pb.h"

namespace weft::model {
namespace {

using json = nlohmann::ordered_json;
namespace pb = google::protobuf::util;

std::string text_of(const json& value, int indent = -1) {
    return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json parsed(const std::string& text) {
    json value = json::parse(text, nullptr, false);
    return value.is_object() ? value : json();
}

void set_text(json& config, const char* member, const std::string& text) {
    if (!text.empty()) config[member] = text;
}

/// Members that have the same name and meaning in a FunctionConfig, if it has them.
void take(json& config, const json& function, std::initializer_list<const char*> members) {
    for (const char* const member : members) {
        if (function.contains(member)) config[member] = function[member];
    }
}

void take(json& config, const char* member, const json& function, const char* from) {
    if (function.contains(from)) config[member] = function[from];
}

void add_configs(json& config, const std::string& configs) {
    if (json values = parsed(configs); !values.is_null()) config["configs"] = std::move(values);
}

json source_config(const ::proto::FunctionDetails& details, const json& function) {
    json config;
    take(config, function, {"tenant", "namespace", "name"});
    set_text(config, "className", details.source().classname());
    set_text(config, "topicName", details.sink().topic());
    take(config, function, {"producerConfig"});
    set_text(config, "serdeClassName", details.sink().serdeclassname());
    set_text(config, "schemaType", details.sink().schematype());
    add_configs(config, details.source().configs());
    take(config, function, {"secrets", "parallelism", "processingGuarantees", "resources"});
    if (!details.source().builtin().empty()) config["archive"] = "builtin://" + details.source().builtin();
    take(config, function, {"runtimeFlags", "customRuntimeOptions", "logTopic"});
    return config;
}

json sink_config(const ::proto::FunctionDetails& details, const json& function) {
    json config;
    take(config, function, {"tenant", "namespace", "name"});
    set_text(config, "className", details.sink().classname());
    take(config, "sourceSubscriptionName", function, "subName");
    take(config, "sourceSubscriptionPosition", function, "subscriptionPosition");
    json inputs = json::array();
    for (const auto& [topic, spec] : function.value("inputSpecs", json::object()).items())
        inputs.push_back(topic);
    config["inputs"] = std::move(inputs);
    take(config, function, {"inputSpecs", "maxMessageRetries", "deadLetterTopic"});
    add_configs(config, details.sink().configs());
    take(config, function,
         {"secrets", "parallelism", "processingGuarantees", "retainOrdering", "retainKeyOrdering",
          "resources", "autoAck", "timeoutMs"});
    if (details.source().negativeackredeliverydelayms() > 0)
        config["negativeAckRedeliveryDelayMs"] = details.source().negativeackredeliverydelayms();
    if (!details.sink().builtin().empty()) config["archive"] = "builtin://" + details.sink().builtin();
    take(config, function, {"cleanupSubscription", "runtimeFlags", "customRuntimeOptions", "logTopic"});
    return config;
}

}  // namespace

std::string to_protobuf_json(const google::protobuf::Message& message) {
    std::string text;
    if (!pb::MessageToJsonString(message, &text).ok()) return "{}";
    return text_of(json::parse(text, nullptr, false), 2);
}

Result<FunctionConfig> function_config_from_details_json(std::string_view text) {
    if (text.size() > kConfigBytesMax) {
        return fail(ErrorCode::invalid_argument, "functionDetails has ", text.size(), " bytes: at most ",
                    kConfigBytesMax, " are taken");
    }
    if (!is_utf8(text)) return fail(ErrorCode::invalid_argument, "functionDetails is not UTF-8");
    ::proto::FunctionDetails details;
    const auto status = pb::JsonStringToMessage({text.data(), text.size()}, &details);
    if (!status.ok()) {
        constexpr std::size_t kShown = 300;
        return fail(ErrorCode::invalid_argument, "functionDetails is not the JSON of FunctionDetails: ",
                    status.ToString().substr(0, kShown));
    }
    FunctionConfig config = from_details(details);
    // What protobuf can't tell from "not given", and this worker does not take.
    if (config.auto_ack == false) config.auto_ack.reset();
    if (config.secrets && config.secrets->text == "{}") config.secrets.reset();
    return config;
}

std::string connector_config_json(const ::proto::FunctionDetails& details) {
    const json function = parsed(to_json(from_details(details)));
    return text_of(component_of(details) == ComponentType::source ? source_config(details, function)
                                                                  : sink_config(details, function));
}

}  // namespace weft::model
