#include "model/function_update.h"

namespace weft::model {
namespace {

template <class T>
void replace(std::optional<T>& target, const std::optional<T>& given) {
    if (given) target = given;
}
void replace_text(std::optional<std::string>& target, const std::optional<std::string>& given) {
    if (given && !given->empty()) target = given;
}

/// All inputs of an update as specs, the way Pulsar overlays them.
ConsumerConfigMap specs_of(const FunctionConfig& update) {
    ConsumerConfigMap specs = update.input_specs.value_or(ConsumerConfigMap{});
    for (const auto& topic : update.inputs.value_or(std::vector<std::string>{}))
        specs[topic] = ConsumerConfig{};
    if (update.topics_pattern && !update.topics_pattern->empty()) {
        ConsumerConfig pattern;
        pattern.regex_pattern = true;
        specs[*update.topics_pattern] = pattern;
    }
    for (const auto& [topic, serde] : update.custom_serde_inputs.value_or(StringMap{})) {
        ConsumerConfig config;
        config.serde_class_name = serde;
        specs[topic] = config;
    }
    for (const auto& [topic, schema] : update.custom_schema_inputs.value_or(StringMap{})) {
        ConsumerConfig config;
        config.schema_type = schema;
        specs[topic] = config;
    }
    return specs;
}

std::string_view shown(const std::string& text) { return std::string_view(text).substr(0, 200); }
std::string_view shown(bool flag) { return flag ? "true" : "false"; }
std::string_view shown(ProcessingGuarantees value) { return name_of(value); }
std::string_view shown(Runtime value) { return name_of(value); }

/// Pulsar's words, and behind them the field, its value and the cure.
std::unexpected<Error> altered(std::string_view pulsars_text, std::string_view field,
                               std::string_view value) {
    return fail(ErrorCode::invalid_argument, pulsars_text, " (", field, " = ", value,
                ": delete the function and create it anew, or leave the field out)");
}

Result<> merge_inputs(FunctionConfig& merged, const FunctionConfig& update) {
    ConsumerConfigMap stored = merged.input_specs.value_or(ConsumerConfigMap{});
    for (const auto& [topic, config] : specs_of(update)) {
        const auto found = stored.find(topic);
        if (found == stored.end()) return altered("Input Topics cannot be altered", "inputs", topic);
        if (found->second.regex_pattern != config.regex_pattern) {
            return altered(str_cat("isRegexPattern for input topic ", shown(topic), " cannot be altered"),
                           "inputSpecs.regexPattern", shown(config.regex_pattern));
        }
        found->second = config;
    }
    merged.input_specs = std::move(stored);
    return {};
}

template <class T>
Result<> keep(const std::optional<T>& stored, const std::optional<T>& given, std::string_view field,
              std::string_view text) {
    if (given && given != stored) return altered(text, field, shown(*given));
    return {};
}
Result<> keep_text(const std::optional<std::string>& stored, const std::optional<std::string>& given,
                   std::string_view field, std::string_view text) {
    if (given && !given->empty() && given != stored) return altered(text, field, shown(*given));
    return {};
}

}  // namespace

Result<FunctionConfig> merge_update(const FunctionConfig& stored, const FunctionConfig& update) {
    FunctionConfig merged = stored;
    WEFT_TRY_VOID(keep(stored.tenant, update.tenant, "tenant", "Tenants differ"));
    WEFT_TRY_VOID(keep(stored.ns, update.ns, "namespace", "Namespaces differ"));
    WEFT_TRY_VOID(keep(stored.name, update.name, "name", "Function Names differ"));
    WEFT_TRY_VOID(merge_inputs(merged, update));
    WEFT_TRY_VOID(keep_text(stored.output_serde_class_name, update.output_serde_class_name,
                            "outputSerdeClassName", "Output Serde mismatch"));
    WEFT_TRY_VOID(keep_text(stored.output_schema_type, update.output_schema_type, "outputSchemaType",
                            "Output Schema mismatch"));
    WEFT_TRY_VOID(keep(stored.processing_guarantees, update.processing_guarantees, "processingGuarantees",
                       "Processing Guarantees cannot be altered"));
    WEFT_TRY_VOID(keep(stored.retain_ordering, update.retain_ordering, "retainOrdering",
                       "Retain Ordering cannot be altered"));
    WEFT_TRY_VOID(keep(stored.retain_key_ordering, update.retain_key_ordering, "retainKeyOrdering",
                       "Retain Key Ordering cannot be altered"));
    WEFT_TRY_VOID(keep(stored.runtime, update.runtime, "runtime", "Runtime cannot be altered"));
    WEFT_TRY_VOID(keep(stored.auto_ack, update.auto_ack, "autoAck", "AutoAck cannot be altered"));
    WEFT_TRY_VOID(
        keep_text(stored.sub_name, update.sub_name, "subName", "Subscription Name cannot be altered"));

    replace_text(merged.class_name, update.class_name);
    replace_text(merged.jar, update.jar);
    replace_text(merged.log_topic, update.log_topic);
    replace_text(merged.output, update.output);
    replace(merged.user_config, update.user_config);
    replace(merged.secrets, update.secrets);
    replace(merged.max_message_retries, update.max_message_retries);
    replace_text(merged.dead_letter_topic, update.dead_letter_topic);
    replace(merged.parallelism, update.parallelism);
    if (update.resources) {
        Resources resources = merged.resources.value_or(Resources{});
        replace(resources.cpu, update.resources->cpu);
        replace(resources.ram, update.resources->ram);
        replace(resources.disk, update.resources->disk);
        merged.resources = resources;
    }
    replace(merged.window_config, update.window_config);
    replace(merged.timeout_ms, update.timeout_ms);
    replace(merged.cleanup_subscription, update.cleanup_subscription);
    replace_text(merged.runtime_flags, update.runtime_flags);
    replace_text(merged.custom_runtime_options, update.custom_runtime_options);
    replace(merged.producer_config, update.producer_config);
    return merged;
}

}  // namespace weft::model
