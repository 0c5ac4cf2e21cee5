#pragma once
// AckTracker: decides when an input may be acknowledged (at-least-once): when each output that came of it was
// stored. Pure bookkeeping; it says what to ack and nack, someone else does it.
//
// An entry (a batch) is *held* once while the function works on it, and once for each run of its messages
// that has outputs under way. When the last hold goes, it is settled: acked whole, or, if some of its
// messages failed, the good ones are acked singly and the entry is asked for again. What was acked singly is
// remembered, so that a broker which keeps no single acks and delivers the whole entry again does not have
// the good messages processed twice.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "wire/message_id.h"

namespace weft::runtime {

/// A run of messages of one received entry.
struct InputRange {
    std::uint32_t slot = 0;   // as open() gave it
    std::uint32_t first = 0;  // index in the entry
    std::uint32_t count = 0;
};

/// What to tell one consumer.
struct AckAction {
    enum class Kind : std::uint8_t { ack_entry, ack_message, redeliver };
    Kind kind = Kind::ack_entry;
    std::uint32_t consumer = 0;
    std::uint32_t batch_size = 0;
    wire::MessageId id;  // with a batch index for ack_message only
    bool operator==(const AckAction&) const = default;
};

/// An entry as the tracker needs it.
struct ReceivedEntry {
    std::uint32_t consumer = 0;
    wire::MessageId id;
    std::uint32_t num_messages = 1;
    std::uint32_t payload_bytes = 0;
    std::span<const std::int64_t> ack_set;  // empty: all messages are pending
};

/// Any thread; calls are short.
class AckTracker {
  public:
    /// Which messages are to be processed; empty: all.
    using Pending = std::vector<std::uint64_t>;

    struct Opened {
        std::uint32_t slot = 0;
        const Pending* pending = nullptr;  // valid while the entry is open
        std::uint32_t num_pending = 0;
        bool duplicate = false;  // it is open already, and was not opened again
    };
    /// Takes an entry in, held once. After a reconnect a broker delivers again what was not acked yet, also
    /// what is still being worked on: that is a duplicate, to be dropped; the first one will be acked or
    /// asked for again.
    Opened open(const ReceivedEntry& entry);
    /// Holds an open entry once more.
    void hold(std::uint32_t slot);
    /// Notes that a message failed; its entry must be held by the caller.
    void fail(std::uint32_t slot, std::uint32_t index);
    /// Lets go one hold. Actions are appended.
    void release(std::uint32_t slot, std::vector<AckAction>& actions);
    /// Lets go one hold for each range; with `failed`, their messages have failed.
    enum class Outcome : std::uint8_t { stored, failed };
    void release(std::span<const InputRange> ranges, Outcome outcome, std::vector<AckAction>& actions);

    /// Messages and payload bytes of the entries that are open.
    struct Load {
        std::uint64_t messages = 0, bytes = 0, entries = 0;
    };
    Load load() const;

    /// How many entries with single acks are remembered; the oldest is forgotten first (and then processed
    /// again).
    static constexpr std::size_t kPartialEntriesMax = 10'000;

  private:
    struct Entry {
        ReceivedEntry received;
        std::uint32_t holds = 0;
        Pending pending;  // bit set: to be processed now; empty: all
        Pending failed;   // bit set: failed; empty: none
        std::uint32_t num_pending = 0;
    };
    struct Key {
        std::uint32_t consumer = 0;
        std::uint64_t ledger = 0, entry = 0;
        auto operator<=>(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return (key.ledger * 0x9e3779b97f4a7c15ULL) ^ (key.entry * 0xff51afd7ed558ccdULL) ^ key.consumer;
        }
    };
    struct Partial {
        Pending done;
        std::uint64_t order = 0;
    };
    void release_locked(std::uint32_t slot, std::vector<AckAction>& actions);
    void settle(Entry& entry, std::vector<AckAction>& actions);
    void remember(const Entry& entry, Pending done);
    static Key key_of(const ReceivedEntry& entry) {
        return {entry.consumer, entry.id.ledger, entry.id.entry};
    }

    mutable std::mutex mutex_;
    // Guarded by mutex_.
    std::deque<Entry> entries_;  // slots; a deque, so that `pending` stays where it is
    std::vector<std::uint32_t> free_;
    std::unordered_set<Key, KeyHash> open_;
    std::map<Key, Partial> partial_;
    std::map<std::uint64_t, Key> partial_by_order_;
    std::uint64_t next_order_ = 0;
    Load load_;
};

/// Whether a bitmap (empty: all bits set) has a bit.
inline bool bit_of(const std::vector<std::uint64_t>& bits, std::uint32_t index) {
    return bits.empty() || (index / 64 < bits.size() && ((bits[index / 64] >> (index % 64)) & 1U) != 0);
}

}  // namespace weft::runtime
