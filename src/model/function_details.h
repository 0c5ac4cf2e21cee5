#pragma once
// FunctionConfig to proto::FunctionDetails, what workers and instances speak, and back.

#include "model/function_config.h"
#include "model/function_name.h"

namespace proto {  // wire/proto/Function.proto
class FunctionDetails;
class FunctionMetaData;
}  // namespace proto

namespace weft::model {

/// Converts a configuration that validate() and refuse_unsupported() have passed.
void to_details(const FunctionConfig& config, ::proto::FunctionDetails& details);
/// What the GET endpoint shows: rebuilt from the details, so inputs come back as inputSpecs only. Works on
/// any details, also those a Java worker wrote; JSON in them that doesn't parse is left out.
FunctionConfig from_details(const ::proto::FunctionDetails& details);

FunctionName name_of(const ::proto::FunctionDetails& details);
/// The subscription that instances use: the configured one, else the full name.
std::string subscription_of(const ::proto::FunctionDetails& details);

/// Most instances of one function.
inline constexpr std::int32_t kParallelismMax = 1024;
/// How many instances a function has: its parallelism, within 0 and kParallelismMax whatever a topic says.
std::int32_t instances_of(const ::proto::FunctionDetails& details);

enum class ComponentType : std::uint8_t { function, source, sink };
/// What the details are; old data doesn't say it and is guessed as Pulsar does.
ComponentType component_of(const ::proto::FunctionDetails& details);
/// "Function", "Source", "Sink": as Pulsar's texts begin.
std::string_view name_of(ComponentType type);

/// Whether start (true: stop) of an instance, or of all (-1), would change something: else Pulsar answers
/// "Operation not permitted".
enum class StateChange : std::uint8_t { start, stop };
bool can_change_state(const ::proto::FunctionMetaData& meta, std::int32_t instance_id, StateChange change);
/// Does it and counts the version up.
void change_state(::proto::FunctionMetaData& meta, std::int32_t instance_id, StateChange change);
/// Whether an instance is meant to run.
bool should_run(const ::proto::FunctionMetaData& meta, std::int32_t instance_id);

}  // namespace weft::model
