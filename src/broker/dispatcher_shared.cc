// Shared: each entry to the next consumer that has permits; what comes back (nack, ack timeout, a consumer
// gone) goes out again first.

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_map>

#include "broker/choose.h"
#include "broker/dispatcher.h"
#include "broker/unacked_book.h"
#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr std::size_t kEntriesPerRead = 1000;
constexpr std::size_t kDelayedMax = 100'000;  // entries that wait for their time; over it nothing new is read

class SharedDispatcher final : public Dispatcher {
  public:
    explicit SharedDispatcher(DispatchSource source)
        : source_(std::move(source)),
          feed_(
              source_.hub, source_.ledger,
              [this](EntryId from, ReadFrom last) { return source_.view(from, last, false); },
              [this] { dispatch(); }),
          book_(source_.hub.options()) {
        feed_.move_to(source_.cursor.position());
    }
    ~SharedDispatcher() override {
        if (delay_timer_ != 0) source_.hub.loop().cancel(delay_timer_);
    }

    SubscriptionType type() const override { return SubscriptionType::shared; }
    const std::vector<Consumer*>& consumers() const override { return consumers_; }
    Consumer* active() const override { return nullptr; }
    std::uint64_t unacked() const override { return book_.total(); }
    bool blocked() const override { return book_.blocked(); }
    bool waits_for_acks() const override { return book_.blocked(); }

    void add(Consumer& consumer) override { consumers_.push_back(&consumer); }

    void remove(Consumer& consumer) override {
        std::erase(consumers_, &consumer);
        book_.drop(consumer, consumer.unacked);
        if (consumers_.empty()) {
            start_over();
        } else {
            for (const auto& [entry, messages] : consumer.pending) replay_.insert(entry);
        }
        consumer.pending.clear();
        dispatch();
    }

    void dispatch() override {
        now_ms_ = wall_clock_ms();
        while (!book_.blocked()) {
            const auto next = next_ready();
            if (!next) return;
            auto& consumer = *consumers_[*next];
            const auto sent = replay_.empty() ? send_new(consumer) : send_again(consumer);
            if (sent == Sent::nothing_there) return;
            if (sent == Sent::one) last_ = *next;  // only who got something has had its turn
        }
    }

    void redeliver_all(Consumer& consumer) override {
        for (const auto& [entry, messages] : consumer.pending) {
            replay_.insert(entry);
            ++redeliveries_[entry];
        }
        consumer.counters.redelivered.add(consumer.unacked);
        consumer.pending.clear();
        book_.drop(consumer, consumer.unacked);
        dispatch();
    }

    void redeliver(Consumer& consumer, std::span<const EntryId> entries) override {
        for (const auto entry : entries) {
            const auto it = consumer.pending.find(entry);
            if (it == consumer.pending.end()) continue;
            const auto messages = it->second;
            consumer.pending.erase(it);
            consumer.counters.redelivered.add(messages);
            book_.drop(consumer, messages);
            replay_.insert(entry);
            ++redeliveries_[entry];
        }
        dispatch();
    }

    void on_acked(Consumer& consumer, EntryId entry, std::uint32_t messages_left) override {
        if (!take_ack(consumer, entry, messages_left)) {
            for (auto* other : consumers_) {
                if (take_ack(*other, entry, messages_left)) break;
            }
        }
        if (messages_left != 0) return;
        if (!replay_.empty()) replay_.erase(entry);
        if (!redeliveries_.empty()) redeliveries_.erase(entry);
    }

    void on_cursor_moved() override {
        const auto& cursor = source_.cursor;
        for (auto* consumer : consumers_) {
            std::uint64_t acked = 0;
            std::erase_if(consumer->pending, [&](const auto& pending) {
                if (!cursor.is_acked(pending.first)) return false;
                acked += pending.second;
                return true;
            });
            book_.drop(*consumer, acked);
        }
        std::erase_if(replay_, [&](EntryId entry) { return cursor.is_acked(entry); });
        std::erase_if(redeliveries_, [&](const auto& item) { return cursor.is_acked(item.first); });
    }

    void on_cursor_reset() override { start_over(); }

  private:
    enum class Sent : std::uint8_t { one, none_yet, nothing_there };

    std::optional<std::size_t> next_ready() {
        candidates_.clear();
        for (const auto* consumer : consumers_) {
            const bool ready = consumer->permits > 0 && !consumer->blocked && consumer->sink->has_room();
            candidates_.push_back({consumer->priority, ready});
        }
        return choose_next(candidates_, last_);
    }

    Sent send_new(Consumer& consumer) {
        while (true) {
            if (delayed_.size() >= kDelayedMax) return Sent::nothing_there;
            feed_.move_to(source_.cursor.next_unacked(feed_.position()));
            const auto* entry = feed_.front(source_.end(), entries_wanted(consumer));
            if (entry == nullptr) return Sent::nothing_there;
            if (entry->id > feed_.position()) forget_lost(feed_.position(), entry->id);
            const auto facts = entry_facts(entry->data.view());
            if (facts.deliver_at_ms > static_cast<std::int64_t>(now_ms_)) {
                delay(facts.deliver_at_ms, entry->id);
                feed_.pop();
                continue;
            }
            send(consumer, *entry, facts);
            feed_.pop();
            return Sent::one;
        }
    }

    Sent send_again(Consumer& consumer) {
        while (true) {
            while (!again_.empty() && !replay_.contains(again_.front().id)) again_.pop_front();
            if (!again_.empty()) break;
            if (replay_.empty()) return Sent::none_yet;
            if (!reading_again_) read_again();
            if (again_.empty()) return replay_.empty() ? Sent::none_yet : Sent::nothing_there;
        }
        replay_.erase(again_.front().id);
        send(consumer, again_.front(), entry_facts(again_.front().data.view()));
        again_.pop_front();
        return Sent::one;
    }

