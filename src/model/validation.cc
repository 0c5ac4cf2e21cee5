#include "model/validation.h"

#include <algorithm>
#include <array>

#include "model/function_details.h"
#include "model/function_name.h"
#include "wire/topic_name.h"

namespace weft::model {
namespace {

using Check = Result<>;
constexpr std::string_view kLeaveOut = "leave it out";

template <class... Parts>
std::unexpected<Error> refuse(const Parts&... parts) {
    return fail(ErrorCode::invalid_argument, parts...);
}

/// What is wrong, behind the words of Pulsar's worker: the field, its value and the cure.
struct At {
    std::string field, value;
    std::string_view cure;
};
template <class... Parts>
std::unexpected<Error> refuse_at(const At& at, const Parts&... pulsars_text) {
    constexpr std::size_t kShownBytes = 200;
    return refuse(pulsars_text..., " (", at.field, " = ",
                  at.value.empty() ? "nothing" : at.value.substr(0, kShownBytes), ": ", at.cure, ")");
}

bool is_set(const std::optional<std::string>& text) { return text && !text->empty(); }
bool is_true(const std::optional<bool>& flag) { return flag && *flag; }
bool is_blank(const std::optional<std::string>& text) {
    return !text || text->find_first_not_of(" \t\r\n") == std::string::npos;
}
bool is_guarantee(const FunctionConfig& c, ProcessingGuarantees g) { return c.processing_guarantees == g; }

Check check_names(const FunctionConfig& c) {
    if (!is_set(c.tenant)) return refuse("Function tenant cannot be null");
    if (!is_set(c.ns)) return refuse("Function namespace cannot be null");
    if (!is_set(c.name)) return refuse("Function name cannot be null");
    if (c.runtime == Runtime::java && !is_set(c.class_name))
        return refuse_at({"className", "", "give package.Class"}, "Function class name is not provided.");
    if (c.runtime == Runtime::python && !is_set(c.class_name)) {
        return refuse_at({"className", "", "give module.Class or module.function"},
                         "Function classname cannot be null");
    }
    return {};
}

/// Whether Python could import it: parts with dots between, no path. (A module's file may be called
/// anything.)
bool is_dotted_name(std::string_view name) {
    const auto is_bad = [](char c) {
        return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    return !name.starts_with('.') && !name.ends_with('.') && !name.contains("..") &&
           std::ranges::none_of(name, is_bad);
}

Check check_class_name(const FunctionConfig& c) {
    if (c.runtime != Runtime::python || is_dotted_name(*c.class_name)) return {};
    return refuse_at({"className", *c.class_name, "give module.Class or module.function, no path"},
                     "Function classname is invalid");
}

Check check_topic(std::string_view what, std::string field, const std::string& topic) {
    const auto name = wire::TopicName::parse(topic);
    if (name) return {};
    return refuse(what, " ", topic.substr(0, 4 * kNameBytesMax), " is invalid (", field, ": ",
                  name.error().message, ")");
}

Check check_topics(const FunctionConfig& c) {
    const auto inputs = all_inputs(c);
    if (inputs.empty()) {
        return refuse_at({"inputs", "", "name one topic or more"},
                         "No input topic(s) specified for the function");
    }
    for (const auto& topic : inputs) WEFT_TRY_VOID(check_topic("Input topic", "inputs", topic));
    if (is_set(c.output)) WEFT_TRY_VOID(check_topic("Output topic", "output", *c.output));
    if (is_set(c.log_topic)) WEFT_TRY_VOID(check_topic("LogTopic topic", "logTopic", *c.log_topic));
    if (is_set(c.dead_letter_topic))
        WEFT_TRY_VOID(check_topic("DeadLetter topic", "deadLetterTopic", *c.dead_letter_topic));
    if (c.parallelism && *c.parallelism <= 0) {
        return refuse_at({"parallelism", str_cat(*c.parallelism), "use 1 or more"},
                         "Function parallelism must be a positive number");
    }
    if (c.output && std::ranges::find(inputs, *c.output) != inputs.end()) {
        return refuse("Output topic ", *c.output,
                      " is also being used as an input topic (topics must be one or the other)");
    }
    return {};
}

Check check_window(const WindowConfig& w) {
    if (!w.window_length_duration_ms && !w.window_length_count) {
        return refuse_at({"windowConfig.windowLengthCount", "", "give it or windowLengthDurationMs"},
                         "Window length is not specified");
    }
    if (w.window_length_duration_ms && w.window_length_count) {
        return refuse("Window length for time and count are set! Please set one or the other.");
    }
    const auto positive = [](std::string_view what, auto value) -> Check {
        if (value && *value <= 0) return refuse(what, " must be positive [", *value, "]");
        return {};
    };
    WEFT_TRY_VOID(positive("Window length", w.window_length_count));
    WEFT_TRY_VOID(positive("Window length", w.window_length_duration_ms));
    WEFT_TRY_VOID(positive("Sliding interval", w.sliding_interval_count));
    WEFT_TRY_VOID(positive("Sliding interval", w.sliding_interval_duration_ms));
    if (w.timestamp_extractor_class_name) {
        if (w.max_lag_ms && *w.max_lag_ms < 0)
            return refuse("Lag duration must be positive [", *w.max_lag_ms, "]");
        WEFT_TRY_VOID(positive("Watermark interval", w.watermark_emit_interval_ms));
    }
    return {};
}

Check check_resources(const Resources& r) {
    const auto positive = [](std::string_view what, auto value) -> Check {
        if (!value || *value > 0) return {};
        return refuse_at({str_cat("resources.", what), str_cat(*value), "use more than 0, or leave it out"},
                         "The ", what, " allocation for the function must be positive");
    };
    WEFT_TRY_VOID(positive("cpu", r.cpu));
    WEFT_TRY_VOID(positive("ram", r.ram));
    return positive("disk", r.disk);
}

Check check_guarantees(const FunctionConfig& c) {
    const bool effectively_once = is_guarantee(c, ProcessingGuarantees::effectively_once);
    const bool retries = c.max_message_retries && *c.max_message_retries >= 0;
    if (c.timeout_ms && *c.timeout_ms <= 0) {
        return refuse_at({"timeoutMs", str_cat(*c.timeout_ms), "use 1 or more, or leave it out"},
                         "Function timeout must be a positive number");
    }
    if (c.timeout_ms && c.processing_guarantees && !is_guarantee(c, ProcessingGuarantees::atleast_once)) {
        return refuse_at({"timeoutMs", str_cat(*c.timeout_ms), "leave it out, or use ATLEAST_ONCE"},
                         "Message timeout can only be specified with processing guarantee is ATLEAST_ONCE");
    }
    if (retries && effectively_once) {
        return refuse_at({"maxMessageRetries", str_cat(*c.max_message_retries), kLeaveOut},
                         "MaxMessageRetries and Effectively once don't gel well");
    }
    if (!retries && is_set(c.dead_letter_topic)) {
        return refuse_at({"deadLetterTopic", *c.dead_letter_topic, kLeaveOut},
                         "Dead Letter Topic specified, however max retries is set to infinity");
    }
    if (is_true(c.retain_key_ordering) && effectively_once) {
        return refuse(
            "When effectively once processing guarantee is specified, retain Key ordering cannot be set");
    }
    if (is_true(c.retain_key_ordering) && is_true(c.retain_ordering)) {
        return refuse_at({"retainKeyOrdering", "true", "leave it out, or retainOrdering"},
                         "Only one of retain ordering or retain key ordering can be set");
    }
    return {};
}

Check check_clients(const FunctionConfig& c) {
    for (const auto& [topic, spec] : c.input_specs.value_or(ConsumerConfigMap{})) {
        if (spec.receiver_queue_size && *spec.receiver_queue_size < 0) {
            return refuse_at({str_cat("inputSpecs[", topic, "].receiverQueueSize"),
                              str_cat(*spec.receiver_queue_size), "use 1 or more, or leave it out"},
                             "Receiver queue size should be >= zero");
        }
        if (spec.crypto_config && is_blank(spec.crypto_config->crypto_key_reader_class_name)) {
            return refuse("CryptoKeyReader class name required");
        }
    }
    if (!c.producer_config || !c.producer_config->crypto_config) return {};
    const CryptoConfig& crypto = *c.producer_config->crypto_config;
    if (is_blank(crypto.crypto_key_reader_class_name)) return refuse("CryptoKeyReader class name required");
    if (!crypto.encryption_keys || crypto.encryption_keys->empty()) {
        return refuse("Must provide encryption key name for crypto key reader");
    }
    return {};
}

Check check_go(const FunctionConfig& c) {
    if (is_guarantee(c, ProcessingGuarantees::effectively_once)) {
        return refuse("Effectively-once processing guarantees not yet supported in Go function");
    }
    if (c.window_config) return refuse("Windowing is not supported in Go function yet");
    if (c.max_message_retries && *c.max_message_retries >= 0) {
        return refuse("Message retries not yet supported in Go function");
    }
    if (is_true(c.retain_key_ordering))
        return refuse("Retain Key Orderering not yet supported in Go function");
    return {};
}

Check check_python(const FunctionConfig& c) {
    if (is_guarantee(c, ProcessingGuarantees::effectively_once)) {
        return refuse_at({"processingGuarantees", "EFFECTIVELY_ONCE", "use ATLEAST_ONCE or ATMOST_ONCE"},
                         "Effectively-once processing guarantees not yet supported in Python");
    }
    if (c.window_config)
        return refuse_at({"windowConfig", "given", kLeaveOut},
                         "There is currently no support windowing in python");
    if (c.max_message_retries && *c.max_message_retries >= 0) {
        return refuse_at({"maxMessageRetries", str_cat(*c.max_message_retries), kLeaveOut},
                         "Message retries not yet supported in python");
    }
    return {};
}

Check check_java(const FunctionConfig& c) {
    for (const auto& [topic, spec] : c.input_specs.value_or(ConsumerConfigMap{})) {
        if (is_set(spec.schema_type) && is_set(spec.serde_class_name)) {
            return refuse_at({str_cat("inputSpecs[", topic, "].schemaType"), *spec.schema_type, kLeaveOut},
                             "Only one of schemaType or serdeClassName should be set in inputSpec");
        }
    }
    if (is_set(c.output_schema_type) && is_set(c.output_serde_class_name)) {
        return refuse_at({"outputSchemaType", *c.output_schema_type, kLeaveOut},
                         "Only one of outputSchemaType or outputSerdeClassName should be set");
    }
    return {};
}

Check check_language(const FunctionConfig& c) {
    if (!c.runtime) {
        return refuse_at({"runtime", "", "use JAVA (--jar), PYTHON (--py), GO (--go) or NATIVE (--native)"},
                         "Function language runtime is either not set or cannot be determined");
    }
    switch (*c.runtime) {
        case Runtime::java:
            return check_java(c);
        case Runtime::go:
            return check_go(c);
        case Runtime::python:
            return check_python(c);
        case Runtime::native:
            break;
    }
    return {};
}

/// The last checks of Pulsar's conversion to FunctionDetails.
Check check_contradictions(const FunctionConfig& c) {
    const bool manual = is_guarantee(c, ProcessingGuarantees::manual);
    if (c.window_config && (is_guarantee(c, ProcessingGuarantees::effectively_once) || manual)) {
        return refuse("Windows Function not support ", name_of(*c.processing_guarantees),
                      " delivery semantics.");
    }
    if (c.auto_ack && !*c.auto_ack && is_guarantee(c, ProcessingGuarantees::atmost_once)) {
        return refuse(
            "When Guarantees == ATMOST_ONCE, autoAck must be equal to true. This is a contradictory "
            "configuration, "
            "autoAck will be removed later. Please refer to PIP: "
            "https://github.com/apache/pulsar/issues/15560");
    }
    return {};
}

// What Weft doesn't serve yet. Each looks at one field and gives its value if that isn't the default.

using Value = std::optional<std::string>;

Value value_if(bool differs, std::string_view value) {
    return differs ? Value(std::string(value)) : std::nullopt;
}
Value text_value(const std::optional<std::string>& text) { return value_if(is_set(text), text.value_or("")); }
Value flag_value(const std::optional<bool>& flag) { return value_if(is_true(flag), "true"); }
template <class Number>
Value number_value(const std::optional<Number>& number) {
    return number ? Value(str_cat(*number)) : std::nullopt;
}
Value batch_builder_value(const std::optional<std::string>& builder) {
    return value_if(is_set(builder) && *builder != "DEFAULT", builder.value_or(""));
}

/// The first input whose spec is not plain in the way `differs` asks for.
template <class Differs>
Value input_value(const FunctionConfig& c, Differs differs) {
    if (!c.input_specs) return std::nullopt;
    for (const auto& [topic, spec] : *c.input_specs) {
        if (const Value value = differs(spec)) return str_cat(*value, " (input ", topic, ")");
    }
    return std::nullopt;
}
template <class Differs>
Value producer_value(const FunctionConfig& c, Differs differs) {
    return c.producer_config ? differs(*c.producer_config) : std::nullopt;
}

/// The value, if functions of this language only know bytes.
Value without_serde(const FunctionConfig& c, Value value) {
    return c.runtime == Runtime::native || c.runtime == Runtime::go ? value : std::nullopt;
}
/// The value, if the function is a Go one.
Value go_only(const FunctionConfig& c, Value value) {
    return c.runtime == Runtime::go ? value : std::nullopt;
}

Value guarantees_value(const FunctionConfig& c) {
    const bool manual = c.runtime == Runtime::java && is_guarantee(c, ProcessingGuarantees::manual);
    const bool served = !c.processing_guarantees || is_guarantee(c, ProcessingGuarantees::atleast_once) ||
                        is_guarantee(c, ProcessingGuarantees::atmost_once) || manual;
    return served ? std::nullopt : Value(std::string(name_of(*c.processing_guarantees)));
}

/// In which languages all values are served.
enum class Served : std::uint8_t { nowhere, java };

struct Support {
    std::string_view field;
    Value (*unserved)(const FunctionConfig&);
    std::string_view cure;
    Served served = Served::nowhere;
};

constexpr std::string_view kSerde = "leave it out and use a serde class, or plain bytes";

constexpr std::string_view kNoSerde = "leave it out, a NATIVE or GO function gets and gives bytes";

constexpr auto kSupport = std::to_array<Support>({
    {"functionType", [](const FunctionConfig& c) { return text_value(c.function_type); },
     "upload the function's package"},
    {"topicsPattern", [](const FunctionConfig& c) { return text_value(c.topics_pattern); },
     "name the input topics"},
    {"customSchemaInputs",
     [](const FunctionConfig& c) {
         return value_if(c.custom_schema_inputs && !c.custom_schema_inputs->empty(), "with entries");
     },
     kSerde},
    {"customSchemaOutputs",
     [](const FunctionConfig& c) {
         return value_if(c.custom_schema_outputs && !c.custom_schema_outputs->empty(), "with entries");
     },
     kSerde},
    {"inputSpecs.regexPattern",
     [](const FunctionConfig& c) {
         return input_value(c, [](const ConsumerConfig& s) { return value_if(s.regex_pattern, "true"); });
     },
     "name the input topics"},
    {"inputSpecs.schemaType",
     [](const FunctionConfig& c) {
         return input_value(c, [](const ConsumerConfig& s) { return text_value(s.schema_type); });
     },
     kSerde, Served::java},
    {"inputSpecs.schemaProperties",
     [](const FunctionConfig& c) {
         return input_value(c, [](const ConsumerConfig& s) {
             return value_if(!s.schema_properties.empty(), "with entries");
         });
     },
     kLeaveOut, Served::java},
    {"inputSpecs.consumerProperties",
     [](const FunctionConfig& c) {
         return input_value(c, [](const ConsumerConfig& s) {
             return value_if(!s.consumer_properties.empty(), "with entries");
         });
     },
     kLeaveOut, Served::java},
    {"inputSpecs.cryptoConfig",
     [](const FunctionConfig& c) {
         return input_value(
             c, [](const ConsumerConfig& s) { return value_if(s.crypto_config.has_value(), "given"); });
     },
     kLeaveOut},
    {"inputSpecs.poolMessages",
     [](const FunctionConfig& c) {
         return input_value(c, [](const ConsumerConfig& s) { return value_if(s.pool_messages, "true"); });
     },
     kLeaveOut, Served::java},
    {"inputSpecs.serdeClassName",
     [](const FunctionConfig& c) {
         return without_serde(
             c, input_value(c, [](const ConsumerConfig& s) { return text_value(s.serde_class_name); }));
     },
     kNoSerde},
    {"inputSpecs.receiverQueueSize",
     [](const FunctionConfig& c) {
         return input_value(
             c, [](const ConsumerConfig& s) { return value_if(s.receiver_queue_size == 0, "0"); });
     },
     "use 1 or more", Served::java},
    {"customSerdeInputs",
     [](const FunctionConfig& c) {
         const bool given = c.custom_serde_inputs && !c.custom_serde_inputs->empty();
         return without_serde(c, value_if(given, "with entries"));
     },
     kNoSerde},
    {"outputSerdeClassName",
     [](const FunctionConfig& c) { return without_serde(c, text_value(c.output_serde_class_name)); },
     kNoSerde},
    {"inputTypeClassName", [](const FunctionConfig& c) { return text_value(c.input_type_class_name); },
     kSerde, Served::java},
    {"producerConfig.maxPendingMessagesAcrossPartitions",
     [](const FunctionConfig& c) {
         return producer_value(c, [](const ProducerConfig& p) {
             return p.max_pending_messages_across_partitions == 0
                        ? std::nullopt
                        : number_value(p.max_pending_messages_across_partitions);
         });
     },
     "use maxPendingMessages", Served::java},
    {"producerConfig.useThreadLocalProducers",
     [](const FunctionConfig& c) {
         return producer_value(
             c, [](const ProducerConfig& p) { return flag_value(p.use_thread_local_producers); });
     },
     kLeaveOut, Served::java},
    {"producerConfig.cryptoConfig",
     [](const FunctionConfig& c) {
         return producer_value(
             c, [](const ProducerConfig& p) { return value_if(p.crypto_config.has_value(), "given"); });
     },
     kLeaveOut},
    {"producerConfig.batchBuilder",
     [](const FunctionConfig& c) {
         return producer_value(c,
                               [](const ProducerConfig& p) { return batch_builder_value(p.batch_builder); });
     },
     "use DEFAULT", Served::java},
    {"producerConfig.maxPendingMessages",
     [](const FunctionConfig& c) {
         return go_only(c, producer_value(c, [](const ProducerConfig& p) {
                            return p.max_pending_messages.value_or(0) == 0
                                       ? std::nullopt
                                       : number_value(p.max_pending_messages);
                        }));
     },
     "leave it out, the Go SDK doesn't know it"},
    {"producerConfig.compressionType",
     [](const FunctionConfig& c) {
         return go_only(c, producer_value(c, [](const ProducerConfig& p) {
                            const auto type = p.compression_type.value_or(CompressionType::lz4);
                            return value_if(type != CompressionType::lz4, name_of(type));
                        }));
     },
     "use LZ4, the Go SDK knows no other"},
    {"outputSchemaType", [](const FunctionConfig& c) { return text_value(c.output_schema_type); }, kSerde,
     Served::java},
    {"outputTypeClassName", [](const FunctionConfig& c) { return text_value(c.output_type_class_name); },
     kSerde, Served::java},
    {"timeoutMs",
     [](const FunctionConfig& c) {
         const bool is_short = c.runtime == Runtime::java && c.timeout_ms.value_or(1000) < 1000;
         return is_short ? number_value(c.timeout_ms) : std::nullopt;
     },
     "use 1000 or more, Pulsar's Java client takes no less"},
    {"processingGuarantees", guarantees_value, "use ATLEAST_ONCE or ATMOST_ONCE"},
    {"retainKeyOrdering", [](const FunctionConfig& c) { return flag_value(c.retain_key_ordering); },
     "use retainOrdering", Served::java},
    {"batchBuilder", [](const FunctionConfig& c) { return batch_builder_value(c.batch_builder); },
     "use DEFAULT", Served::java},
    {"secrets",
     [](const FunctionConfig& c) {
         return value_if(c.runtime == Runtime::go && c.secrets && c.secrets->text != "{}", "with entries");
     },
     "use JAVA, PYTHON or NATIVE: a program of Pulsar's SDK for Go is told all on its command line, which "
     "everybody can read"},
    {"windowConfig", [](const FunctionConfig& c) { return value_if(c.window_config.has_value(), "given"); },
     kLeaveOut, Served::java},
    {"autoAck", [](const FunctionConfig& c) { return value_if(c.auto_ack && !*c.auto_ack, "false"); },
     "use true", Served::java},
    {"maxMessageRetries",
     [](const FunctionConfig& c) {
         const std::int32_t retries = c.max_message_retries.value_or(-1);
         const bool served = retries < 0 || (c.runtime == Runtime::java && retries > 0);
         return served ? std::nullopt : number_value(c.max_message_retries);
     },
     "leave it out; a JAVA function can have 1 and more"},
    {"deadLetterTopic", [](const FunctionConfig& c) { return text_value(c.dead_letter_topic); }, kLeaveOut,
     Served::java},
    {"runtimeFlags", [](const FunctionConfig& c) { return text_value(c.runtime_flags); }, kLeaveOut,
     Served::java},
    {"customRuntimeOptions", [](const FunctionConfig& c) { return text_value(c.custom_runtime_options); },
     kLeaveOut},
    {"maxPendingAsyncRequests",
     [](const FunctionConfig& c) {
         return c.max_pending_async_requests.value_or(1000) == 1000
                    ? std::nullopt
                    : number_value(c.max_pending_async_requests);
     },
     kLeaveOut},
    {"exposePulsarAdminClientEnabled",
     [](const FunctionConfig& c) { return flag_value(c.expose_pulsar_admin_client_enabled); }, kLeaveOut},
    {"skipToLatest", [](const FunctionConfig& c) { return flag_value(c.skip_to_latest); }, kLeaveOut,
     Served::java},
});

}  // namespace

void infer_missing(FunctionConfig& c) {
    if (!is_set(c.name) && is_set(c.class_name)) c.name = c.class_name->substr(c.class_name->rfind('.') + 1);
    if (!is_set(c.tenant)) c.tenant = "public";
    if (!is_set(c.ns)) c.ns = "default";
    if (!c.parallelism) c.parallelism = 1;
    if (!c.max_pending_async_requests) c.max_pending_async_requests = 1000;
    if (!c.forward_source_message_property) c.forward_source_message_property = true;
    if (c.jar) {
        c.runtime = Runtime::java;
    } else if (c.py) {
        c.runtime = Runtime::python;
    } else if (c.go) {
        c.runtime = Runtime::go;
    } else if (c.native) {
        c.runtime = Runtime::native;
    }
    if (!c.window_config) return;
    WindowConfig& w = *c.window_config;
    if (!w.sliding_interval_duration_ms) w.sliding_interval_duration_ms = w.window_length_duration_ms;
    if (!w.sliding_interval_count) w.sliding_interval_count = w.window_length_count;
    if (w.timestamp_extractor_class_name) {
        if (!w.max_lag_ms) w.max_lag_ms = 0;
        if (!w.watermark_emit_interval_ms) w.watermark_emit_interval_ms = 1000;
    }
    c.auto_ack = false;
}

std::vector<std::string> all_inputs(const FunctionConfig& c) {
    std::vector<std::string> inputs = c.inputs.value_or(std::vector<std::string>{});
    const auto add_keys = [&](const auto& map) {
        if (!map) return;
        for (const auto& [topic, ignored] : *map) inputs.push_back(topic);
    };
    if (c.topics_pattern) inputs.push_back(*c.topics_pattern);
    add_keys(c.custom_serde_inputs);
    add_keys(c.custom_schema_inputs);
    add_keys(c.input_specs);
    return inputs;
}

Result<> validate(const FunctionConfig& c) {
    WEFT_TRY_VOID(check_names(c));
    WEFT_TRY_VOID(check_topics(c));
    if (c.window_config) {
        if (is_true(c.auto_ack)) return refuse("Cannot enable auto ack when using windowing functionality");
        WEFT_TRY_VOID(check_window(*c.window_config));
    }
    if (c.resources) WEFT_TRY_VOID(check_resources(*c.resources));
    WEFT_TRY_VOID(check_guarantees(c));
    WEFT_TRY_VOID(check_clients(c));
    WEFT_TRY_VOID(check_language(c));
    WEFT_TRY_VOID(check_contradictions(c));
    WEFT_TRY_VOID(check_class_name(c));
    WEFT_TRY_VOID(check_name("Tenant", *c.tenant));
    WEFT_TRY_VOID(check_name("Namespace", *c.ns));
    WEFT_TRY_VOID(check_name("Function name", *c.name));
    if (c.parallelism.value_or(1) > kParallelismMax) {
        return refuse("Function parallelism ", *c.parallelism, " is over Weft's limit of ", kParallelismMax,
                      " (parallelism: use less)");
    }
    return {};
}

Result<> refuse_unsupported(const FunctionConfig& c) {
    for (const Support& support : kSupport) {
        if (support.served == Served::java && c.runtime == Runtime::java) continue;
        if (const Value value = support.unserved(c)) {
            return refuse(support.field, " = ", *value, " is not supported by Weft yet: ", support.cure);
        }
    }
    return {};
}

std::vector<std::string_view> fields_checked_for_support() {
    std::vector<std::string_view> fields;
    for (const Support& support : kSupport) fields.push_back(support.field);
    return fields;
}

}  // namespace weft::model
