#pragma once
// FunctionConfig: what a user asks for, as the REST API and the command line spell it (Pulsar's
// FunctionConfig).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::model {

/// A JSON value kept as compact text with sorted keys, so that equal values are equal texts.
struct JsonText {
    std::string text;
    bool operator==(const JsonText&) const = default;
};

enum class ProcessingGuarantees : std::uint8_t { atleast_once, atmost_once, effectively_once, manual };
enum class Runtime : std::uint8_t { java, python, go, native };
enum class SubscriptionPosition : std::uint8_t { latest, earliest };
enum class CompressionType : std::uint8_t { none, lz4, zlib, zstd, snappy };

/// "ATLEAST_ONCE", "PYTHON", "Latest", "LZ4": as the JSON spells them.
std::string_view name_of(ProcessingGuarantees value);
std::string_view name_of(Runtime value);
std::string_view name_of(SubscriptionPosition value);
std::string_view name_of(CompressionType value);

using StringMap = std::map<std::string, std::string>;

struct CryptoConfig {
    std::optional<std::string> crypto_key_reader_class_name;
    std::optional<JsonText> crypto_key_reader_config;
    std::optional<std::vector<std::string>> encryption_keys;
    std::optional<std::string> producer_crypto_failure_action;
    std::optional<std::string> consumer_crypto_failure_action;
    bool operator==(const CryptoConfig&) const = default;
};

struct ConsumerConfig {
    std::optional<std::string> schema_type;
    std::optional<std::string> serde_class_name;
    bool regex_pattern = false;
    StringMap schema_properties;
    StringMap consumer_properties;
    std::optional<std::int32_t> receiver_queue_size;
    std::optional<CryptoConfig> crypto_config;
    bool pool_messages = false;
    bool operator==(const ConsumerConfig&) const = default;
};
using ConsumerConfigMap = std::map<std::string, ConsumerConfig>;

struct ProducerConfig {
    std::optional<std::int32_t> max_pending_messages;
    std::optional<std::int32_t> max_pending_messages_across_partitions;
    std::optional<bool> use_thread_local_producers;
    std::optional<CryptoConfig> crypto_config;
    std::optional<std::string> batch_builder;
    std::optional<CompressionType> compression_type;
    bool operator==(const ProducerConfig&) const = default;
};

struct Resources {
    std::optional<double> cpu;         // cores
    std::optional<std::int64_t> ram;   // bytes
    std::optional<std::int64_t> disk;  // bytes
    bool operator==(const Resources&) const = default;
};
inline constexpr double kCpuDefault = 1.0;
inline constexpr std::int64_t kRamDefault = 1'073'741'824;
inline constexpr std::int64_t kDiskDefault = 10'737'418'240;

struct WindowConfig {
    std::optional<std::int32_t> window_length_count;
    std::optional<std::int64_t> window_length_duration_ms;
    std::optional<std::int32_t> sliding_interval_count;
    std::optional<std::int64_t> sliding_interval_duration_ms;
    std::optional<std::string> late_data_topic;
    std::optional<std::int64_t> max_lag_ms;
    std::optional<std::int64_t> watermark_emit_interval_ms;
    std::optional<std::string> timestamp_extractor_class_name;
    std::optional<std::string> actual_window_function_class_name;
    std::optional<ProcessingGuarantees> processing_guarantees;
    bool operator==(const WindowConfig&) const = default;
};

/// Members that were not given are empty; `native` is Weft's own (a C++ function's shared library).
struct FunctionConfig {
    std::optional<std::string> runtime_flags;
    std::optional<std::string> tenant, ns, name;
    std::optional<std::string> class_name;
    std::optional<std::vector<std::string>> inputs;
    std::optional<StringMap> custom_serde_inputs;
    std::optional<std::string> topics_pattern;
    std::optional<StringMap> custom_schema_inputs;
    std::optional<StringMap> custom_schema_outputs;
    std::optional<ConsumerConfigMap> input_specs;
    std::optional<std::string> input_type_class_name;
    std::optional<std::string> output;
    std::optional<ProducerConfig> producer_config;
    std::optional<std::string> output_schema_type;
    std::optional<std::string> output_type_class_name;
    std::optional<std::string> output_serde_class_name;
    std::optional<std::string> log_topic;
    std::optional<ProcessingGuarantees> processing_guarantees;
    std::optional<bool> retain_ordering;
    std::optional<bool> retain_key_ordering;
    std::optional<std::string> batch_builder;
    std::optional<bool> forward_source_message_property;
    std::optional<JsonText> user_config;  // an object
    std::optional<JsonText> secrets;      // an object
    std::optional<Runtime> runtime;
    std::optional<bool> auto_ack;
    std::optional<std::int32_t> max_message_retries;
    std::optional<std::string> dead_letter_topic;
    std::optional<std::string> sub_name;
    std::optional<std::int32_t> parallelism;
    std::optional<Resources> resources;
    std::optional<std::string> fqfn;
    std::optional<WindowConfig> window_config;
    std::optional<std::int64_t> timeout_ms;
    std::optional<std::string> jar, py, go, native;
    std::optional<std::string> function_type;
    std::optional<bool> cleanup_subscription;
    std::optional<std::string> custom_runtime_options;
    std::optional<std::int32_t> max_pending_async_requests;
    std::optional<bool> expose_pulsar_admin_client_enabled;
    std::optional<bool> skip_to_latest;
    std::optional<SubscriptionPosition> subscription_position;
    bool operator==(const FunctionConfig&) const = default;
};

/// The largest configuration that is taken, and how deep it may nest.
inline constexpr std::size_t kConfigBytesMax = 1U << 20;
inline constexpr int kConfigDepthMax = 64;

/// Reads a configuration. Members that FunctionConfig doesn't have are ignored and null is "not given", as
/// Pulsar does; both `regexPattern` and `isRegexPattern` are taken. `invalid_argument` names the member, its
/// value and what it must be.
Result<FunctionConfig> function_config_from_json(std::string_view text);
/// Writes what is given, in Pulsar's order of members, as the GET endpoint does.
std::string to_json(const FunctionConfig& config);
/// The same of a window's configuration alone, as it stands in FunctionDetails.
std::string to_json(const WindowConfig& config);
std::optional<WindowConfig> window_config_from_json(std::string_view text);

}  // namespace weft::model
