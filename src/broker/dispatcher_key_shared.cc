// Key_Shared: all entries of a key go to one consumer, in order. When another consumer joins, the keys that
// fall to it wait until nothing of them is under way at the one before (as in Pulsar, PIP-379).

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "broker/choose.h"
#include "broker/dispatcher.h"
#include "broker/unacked_book.h"
#include "observe/log.h"
#include "wire/entry.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr std::size_t kEntriesPerRead = 1000;
constexpr std::uint32_t kSlots = 1U << 16;
// Entries whose consumer isn't ready wait aside, so that those of other keys get past; so many at most.
constexpr std::size_t kWaitingMax = 10'000;
constexpr std::size_t kWaitingBytesMax = 4U << 20;

// What decides where an entry goes: keys that share a slot share a consumer.
std::uint32_t slot_of(const Bytes& entry) {
    const auto view = wire::read_entry(entry, wire::ChecksumCheck::skip);
    if (!view) return 0;
    const auto& metadata = view->metadata;
    if (metadata.ordering_key) return murmur3_32(*metadata.ordering_key) % kSlots;
    if (metadata.partition_key) return murmur3_32(*metadata.partition_key) % kSlots;
    return murmur3_32(str_cat(metadata.producer_name, "-", metadata.sequence_id)) %
           kSlots;  // no key: anywhere
}

class KeySharedDispatcher final : public Dispatcher {
  public:
    explicit KeySharedDispatcher(DispatchSource source)
        : source_(std::move(source)),
          feed_(
              source_.hub, source_.ledger,
              [this](EntryId from, ReadFrom last) { return source_.view(from, last, false); },
              [this] { dispatch(); }),
          book_(source_.hub.options()) {
        feed_.move_to(source_.cursor.position());
    }

    SubscriptionType type() const override { return SubscriptionType::key_shared; }
    const std::vector<Consumer*>& consumers() const override { return consumers_; }
    Consumer* active() const override { return nullptr; }
    std::uint64_t unacked() const override { return book_.total(); }
    bool blocked() const override { return book_.blocked(); }
    bool waits_for_acks() const override { return book_.blocked() || !waiting_.empty(); }

    void add(Consumer& consumer) override {
        consumers_.push_back(&consumer);
        ring_ = make_ring();
    }

    void remove(Consumer& consumer) override {
        std::erase(consumers_, &consumer);
        ring_ = make_ring();
        take_back_all(consumer);
        if (consumers_.empty()) start_over();
        dispatch();
    }

    void dispatch() override {
        now_ms_ = wall_clock_ms();
        if (book_.blocked() || !any_ready()) return;
        send_waiting();
        send_new();
    }

    void redeliver_all(Consumer& consumer) override {
        for (const auto& [entry, messages] : consumer.pending) ++redeliveries_[entry];
        consumer.counters.redelivered.add(consumer.unacked);
        take_back_all(consumer);
        dispatch();
    }

