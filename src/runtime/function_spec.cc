#include "runtime/function_spec.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "wire/proto/Function.pb.h"
#include "wire/topic_name.h"

namespace weft::runtime {
namespace {

using nlohmann::json;
using ::proto::FunctionDetails;

/// The members of a JSON object as text: a string's characters, the JSON of anything else.
Result<std::vector<std::pair<std::string, std::string>>> members_of(std::string_view what,
                                                                    const std::string& text) {
    std::vector<std::pair<std::string, std::string>> members;
    if (text.empty()) return members;
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return fail(ErrorCode::invalid_argument, what, " is not a JSON object");
    for (const auto& [key, value] : object.items()) {
        members.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    return members;
}

Result<> check_supported(const FunctionDetails& details) {
    const auto refuse = [](std::string_view what) {
        return fail(ErrorCode::not_supported, "this runtime does not do ", what, " yet: leave it out");
    };
    if (details.processingguarantees() == ::proto::EFFECTIVELY_ONCE) return refuse("EFFECTIVELY_ONCE");
    if (details.processingguarantees() == ::proto::MANUAL) return refuse("MANUAL");
    // Absent: no retry details. Zero retries is a setting too.
    if (details.has_retrydetails()) return refuse("maxMessageRetries and deadLetterTopic");
    if (details.source().inputspecs().empty())
        return fail(ErrorCode::invalid_argument, "the function has no input topic");
    const auto& producer = details.sink().producerspec();
    if (producer.batchbuilder() == "KEY_BASED") return refuse("batchBuilder KEY_BASED");
    if (producer.has_cryptospec()) return refuse("encryption (producerConfig.cryptoConfig)");
    for (const auto& [topic, consumer] : details.source().inputspecs()) {
        if (consumer.isregexpattern()) return refuse(str_cat("a topics pattern (", topic, ")"));
        if (consumer.has_cryptospec()) return refuse(str_cat("encryption (cryptoConfig of ", topic, ")"));
        if (!consumer.consumerproperties().empty())
            return refuse(str_cat("consumerProperties (of ", topic, ")"));
    }
    return {};
}

pulsar::SubscriptionType subscription_type_of(const FunctionDetails& details) {
    if (details.retainordering()) return pulsar::SubscriptionType::failover;
    if (details.retainkeyordering()) return pulsar::SubscriptionType::key_shared;
    switch (details.source().subscriptiontype()) {
        case ::proto::FAILOVER:
            return pulsar::SubscriptionType::failover;
        case ::proto::KEY_SHARED:
            return pulsar::SubscriptionType::key_shared;
        default:
            return pulsar::SubscriptionType::shared;
    }
}

wire::Compression compression_of(::proto::CompressionType type) {
    switch (type) {
        case ::proto::NONE:
            return wire::Compression::none;
        case ::proto::ZLIB:
            return wire::Compression::zlib;
        case ::proto::ZSTD:
            return wire::Compression::zstd;
        case ::proto::SNAPPY:
            return wire::Compression::snappy;
        default:
            return wire::Compression::lz4;
    }
}

std::string host_name() {
    char name[256] = "";
    return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

Result<std::string> full_topic(const std::string& topic) {
    WEFT_TRY(const auto name, wire::TopicName::parse(topic));
    return name.full();
}

/// What a topic is told about its messages. Empty: nothing, they are bytes.
Result<std::optional<pulsar::SchemaInfo>> schema_of(const std::string& type, std::string_view what) {
    std::string upper = type;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (upper.empty() || upper == "BYTES" || upper == "NONE") return std::nullopt;
    if (upper == "STRING")
        return pulsar::SchemaInfo{.name = "String", .type = "STRING", .data = {}, .properties = {}};
    return fail(ErrorCode::not_supported, "schema type ", type, " (", what,
                ") is not served by this runtime: use STRING, BYTES or a serde class");
}

Result<> read_inputs(const FunctionDetails& details, FunctionSpec& spec) {
    const auto& source = details.source();
    for (const auto& [topic, consumer] : source.inputspecs()) {
        pulsar::ConsumerOptions options;
        WEFT_TRY(options.topic, full_topic(topic));
        options.subscription = source.subscriptionname().empty() ? spec.fqfn() : source.subscriptionname();
        options.type = subscription_type_of(details);
        if (source.subscriptionposition() == ::proto::EARLIEST ||
            details.subscriptionposition() == ::proto::EARLIEST) {
            options.initial_position = pulsar::InitialPosition::earliest;
        }
        if (consumer.has_receiverqueuesize() && consumer.receiverqueuesize().value() > 0) {
            options.receiver_queue_messages =
                static_cast<std::uint32_t>(consumer.receiverqueuesize().value());
        }
        // At most once acks before it processes: nothing is to be asked for again.
        if (spec.guarantee == Guarantee::at_least_once)
            options.ack_timeout = std::chrono::milliseconds(source.timeoutms());
        if (source.negativeackredeliverydelayms() > 0) {
            options.negative_ack_delay = std::chrono::milliseconds(source.negativeackredeliverydelayms());
        }
        options.properties = spec.client_properties;
        WEFT_TRY(options.schema, schema_of(consumer.schematype(), str_cat("of input ", topic)));
        spec.info.inputs.push_back({options.topic, topic, consumer.serdeclassname(), consumer.schematype()});
        spec.consumers.push_back(std::move(options));
    }
    return {};
}

}  // namespace

Result<FunctionSpec> FunctionSpec::from(const InstanceSpec& given) {
    FunctionDetails details;
    if (!details.ParseFromString(given.function_details)) {
        return fail(ErrorCode::corrupt, "the instance's function details don't parse");
    }
    WEFT_TRY_VOID(check_supported(details));
    FunctionSpec spec;
    spec.language = given.language;
    spec.worker_id = given.worker_id;
    spec.asks = given.asks;
    host::FunctionInfo& info = spec.info;
    info.tenant = details.tenant();
    info.function_namespace = details.namespace_();
    info.name = details.name();
    info.class_name = details.classname();
    info.id = given.function_id;
    info.version = given.function_version;
    info.cluster = given.cluster_name;
    info.instance_id = given.instance_id;
    info.num_instances = details.parallelism();
    info.output_serde_class_name = details.sink().serdeclassname();
    info.output_schema_type = details.sink().schematype();
    info.user_config_json = details.userconfig();
    info.secrets_json = details.secretsmap();
    info.package_path = given.package_path;
    info.service_url = given.service_url;
    info.web_service_url = given.web_service_url;
    info.client_security = given.security;
    info.python = given.python;
    WEFT_TRY(info.user_config, members_of("userConfig", info.user_config_json));
    WEFT_TRY(info.secrets, members_of("secrets", info.secrets_json));
    info.output_name = details.sink().topic();
    if (!details.sink().topic().empty()) {
        WEFT_TRY(info.output_topic, full_topic(details.sink().topic()));
    }
    if (!details.logtopic().empty()) {
        WEFT_TRY(spec.log_topic, full_topic(details.logtopic()));
    }
    spec.client_properties = {{"application", "pulsar-function"},
                              {"id", spec.fqfn()},
                              {"instance_id", str_cat(given.instance_id)},
                              {"instance_hostname", host_name()}};
    if (details.processingguarantees() == ::proto::ATMOST_ONCE) spec.guarantee = Guarantee::at_most_once;
    spec.forward_properties = details.sink().forwardsourcemessageproperty();
    spec.skip_to_latest = details.source().skiptolatest();
    const auto& producer = details.sink().producerspec();
    spec.output_compression = compression_of(producer.compressiontype());
    if (producer.maxpendingmessages() > 0) {
        spec.pending_messages_max = static_cast<std::uint32_t>(producer.maxpendingmessages());
    }
    WEFT_TRY(spec.output_schema, schema_of(details.sink().schematype(), "of the output"));
    WEFT_TRY_VOID(read_inputs(details, spec));
    return spec;
}

}  // namespace weft::runtime
