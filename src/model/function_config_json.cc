// FunctionConfig as JSON: one list of members per struct, walked by a reader and by a writer.

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "model/function_config.h"

namespace weft::model {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

template <class Enum>
struct EnumName {
    std::string_view name;
    Enum value;
};
constexpr std::array<EnumName<ProcessingGuarantees>, 4> kGuarantees{
    {{"ATLEAST_ONCE", ProcessingGuarantees::atleast_once},
     {"ATMOST_ONCE", ProcessingGuarantees::atmost_once},
     {"EFFECTIVELY_ONCE", ProcessingGuarantees::effectively_once},
     {"MANUAL", ProcessingGuarantees::manual}}};
constexpr std::array<EnumName<Runtime>, 4> kRuntimes{
    {{"JAVA", Runtime::java}, {"PYTHON", Runtime::python}, {"GO", Runtime::go}, {"NATIVE", Runtime::native}}};
constexpr std::array<EnumName<SubscriptionPosition>, 2> kPositions{
    {{"Latest", SubscriptionPosition::latest}, {"Earliest", SubscriptionPosition::earliest}}};
constexpr std::array<EnumName<CompressionType>, 5> kCompressions{{{"NONE", CompressionType::none},
                                                                  {"LZ4", CompressionType::lz4},
                                                                  {"ZLIB", CompressionType::zlib},
                                                                  {"ZSTD", CompressionType::zstd},
                                                                  {"SNAPPY", CompressionType::snappy}}};
constexpr const auto& names_of(ProcessingGuarantees) { return kGuarantees; }
constexpr const auto& names_of(Runtime) { return kRuntimes; }
constexpr const auto& names_of(SubscriptionPosition) { return kPositions; }
constexpr const auto& names_of(CompressionType) { return kCompressions; }

template <class Enum>
std::string_view find_name(Enum value) {
    for (const auto& entry : names_of(value)) {
        if (entry.value == value) return entry.name;
    }
    return "?";
}

// The members of each struct, in the order in which Pulsar writes them.

template <class Config, class Visitor>
void visit_crypto(Config& c, Visitor& v) {
    v("cryptoKeyReaderClassName", c.crypto_key_reader_class_name);
    v("cryptoKeyReaderConfig", c.crypto_key_reader_config);
    v("encryptionKeys", c.encryption_keys);
    v("producerCryptoFailureAction", c.producer_crypto_failure_action);
    v("consumerCryptoFailureAction", c.consumer_crypto_failure_action);
}
template <class Config, class Visitor>
void visit_consumer(Config& c, Visitor& v) {
    v("schemaType", c.schema_type);
    v("serdeClassName", c.serde_class_name);
    v("regexPattern", c.regex_pattern);
    v("schemaProperties", c.schema_properties);
    v("consumerProperties", c.consumer_properties);
    v("receiverQueueSize", c.receiver_queue_size);
    v("cryptoConfig", c.crypto_config);
    v("poolMessages", c.pool_messages);
}
template <class Config, class Visitor>
void visit_producer(Config& c, Visitor& v) {
    v("maxPendingMessages", c.max_pending_messages);
    v("maxPendingMessagesAcrossPartitions", c.max_pending_messages_across_partitions);
    v("useThreadLocalProducers", c.use_thread_local_producers);
    v("cryptoConfig", c.crypto_config);
    v("batchBuilder", c.batch_builder);
    v("compressionType", c.compression_type);
}
template <class Config, class Visitor>
void visit_resources(Config& c, Visitor& v) {
    v("cpu", c.cpu);
    v("ram", c.ram);
    v("disk", c.disk);
}
template <class Config, class Visitor>
void visit_window(Config& c, Visitor& v) {
    v("windowLengthCount", c.window_length_count);
    v("windowLengthDurationMs", c.window_length_duration_ms);
    v("slidingIntervalCount", c.sliding_interval_count);
    v("slidingIntervalDurationMs", c.sliding_interval_duration_ms);
    v("lateDataTopic", c.late_data_topic);
    v("maxLagMs", c.max_lag_ms);
    v("watermarkEmitIntervalMs", c.watermark_emit_interval_ms);
    v("timestampExtractorClassName", c.timestamp_extractor_class_name);
    v("actualWindowFunctionClassName", c.actual_window_function_class_name);
    v("processingGuarantees", c.processing_guarantees);
}
template <class Config, class Visitor>
void visit_function(Config& c, Visitor& v) {
    v("runtimeFlags", c.runtime_flags);
    v("tenant", c.tenant);
    v("namespace", c.ns);
    v("name", c.name);
    v("className", c.class_name);
    v("inputs", c.inputs);
    v("customSerdeInputs", c.custom_serde_inputs);
    v("topicsPattern", c.topics_pattern);
    v("customSchemaInputs", c.custom_schema_inputs);
    v("customSchemaOutputs", c.custom_schema_outputs);
    v("inputSpecs", c.input_specs);
    v("inputTypeClassName", c.input_type_class_name);
    v("output", c.output);
    v("producerConfig", c.producer_config);
    v("outputSchemaType", c.output_schema_type);
    v("outputTypeClassName", c.output_type_class_name);
    v("outputSerdeClassName", c.output_serde_class_name);
    v("logTopic", c.log_topic);
    v("processingGuarantees", c.processing_guarantees);
    v("retainOrdering", c.retain_ordering);
    v("retainKeyOrdering", c.retain_key_ordering);
    v("batchBuilder", c.batch_builder);
    v("forwardSourceMessageProperty", c.forward_source_message_property);
    v("userConfig", c.user_config);
    v("secrets", c.secrets);
    v("runtime", c.runtime);
    v("autoAck", c.auto_ack);
    v("maxMessageRetries", c.max_message_retries);
    v("deadLetterTopic", c.dead_letter_topic);
    v("subName", c.sub_name);
    v("parallelism", c.parallelism);
    v("resources", c.resources);
    v("fqfn", c.fqfn);
    v("windowConfig", c.window_config);
    v("timeoutMs", c.timeout_ms);
    v("jar", c.jar);
    v("py", c.py);
    v("go", c.go);
    v("native", c.native);
    v("functionType", c.function_type);
    v("cleanupSubscription", c.cleanup_subscription);
    v("customRuntimeOptions", c.custom_runtime_options);
    v("maxPendingAsyncRequests", c.max_pending_async_requests);
    v("exposePulsarAdminClientEnabled", c.expose_pulsar_admin_client_enabled);
    v("skipToLatest", c.skip_to_latest);
    v("subscriptionPosition", c.subscription_position);
}

template <class Visitor, class C>
void visit_members(C& c, Visitor& v) {
    using Plain = std::remove_const_t<C>;
    if constexpr (std::is_same_v<Plain, FunctionConfig>) visit_function(c, v);
    if constexpr (std::is_same_v<Plain, ConsumerConfig>) visit_consumer(c, v);
    if constexpr (std::is_same_v<Plain, ProducerConfig>) visit_producer(c, v);
    if constexpr (std::is_same_v<Plain, CryptoConfig>) visit_crypto(c, v);
    if constexpr (std::is_same_v<Plain, Resources>) visit_resources(c, v);
    if constexpr (std::is_same_v<Plain, WindowConfig>) visit_window(c, v);
}

/// A value as it may stand in an error: short, and safe to print.
std::string shown(const json& value) {
    std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    constexpr std::size_t kShownBytes = 60;
    if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "...";
    return text;
}

/// Reads members of one JSON object; keeps the first error.
class Reader {
  public:
    Reader(const json& object, std::string path, std::string& error)
        : object_(object), path_(std::move(path)), error_(error) {}

