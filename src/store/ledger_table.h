#pragma once
// LedgerTable: which ledgers there are, which of their entries lie in which segment, and the newest entries
// themselves. Not thread-safe: belongs to the store's loop (and to recovery before that).

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "store/store.h"

namespace weft::store {

/// A place in the log. Positions order as the log does.
struct LogPosition {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    auto operator<=>(const LogPosition&) const = default;
};

/// Where one entry begins; between two points the segment is walked.
struct IndexPoint {
    EntryId entry = 0;
    std::uint64_t offset = 0;
    bool operator==(const IndexPoint&) const = default;
};

/// The entries of one ledger in one segment.
struct Extent {
    std::uint64_t segment = 0;
    EntryId first = 0;
    EntryId end = 0;
    std::uint64_t bytes = 0;         // of the entries, without headers
    std::vector<IndexPoint> points;  // the first entry has one; then at most one in kPointDistance bytes
    bool operator==(const Extent&) const = default;
};

inline constexpr std::uint64_t kPointDistance = 256U << 10;

struct Ledger {
    EntryId first = 0;           // trimmed up to here
    EntryId next = 0;            // the id that the next append gets
    EntryId end = 0;             // one past the newest durable entry
    bool erased = false;         // and only waits for its record to be durable
    std::deque<Extent> extents;  // ascending
    std::deque<Bytes> tail;      // the newest durable entries: ids [end - tail.size(), end)
    std::optional<std::pair<EntryId, LogPosition>>
        resume;  // the entry behind the one read last, and where it begins

    EntryId tail_first() const { return end - tail.size(); }
};

/// A segment that holds records.
struct Segment {
    std::uint32_t tag = 0;
    std::uint64_t end = 0;           // of its confirmed records
    bool sealed = false;             // nothing will be added
    std::uint64_t live_ledgers = 0;  // ledgers that have an extent here
    std::vector<LedgerId> ledgers;   // all that ever had one, while not sealed
};

class LedgerTable final {
  public:
    explicit LedgerTable(std::uint64_t tail_cache_bytes) : tail_bytes_max_(tail_cache_bytes) {}

    LedgerId create();            // with the next id
    Ledger& create(LedgerId id);  // or finds it
    Ledger* find(LedgerId id);
    const Ledger* find(LedgerId id) const;
    const std::map<LedgerId, Ledger>& all() const { return ledgers_; }
    LedgerId next_id() const { return next_id_; }
    void raise_next_id(LedgerId id) { next_id_ = std::max(next_id_, id); }

    std::map<std::uint64_t, Segment>& segments() { return segments_; }
    const std::map<std::uint64_t, Segment>& segments() const { return segments_; }

    /// Notes an entry that lies in the segment at the offset. Ids of one ledger only grow.
    void add_entry(Ledger& ledger, LedgerId id, EntryId entry, LogPosition at, std::uint64_t size);
    /// Notes what an index file says of a whole segment.
    void add_extent(Ledger& ledger, Extent extent);
    /// Keeps a durable entry in memory; the oldest of all ledgers go when the limit is passed.
    void cache(Ledger& ledger, LedgerId id, Bytes entry);
    /// Forgets extents below `before`; gives how many segments have lost their last ledger.
    std::size_t drop_below(Ledger& ledger, EntryId before);
    /// Forgets the ledger; gives as drop_below().
    std::size_t drop(LedgerId id);

    /// The extent with the entry, or the first one behind it.
    static std::deque<Extent>::const_iterator extent_of(const Ledger& ledger, EntryId entry);
    /// Bytes of the entries that are kept; within a partly trimmed extent by the share of entries.
    static std::uint64_t bytes_of(const Ledger& ledger);

  private:
    struct Cached {
        LedgerId ledger;
        std::size_t size;
    };
    // An id that comes again in a later segment is the confirmed one there: those from it on that were seen
    // in earlier segments belonged to a group that failed.
    void cut(Ledger& ledger, EntryId from);
    std::size_t leave(const Extent& extent);
    void evict();

    const std::uint64_t tail_bytes_max_;
    std::map<LedgerId, Ledger> ledgers_;
    std::pair<LedgerId, Ledger*> last_found_{0, nullptr};
    LedgerId next_id_ = 1;
    std::map<std::uint64_t, Segment> segments_;
    std::deque<Cached> cached_;  // in the order of the appends
    std::uint64_t cached_bytes_ = 0;
};

}  // namespace weft::store
