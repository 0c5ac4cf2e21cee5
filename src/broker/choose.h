#pragma once
// Which consumer gets what: the active one of a Failover subscription, the next one of a Shared subscription.
// Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft::broker {

/// MurmurHash3 x86_32 with seed 0, without its sign bit: what Pulsar hashes keys and names with.
std::uint32_t murmur3_32(std::string_view data);

struct FailoverCandidate {
    std::string_view name;
    std::int32_t priority = 0;  // smaller comes first
};

/// The active consumer of a Failover subscription, as an index into `candidates` (not empty). As Pulsar 4.0.8
/// picks (AbstractDispatcherSingleActiveConsumer): among those of the best priority, sorted by name, the
/// partition number decides; without partition a hash ring of a hundred points per consumer does.
std::size_t choose_active(std::span<const FailoverCandidate> candidates, std::string_view topic,
                          std::optional<std::uint32_t> partition);

struct SharedCandidate {
    std::int32_t priority = 0;  // smaller comes first
    bool ready = false;         // has permits and room
};

/// The next consumer of a Shared subscription: round robin behind `last` among the ready ones of the best
/// priority that has any.
std::optional<std::size_t> choose_next(std::span<const SharedCandidate> candidates, std::size_t last);

}  // namespace weft::broker
