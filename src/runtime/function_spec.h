#pragma once
// FunctionSpec: an instance's specification, checked and in our own types. What this runtime does not honour
// is refused by name.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/host.h"
#include "pulsar/client.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

enum class Guarantee : std::uint8_t { at_least_once, at_most_once };

struct FunctionSpec {
    host::FunctionInfo info;
    Language language = Language::native;
    std::string log_topic;  // empty: none
    Guarantee guarantee = Guarantee::at_least_once;
    bool forward_properties = true;
    bool skip_to_latest = false;
    wire::Compression output_compression = wire::Compression::lz4;
    std::optional<std::uint32_t> pending_messages_max;
    std::optional<pulsar::SchemaInfo> output_schema;
    /// One for each of info.inputs, in its order; `topic` may turn out to be partitioned.
    std::vector<pulsar::ConsumerOptions> consumers;
    pulsar::Properties client_properties;  // of our producers and consumers
    std::string worker_id;
    Asks asks = Asks::nothing;

    /// At most once: an output that was sent and not confirmed must not be sent a second time.
    pulsar::ProducerOptions::Resend resend() const {
        using enum pulsar::ProducerOptions::Resend;
        return guarantee == Guarantee::at_most_once ? off : on;
    }
    std::string fqfn() const { return str_cat(info.tenant, "/", info.function_namespace, "/", info.name); }

    static Result<FunctionSpec> from(const InstanceSpec& spec);
};

}  // namespace weft::runtime
