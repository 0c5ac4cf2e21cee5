#pragma once
// Dispatcher: how a subscription hands its topic's entries to its consumers. One kind for Exclusive and
// Failover (all to the active one, in order), one for Shared, one for Key_Shared. On the loop; not called
// back from what it calls.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/consumer.h"
#include "broker/cursor.h"
#include "broker/entry_facts.h"
#include "broker/entry_feed.h"
#include "broker/hub.h"

namespace weft::broker {

/// What a dispatcher reads from and writes to; outlives it.
struct DispatchSource {
    Hub& hub;
    store::LedgerId ledger;
    const std::string& topic;
    std::optional<std::uint32_t> partition;
    Cursor& cursor;
    std::function<EntryId()> end;  // one past the newest durable entry of the topic
    /// What compaction has left, if a consumer that asks for it (or not) reads that next: Topic::view_for.
    std::function<std::optional<CompactedView>(EntryId from, ReadFrom last, bool read_compacted)> view;
    std::function<void()> cursor_changed;  // called after the dispatcher acked what is lost
};

class Dispatcher {
  public:
    virtual ~Dispatcher() = default;
    virtual SubscriptionType type() const = 0;
    virtual void add(Consumer& consumer) = 0;
    /// What it held and didn't ack goes to the others.
    virtual void remove(Consumer& consumer) = 0;
    /// Sends what can be sent.
    virtual void dispatch() = 0;
    virtual void redeliver_all(Consumer& consumer) = 0;
    virtual void redeliver(Consumer& consumer, std::span<const EntryId> entries) = 0;
    /// The cursor has taken an ack of `entry` by `consumer`; `messages_left` of it are not acked.
    virtual void on_acked(Consumer& consumer, EntryId entry, std::uint32_t messages_left) = 0;
    /// The cursor went over entries without an ack of each (cumulative ack, skip).
    virtual void on_cursor_moved() = 0;
    /// The cursor was set to another entry, and nothing is under way to a consumer.
    virtual void on_cursor_reset() = 0;
    virtual const std::vector<Consumer*>& consumers() const = 0;
    /// Failover and Exclusive: who gets everything; null otherwise.
    virtual Consumer* active() const = 0;
    /// Shared: messages sent and not acked.
    virtual std::uint64_t unacked() const = 0;
    /// Shared: the limit of unacked messages was met and they are not yet below half of it.
    virtual bool blocked() const = 0;
    /// Whether an ack may let something go out.
    virtual bool waits_for_acks() const = 0;
};

std::unique_ptr<Dispatcher> make_single_active_dispatcher(DispatchSource source, SubscriptionType type);
std::unique_ptr<Dispatcher> make_shared_dispatcher(DispatchSource source);
std::unique_ptr<Dispatcher> make_key_shared_dispatcher(DispatchSource source);

/// One entry to be sent, and what is known of it.
struct Outgoing {
    const store::StoredEntry& entry;
    EntryFacts facts;
    std::uint32_t redelivery_count = 0;
    std::uint64_t now_ms = 0;
};
/// Sends an entry and keeps its book: permits, counters; gives how many messages it has that are not acked.
std::uint32_t send_entry(Consumer& consumer, const Cursor& cursor, const Outgoing& outgoing);

}  // namespace weft::broker
