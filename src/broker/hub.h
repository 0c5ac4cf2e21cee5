#pragma once
// Hub: what topics and subscriptions share of the broker. On the loop.

#include "async/loop.h"
#include "broker/broker.h"
#include "store/store.h"

namespace weft::broker {

class Subscription;
class Topic;

class Hub {
  public:
    virtual ~Hub() = default;
    /// For work that comes back later: empty once the hub is gone.
    virtual std::weak_ptr<Hub*> alive() const = 0;
    virtual async::Loop& loop() = 0;
    virtual store::Store& store() = 0;
    virtual const BrokerOptions& options() const = 0;
    /// Dispatches the topic's subscriptions once, at the end of what the loop does now.
    virtual void entries_arrived(Topic& topic) = 0;
    /// Writes the subscription's cursor soon.
    virtual void cursor_changed(Subscription& subscription) = 0;
    /// Writes the cursor now; `done` when it is on disk as it stands, or with the reason why it can't be.
    /// Calls that come while a write is under way share the next one.
    virtual void save_cursor(Subscription& subscription, store::Store::Done done) = 0;
    /// The subscription is about to be destroyed: its cursor isn't to be written any more.
    virtual void subscription_dropped(Subscription& subscription) = 0;
    /// So much has come since the topic was compacted that it should be again.
    virtual void compaction_due(Topic& topic) = 0;
    /// An entry could not be stored.
    virtual void append_failed(const Topic& topic, const Error& error) = 0;
    /// Bytes that were handed to the store and are not durable yet went up (or down).
    virtual void pending_bytes_changed(std::int64_t by) = 0;
};

}  // namespace weft::broker
