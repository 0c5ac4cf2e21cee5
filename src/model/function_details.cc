#include "model/function_details.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "wire/proto/Function.pb.h"

// autoAck is deprecated in Pulsar's proto and still what its clients send.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace weft::model {
namespace {

using Details = ::proto::FunctionDetails;

// A window function is run by a class of Pulsar's, which finds the function's own in its userConfig.
constexpr const char* kWindowExecutor = "org.apache.pulsar.functions.windowing.WindowFunctionExecutor";
constexpr const char* kWindowConfigs = "__WINDOWCONFIGS__";

bool is_set(const std::optional<std::string>& text) { return text && !text->empty(); }
std::optional<std::string> text_or_none(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

::proto::FunctionDetails::Runtime to_proto(Runtime value) {
    switch (value) {
        case Runtime::java:
            return Details::JAVA;
        case Runtime::python:
            return Details::PYTHON;
        case Runtime::go:
            return Details::GO;
        case Runtime::native:
            return Details::NATIVE;
    }
    return Details::JAVA;
}
std::optional<Runtime> from_proto(Details::Runtime value) {
    switch (value) {
        case Details::JAVA:
            return Runtime::java;
        case Details::PYTHON:
            return Runtime::python;
        case Details::GO:
            return Runtime::go;
        case Details::NATIVE:
            return Runtime::native;
        default:
            return std::nullopt;
    }
}
::proto::ProcessingGuarantees to_proto(ProcessingGuarantees value) {
    return static_cast<::proto::ProcessingGuarantees>(value);  // the same order
}
ProcessingGuarantees from_proto(::proto::ProcessingGuarantees value) {
    const auto number = static_cast<int>(value);
    return number <= 3 && number >= 0 ? static_cast<ProcessingGuarantees>(number)
                                      : ProcessingGuarantees::atleast_once;
}
::proto::CompressionType to_proto(CompressionType value) {
    switch (value) {
        case CompressionType::none:
            return ::proto::NONE;
        case CompressionType::lz4:
            return ::proto::LZ4;
        case CompressionType::zlib:
            return ::proto::ZLIB;
        case CompressionType::zstd:
            return ::proto::ZSTD;
        case CompressionType::snappy:
            return ::proto::SNAPPY;
    }
    return ::proto::LZ4;
}
CompressionType from_proto(::proto::CompressionType value) {
    switch (value) {
        case ::proto::NONE:
            return CompressionType::none;
        case ::proto::ZLIB:
            return CompressionType::zlib;
        case ::proto::ZSTD:
            return CompressionType::zstd;
        case ::proto::SNAPPY:
            return CompressionType::snappy;
        default:
            return CompressionType::lz4;
    }
}

void fill_spec(const ConsumerConfig& config, ::proto::ConsumerSpec& spec) {
    spec.set_isregexpattern(config.regex_pattern);
    if (is_set(config.schema_type)) {
        spec.set_schematype(*config.schema_type);
    } else if (is_set(config.serde_class_name)) {
        spec.set_serdeclassname(*config.serde_class_name);
    }
    if (config.receiver_queue_size) spec.mutable_receiverqueuesize()->set_value(*config.receiver_queue_size);
    for (const auto& [key, value] : config.schema_properties) (*spec.mutable_schemaproperties())[key] = value;
    for (const auto& [key, value] : config.consumer_properties)
        (*spec.mutable_consumerproperties())[key] = value;
    spec.set_poolmessages(config.pool_messages);
}

void fill_inputs(const FunctionConfig& c, ::proto::SourceSpec& source) {
    auto& specs = *source.mutable_inputspecs();
    for (const auto& topic : c.inputs.value_or(std::vector<std::string>{}))
        specs[topic].set_isregexpattern(false);
    if (is_set(c.topics_pattern)) specs[*c.topics_pattern].set_isregexpattern(true);
    for (const auto& [topic, serde] : c.custom_serde_inputs.value_or(StringMap{})) {
        ::proto::ConsumerSpec spec;
        spec.set_serdeclassname(serde);
        specs[topic] = spec;
    }
    for (const auto& [topic, config] : c.input_specs.value_or(ConsumerConfigMap{})) {
        ::proto::ConsumerSpec spec;
        fill_spec(config, spec);
        specs[topic] = spec;
    }
}

void fill_source(const FunctionConfig& c, ::proto::SourceSpec& source) {
    fill_inputs(c, source);
    if (c.retain_ordering.value_or(false) ||
        c.processing_guarantees == ProcessingGuarantees::effectively_once) {
        source.set_subscriptiontype(::proto::FAILOVER);
    } else if (c.retain_key_ordering.value_or(false)) {
        source.set_subscriptiontype(::proto::KEY_SHARED);
    }
    if (is_set(c.sub_name)) source.set_subscriptionname(*c.sub_name);
    if (c.subscription_position == SubscriptionPosition::earliest) {
        source.set_subscriptionposition(::proto::EARLIEST);
    }
    source.set_skiptolatest(c.skip_to_latest.value_or(false));
    if (is_set(c.input_type_class_name)) source.set_typeclassname(*c.input_type_class_name);
    if (c.timeout_ms) {
        source.set_timeoutms(static_cast<std::uint64_t>(*c.timeout_ms));
        source.set_negativeackredeliverydelayms(static_cast<std::uint64_t>(*c.timeout_ms));
    }
    source.set_cleanupsubscription(c.cleanup_subscription.value_or(true));
}

void fill_producer(const FunctionConfig& c, ::proto::SinkSpec& sink) {
    if (c.producer_config) {
        const ProducerConfig& from = *c.producer_config;
        auto& producer = *sink.mutable_producerspec();
        producer.set_maxpendingmessages(from.max_pending_messages.value_or(0));
        producer.set_maxpendingmessagesacrosspartitions(
            from.max_pending_messages_across_partitions.value_or(0));
        producer.set_usethreadlocalproducers(from.use_thread_local_producers.value_or(false));
        producer.set_batchbuilder(from.batch_builder.value_or(""));
        producer.set_compressiontype(to_proto(from.compression_type.value_or(CompressionType::lz4)));
    }
    if (c.batch_builder) sink.mutable_producerspec()->set_batchbuilder(*c.batch_builder);
}

void fill_sink(const FunctionConfig& c, ::proto::SinkSpec& sink) {
    if (c.output) sink.set_topic(*c.output);
    if (is_set(c.output_serde_class_name)) sink.set_serdeclassname(*c.output_serde_class_name);
    if (is_set(c.output_schema_type)) sink.set_schematype(*c.output_schema_type);
    if (is_set(c.output_type_class_name)) sink.set_typeclassname(*c.output_type_class_name);
    sink.set_forwardsourcemessageproperty(c.forward_source_message_property.value_or(false));
    fill_producer(c, sink);
}

ConsumerConfig from_spec(const ::proto::ConsumerSpec& spec) {
    ConsumerConfig config;
    config.serde_class_name = text_or_none(spec.serdeclassname());
    config.schema_type = text_or_none(spec.schematype());
    if (spec.has_receiverqueuesize()) config.receiver_queue_size = spec.receiverqueuesize().value();
    config.regex_pattern = spec.isregexpattern();
    config.schema_properties = StringMap(spec.schemaproperties().begin(), spec.schemaproperties().end());
    config.consumer_properties =
        StringMap(spec.consumerproperties().begin(), spec.consumerproperties().end());
    config.pool_messages = spec.poolmessages();
    return config;
}

ProducerConfig from_spec(const ::proto::ProducerSpec& spec) {
    ProducerConfig config;
    if (spec.maxpendingmessages() != 0) config.max_pending_messages = spec.maxpendingmessages();
    if (spec.maxpendingmessagesacrosspartitions() != 0) {
        config.max_pending_messages_across_partitions = spec.maxpendingmessagesacrosspartitions();
    }
    config.use_thread_local_producers = spec.usethreadlocalproducers();
    config.batch_builder = spec.batchbuilder();
    config.compression_type = from_proto(spec.compressiontype());
    return config;
}

/// JSON text of details, in our canonical form; none if it isn't an object.
std::optional<JsonText> object_text(const std::string& text) {
    const auto value = nlohmann::json::parse(text, nullptr, false);
    if (!value.is_object()) return std::nullopt;
    return JsonText{value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

/// The function's own class, guarantees and windows; the executor acks by itself.
void fill_window(const FunctionConfig& c, Details& details) {
    WindowConfig window = *c.window_config;
    window.actual_window_function_class_name = c.class_name;
    window.processing_guarantees = c.processing_guarantees.value_or(ProcessingGuarantees::atleast_once);
    auto user_config = nlohmann::json::parse(c.user_config.value_or(JsonText{"{}"}).text, nullptr, false);
    user_config[kWindowConfigs] = nlohmann::json::parse(to_json(window), nullptr, false);
    details.set_userconfig(user_config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    details.set_classname(kWindowExecutor);
    details.set_processingguarantees(::proto::MANUAL);
}
void read_window(FunctionConfig& c) {
    auto user_config = nlohmann::json::parse(c.user_config->text, nullptr, false);
    const auto found = user_config.find(kWindowConfigs);
    if (found == user_config.end()) return;
    c.window_config = window_config_from_json(found->dump());
    if (!c.window_config) return;
    c.class_name = c.window_config->actual_window_function_class_name;
    c.processing_guarantees =
        c.window_config->processing_guarantees.value_or(ProcessingGuarantees::atleast_once);
    user_config.erase(found);
    c.user_config->text = user_config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void read_sink(const ::proto::SinkSpec& sink, FunctionConfig& c) {
    c.output = text_or_none(sink.topic());
    c.output_serde_class_name = text_or_none(sink.serdeclassname());
    c.output_schema_type = text_or_none(sink.schematype());
    c.producer_config = from_spec(sink.producerspec());
    if (sink.forwardsourcemessageproperty()) c.forward_source_message_property = true;
}

void read_source(const ::proto::SourceSpec& source, FunctionConfig& c) {
    ConsumerConfigMap& specs = c.input_specs.emplace();
    for (const auto& [topic, spec] : source.inputspecs()) specs[topic] = from_spec(spec);
    c.sub_name = text_or_none(source.subscriptionname());
    c.cleanup_subscription = source.cleanupsubscription();
    c.subscription_position = source.subscriptionposition() == ::proto::EARLIEST
                                  ? SubscriptionPosition::earliest
                                  : SubscriptionPosition::latest;
    if (source.timeoutms() != 0) c.timeout_ms = static_cast<std::int64_t>(source.timeoutms());
}

}  // namespace

void to_details(const FunctionConfig& c, Details& details) {
    fill_source(c, *details.mutable_source());
    fill_sink(c, *details.mutable_sink());
    details.set_tenant(c.tenant.value_or(""));
    details.set_namespace_(c.ns.value_or(""));
    details.set_name(c.name.value_or(""));
    details.set_classname(c.class_name.value_or(""));
    if (c.log_topic) details.set_logtopic(*c.log_topic);
    if (c.runtime) details.set_runtime(to_proto(*c.runtime));
    if (c.processing_guarantees) details.set_processingguarantees(to_proto(*c.processing_guarantees));
    details.set_retainkeyordering(c.retain_key_ordering.value_or(false));
    details.set_retainordering(c.retain_ordering.value_or(false));
    if (c.max_message_retries.value_or(-1) >= 0) {
        details.mutable_retrydetails()->set_maxmessageretries(*c.max_message_retries);
        details.mutable_retrydetails()->set_deadlettertopic(c.dead_letter_topic.value_or(""));
    }
    if (c.user_config && c.user_config->text != "{}") details.set_userconfig(c.user_config->text);
    if (c.window_config) fill_window(c, details);
    if (c.secrets && c.secrets->text != "{}") details.set_secretsmap(c.secrets->text);
    details.set_autoack(c.auto_ack.value_or(true));
    details.set_parallelism(c.parallelism.value_or(1));
    const Resources resources = c.resources.value_or(Resources{});
    details.mutable_resources()->set_cpu(resources.cpu.value_or(kCpuDefault));
    details.mutable_resources()->set_ram(resources.ram.value_or(kRamDefault));
    details.mutable_resources()->set_disk(resources.disk.value_or(kDiskDefault));
    if (c.runtime_flags) details.set_runtimeflags(*c.runtime_flags);
    if (c.custom_runtime_options) details.set_customruntimeoptions(*c.custom_runtime_options);
    details.set_componenttype(Details::FUNCTION);
}

FunctionConfig from_details(const Details& details) {
    FunctionConfig c;
    c.tenant = details.tenant();
    c.ns = details.namespace_();
    c.name = details.name();
    c.parallelism = details.parallelism();
    c.processing_guarantees = from_proto(details.processingguarantees());
    read_source(details.source(), c);
    c.retain_ordering = details.retainordering();
    c.retain_key_ordering = details.retainkeyordering();
    c.auto_ack = details.autoack();
    read_sink(details.sink(), c);
    c.log_topic = text_or_none(details.logtopic());
    c.runtime = from_proto(details.runtime());
    if (details.has_retrydetails()) {
        c.max_message_retries = details.retrydetails().maxmessageretries();
        c.dead_letter_topic = text_or_none(details.retrydetails().deadlettertopic());
    }
    c.class_name = details.classname();
    c.user_config = object_text(details.userconfig()).value_or(JsonText{"{}"});
    read_window(c);
    c.secrets = object_text(details.secretsmap());
    if (details.has_resources()) {
        c.resources =
            Resources{details.resources().cpu(), details.resources().ram(), details.resources().disk()};
    }
    c.runtime_flags = text_or_none(details.runtimeflags());
    c.custom_runtime_options = text_or_none(details.customruntimeoptions());
    return c;
}

FunctionName name_of(const Details& details) {
    return {details.tenant(), details.namespace_(), details.name()};
}

std::string subscription_of(const Details& details) {
    const auto& given = details.source().subscriptionname();
    return given.empty() ? name_of(details).full() : given;
}

std::int32_t instances_of(const Details& details) {
    return std::clamp(details.parallelism(), 0, kParallelismMax);
}

ComponentType component_of(const Details& details) {
    switch (details.componenttype()) {
        case Details::FUNCTION:
            return ComponentType::function;
        case Details::SOURCE:
            return ComponentType::source;
        case Details::SINK:
            return ComponentType::sink;
        default:
            break;
    }
    if (details.source().inputspecs().empty()) return ComponentType::source;
    const auto& sink = details.sink();
    const bool plain =
        sink.classname().empty() || sink.classname() == "org.apache.pulsar.functions.sink.PulsarSink";
    return sink.builtin().empty() && plain ? ComponentType::function : ComponentType::sink;
}

std::string_view name_of(ComponentType type) {
    switch (type) {
        case ComponentType::function:
            return "Function";
        case ComponentType::source:
            return "Source";
        case ComponentType::sink:
            return "Sink";
    }
    return "?";
}

bool can_change_state(const ::proto::FunctionMetaData& meta, std::int32_t instance_id, StateChange change) {
    const std::int32_t instances = instances_of(meta.functiondetails());
    if (instance_id >= instances) return false;
    const auto& states = meta.instancestates();
    const auto wanted = change == StateChange::start ? ::proto::RUNNING : ::proto::STOPPED;
    if (states.empty()) return change == StateChange::stop;  // no states: all run
    if (instance_id >= 0) {
        // Pulsar refuses instances that were added by a later scale-up; here they count as running.
        const auto found = states.find(instance_id);
        return (found == states.end() ? ::proto::RUNNING : found->second) != wanted;
    }
    for (std::int32_t id = 0; id < instances; ++id) {
        const auto found = states.find(id);
        if ((found == states.end() ? ::proto::RUNNING : found->second) != wanted) return true;
    }
    return false;
}

void change_state(::proto::FunctionMetaData& meta, std::int32_t instance_id, StateChange change) {
    auto& states = *meta.mutable_instancestates();
    const auto state = change == StateChange::start ? ::proto::RUNNING : ::proto::STOPPED;
    for (std::int32_t id = 0; id < instances_of(meta.functiondetails()); ++id) {
        if (instance_id < 0 || id == instance_id) {
            states[id] = state;
        } else if (!states.contains(id)) {
            states[id] = ::proto::RUNNING;
        }
    }
    meta.set_version(meta.version() + 1);
}

bool should_run(const ::proto::FunctionMetaData& meta, std::int32_t instance_id) {
    const auto found = meta.instancestates().find(instance_id);
    return found == meta.instancestates().end() || found->second == ::proto::RUNNING;
}

}  // namespace weft::model
