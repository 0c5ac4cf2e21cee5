#include "broker/topic.h"

#include <algorithm>

#include "broker/entry_facts.h"
#include "observe/log.h"
#include "wire/entry.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");

// How long after a failure a topic is not compacted by itself.
constexpr std::uint64_t kCompactAgainMs = 60'000;

// What an entry under way takes besides its bytes: callback, queues, receipt.
constexpr std::size_t kBookkeepingBytes = 512;

Refusal refusal_of(const Error& error) {
    return {ServerError::persistence, str_cat("the message could not be stored: ", error.message)};
}

const KeptCompacted* find_kept(const BrokerOptions& options, const std::string& topic) {
    const auto found = options.kept_compacted.find(topic);
    return found == options.kept_compacted.end() ? nullptr : &found->second;
}

wire::MessageId last_id_of(const store::StoredEntry& entry, store::LedgerId ledger) {
    wire::MessageId id{ledger, entry.id, -1, -1};
    const auto facts = entry_facts(entry.data.view());
    if (facts.batched) id.batch_index = static_cast<std::int32_t>(facts.num_messages) - 1;
    return id;
}

// The same where the entry's last messages may be compacted out.
wire::MessageId last_left_of(const store::StoredEntry& entry, store::LedgerId ledger) {
    auto id = last_id_of(entry, ledger);
    const auto read = wire::read_entry(entry.data, wire::ChecksumCheck::skip);
    if (id.batch_index < 0 || !read || read->metadata.encrypted) return id;
    const auto payload =
        wire::decompress(read->metadata.compression, read->payload, read->metadata.uncompressed_size);
    if (!payload) return id;
    wire::MessageReader reader(read->metadata, payload->view());
    for (wire::MessageView message; reader.next(message).value_or(false);) {
        if (!message.compacted_out) id.batch_index = message.batch_index;
    }
    return id;
}

}  // namespace

Topic::Topic(Hub& hub, wire::TopicName name, store::LedgerId ledger)
    : hub_(hub),
      name_(std::move(name)),
      ledger_(ledger),
      kept_compacted_(find_kept(hub.options(), name_.full())),
      end_(info().end) {
    marks_.note(steady_now(), end_, 0);
    set_compacted(std::nullopt);
}

store::LedgerInfo Topic::info() const { return hub_.store().info(ledger_).value_or(store::LedgerInfo{}); }

EntryId Topic::first() const { return info().first; }

// ---- what compaction has left ----

void Topic::set_compacted(const std::optional<CompactedView>& view) {
    compacted_ = view;
    const auto kept = info();
    const auto from = std::max(kept.first, view ? view->horizon : 0);
    uncompacted_bytes_ = 0;
    if (from < kept.end) {
        const auto share = static_cast<double>(kept.end - from) / static_cast<double>(kept.end - kept.first);
        uncompacted_bytes_ = static_cast<std::uint64_t>(static_cast<double>(kept.bytes) * share);
    }
}

EntryId Topic::oldest(Reading reading) const {
    const bool in_view = compacted_ && (reading == Reading::compacted || kept_compacted_ != nullptr);
    return in_view ? 0 : first();
}

std::optional<CompactedView> Topic::view_for(EntryId from, Reading reading, ReadFrom last) const {
    if (!compacted_ || from >= compacted_->horizon) return std::nullopt;
    const bool in_log = from >= first();
    if (last == ReadFrom::log && in_log) return std::nullopt;
    if (reading == Reading::compacted) return compacted_;
    const bool begins = from == 0 || !in_log || last == ReadFrom::view;
    return kept_compacted_ != nullptr && begins ? compacted_ : std::nullopt;
}

bool Topic::wants_compaction() const {
    if (compaction_threshold == 0 || uncompacted_bytes_ <= compaction_threshold) return false;
    if (compaction.status == CompactionState::Status::running) return false;
    if (compaction.failed_ms != 0 && wall_clock_ms() - compaction.failed_ms < kCompactAgainMs) return false;
    // What was compacted is copied each time: so that this stays a share of what came in.
    const auto view = compacted_ ? hub_.store().info(compacted_->ledger) : store::LedgerInfo{};
    return !view || uncompacted_bytes_ >= view->bytes;
}