    template <class T>
    void operator()(std::string_view name, T& out) {
        const json* value = find(name);
        if (!value && name == "regexPattern") value = find("isRegexPattern");  // Gson's spelling
        if (!value || value->is_null() || !error_.empty()) return;
        read(*value, path_ + std::string(name), out);
    }

  private:
    const json* find(std::string_view name) const {
        const auto found = object_.find(std::string(name));
        return found == object_.end() ? nullptr : &*found;
    }
    void wrong(const std::string& path, const json& value, std::string_view expected) {
        error_ = str_cat("Invalid value ", shown(value), " of ", path, " in the function config: it must be ",
                         expected);
    }

    template <class T>
    void read(const json& value, const std::string& path, std::optional<T>& out) {
        T inner{};
        read(value, path, inner);
        if (error_.empty()) out = std::move(inner);
    }
    void read(const json& value, const std::string& path, std::string& out) {
        if (value.is_string()) {
            out = value.get<std::string>();
        } else if (value.is_number() || value.is_boolean()) {  // as Jackson does
            out = value.dump();
        } else {
            wrong(path, value, "a string");
        }
    }
    void read(const json& value, const std::string& path, bool& out) {
        if (value.is_boolean()) {
            out = value.get<bool>();
        } else if (value.is_string() && (value == "true" || value == "false")) {
            out = value == "true";
        } else {
            wrong(path, value, "true or false");
        }
    }
    template <std::signed_integral Number>
    void read(const json& value, const std::string& path, Number& out) {
        constexpr std::string_view kExpected =
            sizeof(Number) == 4 ? "a whole number of at most 32 bits" : "a whole number of at most 64 bits";
        if (value.is_number_unsigned() && std::in_range<Number>(value.get<std::uint64_t>())) {
            out = static_cast<Number>(value.get<std::uint64_t>());
        } else if (value.is_number_integer() && !value.is_number_unsigned() &&
                   std::in_range<Number>(value.get<std::int64_t>())) {
            out = static_cast<Number>(value.get<std::int64_t>());
        } else if (value.is_string()) {
            const auto& text = value.get_ref<const std::string&>();
            const char* const end = text.data() + text.size();
            if (std::from_chars(text.data(), end, out) != std::from_chars_result{end, std::errc{}}) {
                wrong(path, value, kExpected);
            }
        } else {
            wrong(path, value, kExpected);
        }
    }
    void read(const json& value, const std::string& path, double& out) {
        if (value.is_number()) {
            out = value.get<double>();
        } else {
            wrong(path, value, "a number");
        }
    }
    template <class Enum>
        requires std::is_enum_v<Enum>
    void read(const json& value, const std::string& path, Enum& out) {
        const auto& names = names_of(Enum{});
        if (value.is_string()) {
            for (const auto& entry : names) {
                if (entry.name == value.get_ref<const std::string&>()) {
                    out = entry.value;
                    return;
                }
            }
        }
        std::string expected = "one of";
        for (const auto& entry : names) str_append(expected, ' ', entry.name);
        wrong(path, value, expected);
    }
    void read(const json& value, const std::string& path, JsonText& out) {
        if (!value.is_object()) return wrong(path, value, "a JSON object");
        out.text = value.dump();
    }
    void read(const json& value, const std::string& path, std::vector<std::string>& out) {
        if (!value.is_array()) return wrong(path, value, "a list of strings");
        for (const auto& item : value) {
            if (!error_.empty()) return;
            read(item, path + "[]", out.emplace_back());
        }
    }
    template <class T>
    void read(const json& value, const std::string& path, std::map<std::string, T>& out) {
        if (!value.is_object()) return wrong(path, value, "a JSON object");
        for (const auto& [key, item] : value.items()) {
            if (!error_.empty()) return;
            T inner{};
            if (!item.is_null()) read(item, path + "[" + key + "]", inner);
            out.insert_or_assign(key, std::move(inner));
        }
    }
    template <class Struct>
        requires std::is_class_v<Struct>
    void read(const json& value, const std::string& path, Struct& out) {
        if (!value.is_object()) return wrong(path, value, "a JSON object");
        Reader inner(value, path + ".", error_);
        visit_members(out, inner);
    }

