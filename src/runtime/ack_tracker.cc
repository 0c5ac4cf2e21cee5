#include "runtime/ack_tracker.h"

#include <bit>

#include "base/check.h"

namespace weft::runtime {
namespace {

using Bits = std::vector<std::uint64_t>;

Bits all_set(std::uint32_t count) {
    Bits bits((count + 63) / 64, ~0ULL);
    if (count % 64 != 0) bits.back() = (1ULL << (count % 64)) - 1;
    return bits;
}

std::uint32_t count_of(const Bits& bits) {
    std::uint32_t count = 0;
    for (const std::uint64_t word : bits) count += static_cast<std::uint32_t>(std::popcount(word));
    return count;
}

}  // namespace

AckTracker::Opened AckTracker::open(const ReceivedEntry& received) {
    const std::lock_guard lock(mutex_);
    if (!open_.insert(key_of(received)).second) return {.duplicate = true};
    std::uint32_t slot;
    if (free_.empty()) {
        slot = static_cast<std::uint32_t>(entries_.size());
        entries_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    Entry& entry = entries_[slot];
    entry.received = received;
    entry.received.ack_set = {};
    entry.holds = 1;
    entry.pending.clear();
    entry.failed.clear();
    const auto partial = partial_.empty() ? partial_.end() : partial_.find(key_of(received));
    if (!received.ack_set.empty() || partial != partial_.end()) {
        entry.pending = all_set(received.num_messages);
        for (std::size_t i = 0; i < entry.pending.size(); ++i) {
            if (!received.ack_set.empty()) {
                entry.pending[i] &=
                    i < received.ack_set.size() ? static_cast<std::uint64_t>(received.ack_set[i]) : 0;
            }
            if (partial != partial_.end() && i < partial->second.done.size()) {
                entry.pending[i] &= ~partial->second.done[i];
            }
        }
    }
    entry.num_pending = entry.pending.empty() ? received.num_messages : count_of(entry.pending);
    load_.messages += entry.num_pending;
    load_.bytes += received.payload_bytes;
    load_.entries += 1;
    return {slot, &entry.pending, entry.num_pending, false};
}

void AckTracker::hold(std::uint32_t slot) {
    const std::lock_guard lock(mutex_);
    WEFT_CHECK(entries_[slot].holds > 0, "only an open entry can be held");
    ++entries_[slot].holds;
}

void AckTracker::fail(std::uint32_t slot, std::uint32_t index) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[slot];
    if (entry.failed.empty()) entry.failed.resize((entry.received.num_messages + 63) / 64);
    entry.failed[index / 64] |= 1ULL << (index % 64);
}

void AckTracker::release(std::uint32_t slot, std::vector<AckAction>& actions) {
    const std::lock_guard lock(mutex_);
    release_locked(slot, actions);
}

void AckTracker::release(std::span<const InputRange> ranges, Outcome outcome,
                         std::vector<AckAction>& actions) {
    const std::lock_guard lock(mutex_);
    for (const InputRange& range : ranges) {
        Entry& entry = entries_[range.slot];
        if (outcome == Outcome::failed) {
            if (entry.failed.empty()) entry.failed.resize((entry.received.num_messages + 63) / 64);
            for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
                entry.failed[i / 64] |= 1ULL << (i % 64);
            }
        }
        release_locked(range.slot, actions);
    }
}

void AckTracker::release_locked(std::uint32_t slot, std::vector<AckAction>& actions) {
    Entry& entry = entries_[slot];
    WEFT_CHECK(entry.holds > 0, "an entry was released more often than held");
    if (--entry.holds > 0) return;
    settle(entry, actions);
    open_.erase(key_of(entry.received));
    load_.messages -= entry.num_pending;
    load_.bytes -= entry.received.payload_bytes;
    load_.entries -= 1;
    free_.push_back(slot);
}

void AckTracker::settle(Entry& entry, std::vector<AckAction>& actions) {
    const ReceivedEntry& received = entry.received;
    const AckAction whole{AckAction::Kind::ack_entry, received.consumer, 0, received.id};
    if (entry.failed.empty()) {
        if (!partial_.empty()) {
            if (const auto it = partial_.find(key_of(received)); it != partial_.end()) {
                partial_by_order_.erase(it->second.order);
                partial_.erase(it);
            }
        }
        actions.push_back(whole);
        return;
    }
    Bits done = entry.pending.empty() ? all_set(received.num_messages) : entry.pending;
    for (std::size_t i = 0; i < done.size(); ++i) done[i] &= ~entry.failed[i];
    for (std::uint32_t i = 0; i < received.num_messages; ++i) {
        if (!bit_of(done, i)) continue;
        AckAction one{AckAction::Kind::ack_message, received.consumer, received.num_messages, received.id};
        one.id.batch_index = static_cast<std::int32_t>(i);
        actions.push_back(one);
    }
    if (received.num_messages > 1) remember(entry, std::move(done));
    AckAction again = whole;
    again.kind = AckAction::Kind::redeliver;
    actions.push_back(again);
}

void AckTracker::remember(const Entry& entry, Pending done) {
    const Key key = key_of(entry.received);
    const auto [it, added] = partial_.try_emplace(key);
    Partial& partial = it->second;
    if (added) {
        partial.done.resize(done.size());
    } else {
        partial_by_order_.erase(partial.order);
    }
    for (std::size_t i = 0; i < done.size() && i < partial.done.size(); ++i) partial.done[i] |= done[i];
    partial.order = next_order_++;
    partial_by_order_.emplace(partial.order, key);
    if (partial_.size() > kPartialEntriesMax) {
        partial_.erase(partial_by_order_.begin()->second);
        partial_by_order_.erase(partial_by_order_.begin());
    }
}

AckTracker::Load AckTracker::load() const {
    const std::lock_guard lock(mutex_);
    return load_;
}

}  // namespace weft::runtime