// ---- producers and what they send ----

void Topic::publish(const ProducerSet::Ptr& producer, std::uint64_t sequence_id, std::uint32_t messages,
                    Bytes entry) {
    const auto size = entry.size();
    ++producer->under_way;
    ++appending_;
    producer->messages_in.add(messages);
    producer->bytes_in.add(size);
    messages_in.add(messages);
    bytes_in.add(size);
    const auto cost = static_cast<std::int64_t>(size + kBookkeepingBytes);
    hub_.pending_bytes_changed(cost);
    hub_.store().append(
        ledger_, std::move(entry),
        [hub = hub_.alive(), topic = alive(), producer, sequence_id, size, cost](Result<EntryId> appended) {
            if (const auto here = hub.lock()) {
                (*here)->pending_bytes_changed(-cost);
            }
            const auto there = topic.lock();
            if (there != nullptr) (*there)->on_appended(producer, sequence_id, size, std::move(appended));
        });
}

void Topic::on_appended(const ProducerSet::Ptr& producer, std::uint64_t sequence_id, std::size_t size,
                        Result<EntryId> appended) {
    const bool last = --producer->under_way == 0;
    if (--appending_ == 0 && idle_) hub_.loop().post(std::exchange(idle_, nullptr));
    if (!appended) {
        hub_.append_failed(*this, appended.error());
        if (producer->sink != nullptr)
            producer->sink->publish_failed(*producer, sequence_id, refusal_of(appended.error()));
        return;
    }
    end_ = std::max(end_, *appended + 1);
    uncompacted_bytes_ += size;
    if (producer->sink != nullptr) producer->sink->send_receipt(*producer, sequence_id, ledger_, *appended);
    if (last && producer->sink != nullptr) producer->sink->publishes_done(*producer);
    if (!waits_for_dispatch) {  // once per turn is enough
        marks_.note(steady_now(), end_, bytes_in.total());
        if (wants_compaction()) hub_.compaction_due(*this);
    }
    hub_.entries_arrived(*this);
}

void Topic::remove_producer(Producer& producer) {
    if (producer.topic != this) return;
    producer.topic = nullptr;
    const auto next = producers_.remove(producer);
    if (next != nullptr && next->sink != nullptr) next->sink->producer_ready(*next);
}

void Topic::close_gently(std::function<void()> idle) {
    closing_ = true;
    if (appending_ == 0) return hub_.loop().post(std::move(idle));
    idle_ = std::move(idle);
}

Subscription* Topic::find_subscription(std::string_view name) {
    const auto it = subscriptions_.find(name);
    return it == subscriptions_.end() ? nullptr : it->second.get();
}

Subscription& Topic::add_subscription(std::string name, Subscription::Kind kind, Cursor cursor) {
    auto made = std::make_unique<Subscription>(hub_, *this, name, kind, std::move(cursor));
    return *subscriptions_.insert_or_assign(std::move(name), std::move(made)).first->second;
}

void Topic::drop_subscription(Subscription& subscription) {
    const auto it = subscriptions_.find(subscription.name());
    if (it == subscriptions_.end() || it->second.get() != &subscription) return;
    const auto gone = std::move(it->second);
    subscriptions_.erase(it);
    gone->disconnect_all();
    hub_.subscription_dropped(*gone);
}

EntryId Topic::resolve(std::uint64_t ledger, std::uint64_t entry, Reading reading) const {
    const auto from = oldest(reading);
    if (static_cast<std::int64_t>(ledger) < 0 || ledger < ledger_) return from;
    if (ledger > ledger_) return end_;
    if (static_cast<std::int64_t>(entry) < 0) return from;
    return std::clamp(entry, std::min(from, end_), end_);
}

void Topic::find_by_time(std::uint64_t publish_time_ms, std::function<void(EntryId)> found) {
    search_time(first(), end_, publish_time_ms, std::move(found));
}