    const json& object_;
    std::string path_;
    std::string& error_;
};

class Writer {
  public:
    template <class T>
    void operator()(std::string_view name, const std::optional<T>& value) {
        if (value) out[std::string(name)] = to_value(*value);
    }
    template <class T>
    void operator()(std::string_view name, const T& value) {
        out[std::string(name)] = to_value(value);
    }
    ordered_json out = ordered_json::object();

  private:
    template <class T>
    static ordered_json to_value(const T& value) {
        if constexpr (std::is_enum_v<T>) {
            return std::string(find_name(value));
        } else if constexpr (std::is_same_v<T, JsonText>) {
            return ordered_json::parse(value.text, nullptr, false);
        } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> ||
                             std::is_same_v<T, std::vector<std::string>>) {
            return value;
        } else if constexpr (requires { typename T::mapped_type; }) {
            ordered_json object = ordered_json::object();
            for (const auto& [key, item] : value) object[key] = to_value(item);
            return object;
        } else {
            Writer inner;
            visit_members(value, inner);
            return std::move(inner.out);
        }
    }
};

/// Parses with a bound on nesting, since a tree is walked recursively later.
Result<json> parse_bounded(std::string_view text) {
    if (text.size() > kConfigBytesMax) {
        return fail(ErrorCode::invalid_argument, "The function config is too large: ", text.size(),
                    " bytes, at most ", kConfigBytesMax, " are taken");
    }
    bool too_deep = false;
    const auto guard = [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > kConfigDepthMax;
        return !too_deep;
    };
    json root;
    try {
        root = json::parse(text, guard);
    } catch (const json::exception& e) {
        return fail(ErrorCode::invalid_argument, "The function config is not valid JSON: ", e.what());
    }
    if (too_deep) {
        return fail(ErrorCode::invalid_argument, "The function config nests deeper than ", kConfigDepthMax,
                    " levels");
    }
    return root;
}

}  // namespace

std::string_view name_of(ProcessingGuarantees value) { return find_name(value); }
std::string_view name_of(Runtime value) { return find_name(value); }
std::string_view name_of(SubscriptionPosition value) { return find_name(value); }
std::string_view name_of(CompressionType value) { return find_name(value); }

Result<FunctionConfig> function_config_from_json(std::string_view text) {
    WEFT_TRY(const json root, parse_bounded(text));
    if (!root.is_object()) {
        return fail(ErrorCode::invalid_argument, "The function config must be a JSON object, it is ",
                    shown(root));
    }
    FunctionConfig config;
    std::string error;
    Reader reader(root, "", error);
    visit_members(config, reader);
    if (!error.empty()) return std::unexpected(Error{ErrorCode::invalid_argument, std::move(error)});
    return config;
}

std::string to_json(const WindowConfig& config) {
    Writer writer;
    visit_members(config, writer);
    return writer.out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::optional<WindowConfig> window_config_from_json(std::string_view text) {
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return std::nullopt;
    WindowConfig config;
    std::string error;
    Reader reader(object, "", error);
    visit_members(config, reader);
    return error.empty() ? std::optional(std::move(config)) : std::nullopt;
}

std::string to_json(const FunctionConfig& config) {
    Writer writer;
    visit_members(config, writer);
    return writer.out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace weft::model
