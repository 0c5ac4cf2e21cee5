#pragma once
// Cursor: what a subscription has acked of a topic. Everything below position() is acked; above it, ranges of
// entries and single messages of batches. Pure: no I/O, no clock.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace weft::broker {

using store::EntryId;

class Cursor {
  public:
    /// Bits kept for at most so many entries; acks of single messages beyond it are forgotten (and so
    /// redelivered).
    static constexpr std::size_t kPartialEntriesMax = 10'000;
    /// The largest batch whose messages can be acked singly, in words of 64 messages.
    static constexpr std::size_t kPartialWordsMax = 1024;
    /// What a record holds at most: acks beyond it are redelivered after a restart.
    static constexpr std::size_t kRecordRangesMax = 10'000;
    static constexpr std::size_t kRecordWordsMax = 16'384;

    Cursor() = default;
    explicit Cursor(EntryId position) : position_(position) {}

    /// The oldest entry that is not acked (Pulsar's mark-delete position + 1).
    EntryId position() const { return position_; }
    bool is_acked(EntryId entry) const;
    /// The first entry from `from` on that is not acked.
    EntryId next_unacked(EntryId from) const;
    /// Entries below `end` that are not acked.
    std::uint64_t backlog(EntryId end) const;
    /// Ranges of acked entries above position().
    std::size_t range_count() const { return ranges_.size(); }

    /// Acks one entry; false when it was acked already.
    bool ack(EntryId entry) { return ack_range(entry, entry + 1) != 0; }
    /// Acks [from, end); gives how many were not acked before.
    std::uint64_t ack_range(EntryId from, EntryId end);
    /// Acks everything below `end`.
    void ack_below(EntryId end);
    /// Acks messages of a batch. `still_unacked`: bit i set = message i is not acked by this call; words left
    /// out are zero. Calls add up. Gives how many messages are left; 0: the entry is acked now (or was).
    std::uint32_t ack_bits(EntryId entry, std::span<const std::int64_t> still_unacked);
    /// The bits of a partially acked entry (set = not acked); empty: none of its messages, or all.
    std::span<const std::int64_t> pending_bits(EntryId entry) const;

    /// Forgets everything: all below `position` is acked, nothing else.
    void reset(EntryId position);

    /// Whether serialize() can hold all of it.
    bool fits_record() const;
    std::string serialize() const;
    static Result<Cursor> parse(std::string_view record);
    bool operator==(const Cursor&) const = default;

  private:
    void absorb_ranges();

    EntryId position_ = 0;
    std::map<EntryId, EntryId>
        ranges_;                   // start to end (exclusive); disjoint, not touching, all above position_
    std::uint64_t in_ranges_ = 0;  // entries in ranges_
    std::map<EntryId, std::vector<std::int64_t>> partial_;
};

}  // namespace weft::broker