// Binary search in [low, high): the answer is the first entry that is not older than `time`, or `high`.
void Topic::search_time(EntryId low, EntryId high, std::uint64_t time, std::function<void(EntryId)> found) {
    if (low >= high) return found(low);
    const auto middle = low + (high - low) / 2;
    hub_.store().read(
        ledger_, middle, 1, 1,
        [topic = alive(), low, high, middle, time, found = std::move(found)](auto read) mutable {
            const auto there = topic.lock();
            if (there == nullptr) return;
            if (!read || read->empty()) return found(low);
            const auto& entry = read->front();
            if (entry_facts(entry.data.view()).publish_time_ms < time) {
                (*there)->search_time(std::max(entry.id, middle) + 1, high, time, std::move(found));
            } else {
                (*there)->search_time(low, middle, time, std::move(found));
            }
        });
}

void Topic::last_message(Reading reading, std::function<void(std::optional<wire::MessageId>)> found) {
    const bool log_is_empty = info().first >= end_;
    const bool all_compacted = compacted_ && compacted_->horizon >= end_;
    const bool reads_view = reading == Reading::compacted || (kept_compacted_ != nullptr && log_is_empty);
    if (all_compacted && reads_view) return find_last_of_view(std::move(found));
    if (log_is_empty) return found(std::nullopt);
    find_last(end_ - 1, std::move(found));
}

void Topic::find_last_of_view(std::function<void(std::optional<wire::MessageId>)> found) {
    if (compacted_->entries == 0) return found(std::nullopt);
    hub_.store().read(compacted_->ledger, compacted_->entries - 1, 1, 1,
                      [topic = alive(), found = std::move(found)](auto read) {
                          const auto there = topic.lock();
                          if (there == nullptr) return;
                          if (!read || read->empty()) return found(std::nullopt);
                          const auto entry = from_view_entry(read->front().data);
                          if (!entry) return found(std::nullopt);
                          found(last_left_of(*entry, (*there)->ledger_));
                      });
}

// A damaged entry is none that anyone could read: then it is the one before.
void Topic::find_last(EntryId last, std::function<void(std::optional<wire::MessageId>)> found) {
    hub_.store().read(ledger_, last, 1, 1,
                      [topic = alive(), last, found = std::move(found)](auto read) mutable {
                          const auto there = topic.lock();
                          if (there == nullptr) return;
                          auto& self = **there;
                          if (read && read->empty()) {
                              if (last <= self.first()) return found(std::nullopt);
                              return self.find_last(last - 1, std::move(found));
                          }
                          found(read ? last_id_of(read->front(), self.ledger_)
                                     : wire::MessageId{self.ledger_, last, -1, -1});
                      });
}

void Topic::dispatch() {
    // A subscription may vanish while it dispatches to a consumer whose connection breaks: go by name.
    for (auto it = subscriptions_.begin(); it != subscriptions_.end();) {
        auto& subscription = *(it++)->second;
        subscription.dispatch();
    }
}

void Topic::trim() {
    if (wants_compaction()) hub_.compaction_due(*this);  // what was there before its threshold was
    marks_.note(steady_now(), end_, bytes_in.total());
    RetentionInput input{.now = steady_now(),
                         .end = end_,
                         .bytes = bytes_in.total(),
                         .acked_by_all = {},
                         .policy = kept_compacted_ == nullptr ? retention : RetentionPolicy{},
                         .disk_is_full = hub_.store().out_of_room()};
    for (const auto& [name, subscription] : subscriptions_) {
        if (!subscription->durable()) continue;
        input.acked_by_all = std::min(input.acked_by_all.value_or(end_), subscription->cursor().position());
    }
    // What is not compacted yet stays, as with Pulsar's own cursor for it.
    if (compacted_ || compaction_threshold != 0 || compaction.status == CompactionState::Status::running) {
        input.acked_by_all =
            std::min(input.acked_by_all.value_or(end_), compacted_ ? compacted_->horizon : first());
    }
    const auto point = std::min(trim_point(marks_, input), end_);
    if (point > first()) hub_.store().trim(ledger_, point);
}

void Topic::disconnect_all() {
    while (!subscriptions_.empty()) {
        const auto gone = std::move(subscriptions_.begin()->second);
        subscriptions_.erase(subscriptions_.begin());
        gone->disconnect_all();
        hub_.subscription_dropped(*gone);
    }
    for (const auto& producer : producers_.take_all()) {
        producer->topic = nullptr;
        if (producer->sink != nullptr) producer->sink->close_producer(*producer);
    }
}

}  // namespace weft::broker