    void redeliver(Consumer& consumer, std::span<const EntryId> entries) override {
        for (const auto entry : entries) {
            const auto it = consumer.pending.find(entry);
            if (it == consumer.pending.end()) continue;
            consumer.counters.redelivered.add(it->second);
            ++redeliveries_[entry];
            take_back(consumer, it);
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
        if (const auto it = waiting_.find(entry); it != waiting_.end()) drop_waiting(it);
        redeliveries_.erase(entry);
    }

    void on_cursor_moved() override {
        const auto& cursor = source_.cursor;
        for (auto* consumer : consumers_) {
            for (auto it = consumer->pending.begin(); it != consumer->pending.end();) {
                const auto [entry, messages] = *it;
                if (!cursor.is_acked(entry)) {
                    ++it;
                    continue;
                }
                it = consumer->pending.erase(it);
                book_.drop(*consumer, messages);
                release_slot(entry);
            }
        }
        for (auto it = waiting_.begin(); it != waiting_.end();) {
            const auto at = it++;
            if (cursor.is_acked(at->first)) drop_waiting(at);
        }
        std::erase_if(redeliveries_, [&](const auto& item) { return cursor.is_acked(item.first); });
    }
    void on_cursor_reset() override { start_over(); }

  private:
    using Ring = std::map<std::uint32_t, Consumer*>;
    struct Slot {
        Consumer* sent_to = nullptr;  // has what is under way
        std::uint32_t sent = 0;       // entries under way
        std::uint32_t waiting = 0;    // entries in waiting_
    };
    struct Waiting {
        std::uint32_t slot = 0;
        Bytes data;  // empty: to be read again
    };
    using WaitingMap = std::map<EntryId, Waiting>;

    Ring make_ring() const {
        Ring ring;
        std::map<std::string_view, int> same_name;
        for (auto* consumer : consumers_) {
            const auto index = same_name[consumer->name]++;  // consumers may have one name, or none
            for (int point = 0; point < 100; ++point) {
                ring.emplace(murmur3_32(str_cat(consumer->name, point + 100 * index)) % kSlots, consumer);
            }
        }
        return ring;
    }

    static bool is_ready(const Consumer& consumer) {
        return consumer.permits > 0 && !consumer.blocked && consumer.sink->has_room();
    }
    bool any_ready() const {
        return std::ranges::any_of(consumers_, [](const Consumer* consumer) { return is_ready(*consumer); });
    }

    // Whose the slot is, if it can take an entry now.
    Consumer* ready_target_of(std::uint32_t slot) const {
        const auto at = ring_.lower_bound(slot);
        auto* const owner = at == ring_.end() ? ring_.begin()->second : at->second;
        const auto it = slots_.find(slot);
        if (it != slots_.end() && it->second.sent > 0 && it->second.sent_to != owner) return nullptr;
        return is_ready(*owner) ? owner : nullptr;
    }

    // What waits, oldest first; an entry that can't go holds back those of its slot.
    void send_waiting() {
        std::unordered_set<std::uint32_t> held;
        for (auto it = waiting_.begin(); it != waiting_.end() && !book_.blocked();) {
            const auto at = it++;
            const auto slot = at->second.slot;
            if (held.contains(slot)) continue;
            auto* const consumer = ready_target_of(slot);
            if (consumer == nullptr) {
                held.insert(slot);
                if (!any_ready()) return;
                continue;
            }
            if (at->second.data.empty()) {
                const auto entry = at->first;
                if (!reading_) read_waiting(entry);
                it = waiting_.upper_bound(entry);
                const auto again = waiting_.find(entry);
                if (again == waiting_.end()) continue;  // the store has it no more
                if (again->second.data.empty()) {
                    held.insert(slot);
                    continue;
                }
                const store::StoredEntry stored{entry, again->second.data};
                drop_waiting(again);
                send(*consumer, stored, slot);
                continue;
            }
            const store::StoredEntry stored{at->first, at->second.data};
            drop_waiting(at);
            send(*consumer, stored, slot);
        }
    }

    void send_new() {
        while (!book_.blocked() && any_ready() && waiting_.size() < kWaitingMax &&
               waiting_bytes_ < kWaitingBytesMax) {
            feed_.move_to(source_.cursor.next_unacked(feed_.position()));
            const auto* entry = feed_.front(source_.end(), kEntriesPerRead);
            if (entry == nullptr) return;
            if (entry->id > feed_.position()) forget_lost(feed_.position(), entry->id);
            const auto slot = slot_of(entry->data);
            const auto it = slots_.find(slot);
            const bool behind = it != slots_.end() && it->second.waiting > 0;
            auto* const consumer = behind ? nullptr : ready_target_of(slot);
            if (consumer == nullptr) {
                put_aside(entry->id, slot, entry->data);
            } else {
                send(*consumer, *entry, slot);
            }
            feed_.pop();
        }
    }

    void send(Consumer& consumer, const store::StoredEntry& entry, std::uint32_t slot) {
        const auto it = redeliveries_.find(entry.id);
        const auto count = it == redeliveries_.end() ? 0 : it->second;
        const auto messages =
            send_entry(consumer, source_.cursor, {entry, entry_facts(entry.data.view()), count, now_ms_});
        consumer.pending.insert_or_assign(consumer.pending.end(), entry.id, messages);
        book_.add(consumer, messages);
        sent_[entry.id] = slot;
        auto& where = slots_[slot];
        where.sent_to = &consumer;
        ++where.sent;
    }

    void put_aside(EntryId entry, std::uint32_t slot, Bytes data) {
        waiting_bytes_ += data.size();
        waiting_[entry] = {slot, std::move(data)};
        ++slots_[slot].waiting;
    }
    void drop_waiting(WaitingMap::iterator it) {
        waiting_bytes_ -= it->second.data.size();
        const auto slot = slots_.find(it->second.slot);
        if (slot != slots_.end() && --slot->second.waiting == 0 && slot->second.sent == 0) slots_.erase(slot);
        waiting_.erase(it);
    }
    // An entry isn't under way any more.
    std::uint32_t release_slot(EntryId entry) {
        const auto it = sent_.find(entry);
        if (it == sent_.end()) return 0;
        const auto number = it->second;
        sent_.erase(it);
        const auto slot = slots_.find(number);
        if (slot != slots_.end() && --slot->second.sent == 0 && slot->second.waiting == 0) slots_.erase(slot);
        return number;
    }

    std::map<EntryId, std::uint32_t>::iterator take_back(Consumer& consumer,
                                                         std::map<EntryId, std::uint32_t>::iterator it) {
        const auto [entry, messages] = *it;
        const auto next = consumer.pending.erase(it);
        book_.drop(consumer, messages);
        put_aside(entry, release_slot(entry), {});
        return next;
    }
    void take_back_all(Consumer& consumer) {
        for (auto it = consumer.pending.begin(); it != consumer.pending.end();) it = take_back(consumer, it);
    }

    bool take_ack(Consumer& consumer, EntryId entry, std::uint32_t messages_left) {
        const auto it = consumer.pending.find(entry);
        if (it == consumer.pending.end()) return false;
        const auto acked = it->second - std::min(it->second, messages_left);
        it->second -= acked;
        if (messages_left == 0) {
            consumer.pending.erase(it);
            release_slot(entry);
        }
        consumer.counters.acked.add(acked);
        book_.drop(consumer, acked);
        return true;
    }

    void read_waiting(EntryId entry) {
        reading_ = in_read_call_ = true;
        source_.hub.store().read(
            source_.ledger, entry, 1, 1,
            [this, alive = std::weak_ptr(alive_), entry, generation = generation_](auto read) {
                if (!alive.expired()) on_read(entry, generation, std::move(read));
            });
        in_read_call_ = false;
    }
    void on_read(EntryId entry, std::uint64_t generation, Result<std::vector<store::StoredEntry>> read) {
        if (generation != generation_) return;
        reading_ = false;
        if (!read) {
            kLog.warn("can't read an entry to deliver again",
                      {{"topic", source_.topic}, {"error", read.error().message}});
            source_.hub.loop().after(1s, [this, alive = std::weak_ptr(alive_)] {
                if (!alive.expired()) dispatch();
            });
            return;
        }
        const auto it = waiting_.find(entry);
        if (it != waiting_.end() && (read->empty() || read->front().id != entry)) {
            forget_lost(entry, entry + 1);
            drop_waiting(it);
        } else if (it != waiting_.end()) {
            waiting_bytes_ += read->front().data.size();
            it->second.data = std::move(read->front().data);
        }
        if (!in_read_call_) dispatch();
    }

    void forget_lost(EntryId from, EntryId until) {
        source_.cursor.ack_range(from, until);
        source_.cursor_changed();
    }

    // The last consumer left: the next one starts at the cursor, with nothing counted.
    void start_over() {
        ++generation_;
        reading_ = false;
        waiting_.clear();
        waiting_bytes_ = 0;
        slots_.clear();
        sent_.clear();
        redeliveries_.clear();
        feed_.move_to(source_.cursor.position());
    }

    // Fixed after construction.
    const DispatchSource source_;
    // On the loop.
    std::vector<Consumer*> consumers_;
    Ring ring_;  // whose the slots are
    EntryFeed feed_;
    UnackedBook book_;
    std::uint64_t now_ms_ = 0;  // at the beginning of dispatch()
    std::unordered_map<std::uint32_t, Slot> slots_;
    std::unordered_map<EntryId, std::uint32_t> sent_;  // entries under way, with their slots
    WaitingMap waiting_;
    std::size_t waiting_bytes_ = 0;
    std::unordered_map<EntryId, std::uint32_t> redeliveries_;  // how often, of entries not acked
    bool reading_ = false;
    bool in_read_call_ = false;
    std::uint64_t generation_ = 0;
    // Shared with reads under way: tells them that the dispatcher is gone.
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace

std::unique_ptr<Dispatcher> make_key_shared_dispatcher(DispatchSource source) {
    return std::make_unique<KeySharedDispatcher>(std::move(source));
}

}  // namespace weft::broker
