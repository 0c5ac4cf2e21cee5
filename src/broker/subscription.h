#pragma once
// Subscription: a cursor on a topic, and the consumers that share it. On the loop.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/consumer.h"
#include "broker/cursor.h"
#include "broker/dispatcher.h"
#include "broker/hub.h"
#include "broker/refusal.h"

namespace weft::broker {

class Topic;

/// One acknowledgement: an entry and, for a batch, the messages of it that stay unacked (empty: none).
struct Ack {
    EntryId entry = 0;
    std::span<const std::int64_t> still_unacked;
};

class Subscription final {
  public:
    enum class Kind : std::uint8_t {
        durable,
        non_durable
    };  // a non-durable one lives as long as its consumers
    using Properties = std::map<std::string, std::string>;

    Subscription(Hub& hub, Topic& topic, std::string name, Kind kind, Cursor cursor);
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    const std::string& name() const { return name_; }
    Topic& topic() { return topic_; }
    bool durable() const { return kind_ == Kind::durable; }
    const Cursor& cursor() const { return cursor_; }
    Properties& properties() { return properties_; }
    const Properties& properties() const { return properties_; }

    /// Adds a consumer (its `sink` is set, its `type` says what it wants); Pulsar's refusals: the
    /// subscription is of another type, or exclusive and taken.
    Answer<> add(Consumer& consumer);
    /// Lets a consumer go; the last one of a non-durable subscription takes it along: `this` may be gone
    /// afterwards.
    void remove(Consumer& consumer);
    /// Whether UNSUBSCRIBE by this consumer is allowed: it must be the only one (and the active one).
    bool may_unsubscribe(const Consumer& consumer) const;
    /// Makes all consumers go; each client is told to reconnect.
    void disconnect_all();

    void flow(Consumer& consumer, std::uint32_t permits);
    void acknowledge(Consumer& consumer, std::span<const Ack> acks);
    /// Calls `done` when what was acked so far is on disk (or with the reason why it isn't).
    void confirm_acks(store::Store::Done done);
    /// Whether what this consumer was sent is its own still: another one of a Failover subscription may be
    /// active by now, and get it too.
    bool holds_deliveries(const Consumer& consumer) const;
    /// All entries below `up_to.entry`, and it (or some of its messages).
    void acknowledge_cumulative(Consumer& consumer, const Ack& up_to);
    void redeliver_all(Consumer& consumer, std::optional<std::uint64_t> epoch);
    void redeliver(Consumer& consumer, std::span<const EntryId> entries);
    /// Starts again at an entry (and message of it); the consumers are disconnected and come back, as in
    /// Pulsar.
    void seek(const Ack& to);
    /// Moves the cursor before anything was delivered.
    void start_at(EntryId entry);
    /// Acks everything that is in the topic now.
    void skip_all();
    /// Acks the next entries that are not acked.
    void skip(std::uint64_t entries);
    void dispatch();

    std::uint64_t backlog() const;
    std::vector<Consumer*> consumers() const;
    /// Null until a consumer has come since the start.
    const Dispatcher* dispatcher() const { return dispatcher_.get(); }
    /// Whether the record in the store is behind the cursor; the hub clears it when it writes.
    bool dirty = false;
    /// The hub's, for those who wait until the cursor is on disk.
    struct Saves {
        std::vector<store::Store::Done> waiting;  // for the next write
        bool under_way = false;
    };
    Saves saves;

    struct Counters {
        Rate messages_out, bytes_out, redelivered, acked;
    };
    const Counters& counters() const { return gone_; }

  private:
    void make_dispatcher(SubscriptionType type);
    void changed();
    void retire_counters(const Consumer& consumer);

    // Fixed after construction.
    Hub& hub_;
    Topic& topic_;
    const std::string name_;
    const Kind kind_;
    // On the loop.
    Properties properties_;
    Cursor cursor_;
    std::unique_ptr<Dispatcher> dispatcher_;
    bool seeking_ = false;  // a non-durable subscription outlives its consumers while they come back
    Counters gone_;         // of consumers that went
};

}  // namespace weft::broker
