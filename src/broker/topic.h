#pragma once
// Topic: a ledger of entries, the producers that append to it and the subscriptions that read it. On the
// loop.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/compacted_view.h"
#include "broker/hub.h"
#include "broker/producer.h"
#include "broker/retention.h"
#include "broker/subscription.h"
#include "wire/message_id.h"
#include "wire/topic_name.h"

namespace weft::broker {

/// What became of the last compaction since the start.
struct CompactionState {
    enum class Status : std::uint8_t { not_run, running, succeeded, failed } status = Status::not_run;
    std::string error = {};
    std::uint64_t succeeded_ms = 0, failed_ms = 0;  // when, the last time
    Duration took = 0s;
    std::uint64_t removed = 0;  // messages
};

/// How a reader of a topic is meant.
enum class Reading : std::uint8_t { plain, compacted };

class Topic final {
  public:
    Topic(Hub& hub, wire::TopicName name, store::LedgerId ledger);
    Topic(const Topic&) = delete;
    Topic& operator=(const Topic&) = delete;

    const wire::TopicName& name() const { return name_; }
    store::LedgerId ledger() const { return ledger_; }
    /// The oldest entry kept in the log, and one past the newest durable one.
    EntryId first() const;
    EntryId end() const { return end_; }
    store::LedgerInfo info() const;
    /// Where such a reader begins: what was compacted may be older than the log.
    EntryId oldest(Reading reading) const;
    /// For work that comes back later: empty once the topic is gone.
    std::weak_ptr<Topic*> alive() const { return self_; }

    ProducerSet& producers() { return producers_; }
    const ProducerSet& producers() const { return producers_; }
    /// Appends an entry; the receipt, or the failure, goes to the producer's sink.
    void publish(const ProducerSet::Ptr& producer, std::uint64_t sequence_id, std::uint32_t messages,
                 Bytes entry);
    /// Lets a producer go.
    void remove_producer(Producer& producer);
    /// Takes no message more; `idle` runs, on a turn of its own, when all that was taken is stored and its
    /// receipts are on their way. For the time before it is let go of.
    void close_gently(std::function<void()> idle);
    bool closing() const { return closing_; }

    const std::map<std::string, std::unique_ptr<Subscription>, std::less<>>& subscriptions() const {
        return subscriptions_;
    }
    Subscription* find_subscription(std::string_view name);
    Subscription& add_subscription(std::string name, Subscription::Kind kind, Cursor cursor);
    void drop_subscription(Subscription& subscription);

    /// The entry that a position on the wire means: ends and other ledgers are taken to the nearest entry of
    /// this topic.
    EntryId resolve(std::uint64_t ledger, std::uint64_t entry, Reading reading) const;
    /// Finds the first entry published at or after a time (milliseconds).
    void find_by_time(std::uint64_t publish_time_ms, std::function<void(EntryId)> found);
    /// Gives the newest message that such a reader gets; its batch_index is -1 for one that isn't in a batch.
    /// Unset: the topic is empty.
    void last_message(Reading reading, std::function<void(std::optional<wire::MessageId>)> found);

    /// What compaction has left, if it was done.
    const std::optional<CompactedView>& compacted() const { return compacted_; }
    void set_compacted(const std::optional<CompactedView>& view);
    /// The compacted view, if that is what such a reader reads next from `from` on. Who reads the log stays
    /// there as long as it has what comes next: so removals are not missed.
    std::optional<CompactedView> view_for(EntryId from, Reading reading, ReadFrom last) const;
    /// How it is kept compacted; null: it is a topic like others.
    const KeptCompacted* kept_compacted() const { return kept_compacted_; }
    CompactionState compaction;
    std::uint64_t compaction_threshold = 0;  // bytes; 0: compacted when asked

    void dispatch();
    /// Lets go of what retention doesn't keep.
    void trim();
    /// Disconnects all producers and consumers.
    void disconnect_all();

    RetentionPolicy retention;
    std::map<std::string, std::string> properties;
    bool waits_for_dispatch = false;  // the hub's: it will dispatch at the end of this turn
    Rate messages_in, bytes_in;

  private:
    void on_appended(const ProducerSet::Ptr& producer, std::uint64_t sequence_id, std::size_t size,
                     Result<EntryId> appended);
    void find_last(EntryId last, std::function<void(std::optional<wire::MessageId>)> found);
    void find_last_of_view(std::function<void(std::optional<wire::MessageId>)> found);
    bool wants_compaction() const;
    void search_time(EntryId low, EntryId high, std::uint64_t time, std::function<void(EntryId)> found);

    // Fixed after construction.
    Hub& hub_;
    const wire::TopicName name_;
    const store::LedgerId ledger_;
    const KeptCompacted* const kept_compacted_;
    // On the loop.
    EntryId end_ = 0;
    std::optional<CompactedView> compacted_;
    std::uint64_t uncompacted_bytes_ = 0;  // behind the horizon; roughly, after a start
    ProducerSet producers_;
    std::map<std::string, std::unique_ptr<Subscription>, std::less<>> subscriptions_;
    RetentionMarks marks_;
    std::uint32_t appending_ = 0;  // messages that are neither stored nor failed
    bool closing_ = false;
    std::function<void()> idle_;  // waits for the last of them
    // Shared with work under way: tells it that the topic is gone.
    std::shared_ptr<Topic*> self_ = std::make_shared<Topic*>(this);
};

}  // namespace weft::broker