    void read_again() {
        const auto first = *replay_.begin();
        std::size_t run = 0;
        for (auto it = replay_.begin(); it != replay_.end() && *it == first + run && run < kEntriesPerRead;
             ++it)
            ++run;
        reading_again_ = true;
        in_read_call_ = true;
        source_.hub.store().read(
            source_.ledger, first, run, EntryFeed::kReadBytes,
            [this, alive = std::weak_ptr(alive_), first, run, generation = generation_](auto read) {
                if (!alive.expired()) on_read_again(first, run, generation, std::move(read));
            });
        in_read_call_ = false;
    }

    void on_read_again(EntryId first, std::size_t run, std::uint64_t generation,
                       Result<std::vector<store::StoredEntry>> read) {
        if (generation != generation_) return;
        reading_again_ = false;
        if (!read) {
            kLog.warn("can't read an entry to deliver again",
                      {{"topic", source_.topic}, {"error", read.error().message}});
            source_.hub.loop().after(1s, [this, alive = std::weak_ptr(alive_)] {
                if (!alive.expired()) dispatch();
            });
            return;
        }
        // What the store doesn't have any more can't be delivered: trimmed, or damaged.
        const auto got_first = read->empty() ? first + run : std::min(read->front().id, first + run);
        if (got_first > first) {
            forget_lost(first, got_first);
            replay_.erase(replay_.lower_bound(first), replay_.lower_bound(got_first));
        }
        for (auto& entry : *read) again_.push_back(std::move(entry));
        if (!in_read_call_) dispatch();
    }

    void send(Consumer& consumer, const store::StoredEntry& entry, const EntryFacts& facts) {
        std::uint32_t redeliveries = 0;
        if (!redeliveries_.empty()) {
            const auto it = redeliveries_.find(entry.id);
            if (it != redeliveries_.end()) redeliveries = it->second;
        }
        const auto messages = send_entry(consumer, source_.cursor, {entry, facts, redeliveries, now_ms_});
        messages_per_entry_ = messages_per_entry_ * 0.9 + messages * 0.1;
        consumer.pending.insert_or_assign(consumer.pending.end(), entry.id, messages);
        book_.add(consumer, messages);
    }

    bool take_ack(Consumer& consumer, EntryId entry, std::uint32_t messages_left) {
        const auto it = consumer.pending.find(entry);
        if (it == consumer.pending.end()) return false;
        const auto acked = it->second - std::min(it->second, messages_left);
        if (messages_left == 0) {
            consumer.pending.erase(it);
        } else {
            it->second -= acked;
        }
        consumer.counters.acked.add(acked);
        book_.drop(consumer, acked);
        return true;
    }

    void delay(std::int64_t until_ms, EntryId entry) {
        const bool first = delayed_.empty() || until_ms < delayed_.begin()->first;
        delayed_.emplace(until_ms, entry);
        if (first) arm_delay();
    }

    void arm_delay() {
        auto& loop = source_.hub.loop();
        if (delay_timer_ != 0) loop.cancel(delay_timer_);
        delay_timer_ = 0;
        if (delayed_.empty()) return;
        const auto left = delayed_.begin()->first - static_cast<std::int64_t>(wall_clock_ms());
        delay_timer_ = loop.after(std::chrono::milliseconds(std::max<std::int64_t>(left, 1)), [this] {
            delay_timer_ = 0;
            const auto due = delayed_.upper_bound(static_cast<std::int64_t>(wall_clock_ms()));
            for (auto it = delayed_.begin(); it != due; ++it) {
                if (!source_.cursor.is_acked(it->second)) replay_.insert(it->second);
            }
            delayed_.erase(delayed_.begin(), due);
            arm_delay();
            dispatch();
        });
    }

    void forget_lost(EntryId from, EntryId until) {
        source_.cursor.ack_range(from, until);
        source_.cursor_changed();
    }

    // The last consumer left: the next one starts at the cursor, with nothing counted.
    void start_over() {
        ++generation_;
        reading_again_ = false;
        replay_.clear();
        again_.clear();
        redeliveries_.clear();
        delayed_.clear();
        arm_delay();
        feed_.move_to(source_.cursor.position());
    }

    std::size_t entries_wanted(const Consumer& consumer) const {
        const auto wanted = static_cast<double>(consumer.permits) / messages_per_entry_ *
                            static_cast<double>(consumers_.size());
        return std::clamp(static_cast<std::size_t>(wanted), EntryFeed::kEntriesMin, kEntriesPerRead);
    }

    // Fixed after construction.
    const DispatchSource source_;
    // On the loop.
    std::vector<Consumer*> consumers_;
    std::size_t last_ = 0;                     // who got the last entry
    std::vector<SharedCandidate> candidates_;  // scratch
    EntryFeed feed_;
    double messages_per_entry_ = 1;
    std::uint64_t now_ms_ = 0;  // at the beginning of dispatch()
    UnackedBook book_;
    std::set<EntryId> replay_;                                 // to be delivered again
    std::deque<store::StoredEntry> again_;                     // some of them, read
    std::unordered_map<EntryId, std::uint32_t> redeliveries_;  // how often, of entries not acked
    bool reading_again_ = false;
    bool in_read_call_ = false;
    std::uint64_t generation_ = 0;
    std::multimap<std::int64_t, EntryId> delayed_;  // by the wall clock's milliseconds
    async::TimerId delay_timer_ = 0;
    // Shared with reads under way: tells them that the dispatcher is gone.
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace

std::unique_ptr<Dispatcher> make_shared_dispatcher(DispatchSource source) {
    return std::make_unique<SharedDispatcher>(std::move(source));
}

}  // namespace weft::broker
