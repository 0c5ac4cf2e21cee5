#pragma once
// Consumer: one consumer of a subscription, as the broker keeps book of it. Owned by its connection.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "broker/cursor.h"
#include "broker/rate.h"

namespace weft::broker {

class Subscription;
struct Consumer;

/// Numbers of PulsarApi's SubType.
enum class SubscriptionType : std::uint8_t { exclusive = 0, shared = 1, failover = 2, key_shared = 3 };
std::string_view name_of(SubscriptionType type);  // "Exclusive", ...

/// One entry on its way to a consumer.
struct Delivery {
    EntryId entry = 0;
    std::uint32_t redelivery_count = 0;
    std::span<const std::int64_t> ack_set;  // empty: all messages of it
    Bytes data;
};

/// What a subscription needs of the connection that a consumer came on.
class ConsumerSink {
  public:
    virtual ~ConsumerSink() = default;
    virtual void send_entry(const Consumer& consumer, const Delivery& delivery) = 0;
    /// False: so much waits to be written that nothing should be added; Subscription::dispatch() is called
    /// when it has gone.
    virtual bool has_room() const = 0;
    virtual void send_active_change(Consumer& consumer, bool active) = 0;
    /// Tells the client to close (it reconnects), and destroys the consumer, which its subscription has let
    /// go of.
    virtual void close_consumer(Consumer& consumer) = 0;
    /// Finds out whether the client is still there, and closes its connection if not: called when another one
    /// wants its place.
    virtual void check_alive() = 0;
};

/// What is counted of a consumer.
struct ConsumerCounters {
    Rate messages_out, bytes_out, redelivered, acked;
    std::uint64_t entries_out = 0;
    std::uint64_t last_acked_ms = 0, last_consumed_ms = 0, last_flow_ms = 0;
};

struct Consumer {
    // Fixed after construction.
    std::uint64_t id = 0;  // of its connection
    std::string name;
    SubscriptionType type = SubscriptionType::exclusive;
    std::int32_t priority = 0;
    std::string address, client_version, connected_since;
    std::map<std::string, std::string> metadata;
    bool read_compacted = false;
    ConsumerSink* sink = nullptr;

    // On the loop.
    Subscription* subscription = nullptr;  // null once the subscription has let go of it
    bool confirmed = false;                // its client knows that it is subscribed
    std::optional<bool> active_to_tell;    // what it is told as soon as it is confirmed
    std::optional<std::uint64_t> epoch;
    std::int64_t permits = 0;   // messages; a batch may take it below zero
    std::uint64_t unacked = 0;  // messages sent and not acked; counted for Shared only, as Pulsar does
    bool blocked = false;       // unacked went over the limit and is not yet below half of it
    std::map<EntryId, std::uint32_t> pending;  // Shared: entries sent and not acked, with their messages
    ConsumerCounters counters;
};

}  // namespace weft::broker
