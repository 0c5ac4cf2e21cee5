#pragma once
// Store: ledgers (append-only sequences of entries) and a small durable map, kept in one segment log
// (design 2.2). One sync covers entries and map together. What a `done` has confirmed survives kill -9 and
// power loss.
//
// All calls and all callbacks are on one Loop (the broker's); writing, syncing and cold reading happen on the
// store's own two threads. Format: docs/formats/segment.md.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/loop.h"
#include "base/bytes.h"
#include "base/result.h"
#include "store/file_system.h"

namespace weft::store {

using LedgerId = std::uint64_t;
using EntryId = std::uint64_t;

/// What "done" means. `sync`: fdatasync has returned. `page_cache`: the kernel has the bytes (survives kill
/// -9, not power loss).
enum class Durability : std::uint8_t { sync, page_cache };

struct StoreOptions {
    std::string directory;
    Durability durability = Durability::sync;
    std::uint64_t segment_bytes = 64U << 20;    // files of this size are preallocated and reused
    std::uint64_t tail_cache_bytes = 8U << 20;  // newest entries kept in memory for readers at the end
    std::uint64_t pending_bytes_max =
        64U << 20;  // appended and not yet durable; over it append() is refused (limit_reached)
    std::uint32_t free_segments_max = 4;  // emptied segment files kept for reuse
    /// What people call a ledger, from the store's map: damaged entries are logged with it. May be empty.
    std::function<std::string(const std::map<std::string, Bytes, std::less<>>&, LedgerId)> ledger_name = {};
};

struct LedgerInfo {
    EntryId first = 0;        // oldest entry kept
    EntryId end = 0;          // one past the newest durable entry
    std::uint64_t bytes = 0;  // of the entries kept
};

struct StoredEntry {
    EntryId id = 0;
    Bytes data;
};

class Store {
  public:
    using Done = std::move_only_function<void(Result<>)>;
    using Appended = std::move_only_function<void(Result<EntryId>)>;
    using Read = std::move_only_function<void(Result<std::vector<StoredEntry>>)>;

    /// Opens or makes a data directory and recovers it (blocking, before the loop serves): reads snapshot and
    /// segment indexes, scans only the tail; stops at the first record that fails its CRC. Errors: `conflict`
    /// (another process has the directory), `io` (read-only, not a directory), `corrupt` (format of a newer
    /// version, damaged beyond the tail).
    /// On a small disk segments are smaller: an eighth of it, 8 MiB at least.
    static Result<std::unique_ptr<Store>> open(FileSystem& files, async::Loop& loop, StoreOptions options);
    /// Finishes what is pending (as durable as promised) and closes. Callbacks not yet run are dropped.
    virtual ~Store() = default;

    // The map: metadata of topics, cursors, schemas. Keys are sorted; values are opaque and small (< 1 MiB).
    virtual const std::map<std::string, Bytes, std::less<>>& map()
        const = 0;  // as last written, durable or not
    virtual void put(std::string key, Bytes value, Done done) = 0;
    virtual void erase(std::string key, Done done) = 0;

    // Ledgers. Ids are never reused, also not across restarts.
    virtual LedgerId create_ledger() = 0;
    /// Appends; ids count up by one without gaps. `done` runs when it is durable, in the order of the calls
    /// over all ledgers and map writes. On a write error (`disk_full`, `io`) every pending append fails, ids
    /// are given back, and later appends are tried anew: the store heals when the disk does.
    virtual void append(LedgerId ledger, Bytes entry, Appended done) = 0;
    /// Entries from `from` on: at least one (if there is a durable one), until `max_entries` or `max_bytes`
    /// is passed. Runs `done` at once when memory holds them, later otherwise. A damaged entry is left out
    /// and logged by ledger:entry.
    virtual void read(LedgerId ledger, EntryId from, std::size_t max_entries, std::size_t max_bytes,
                      Read done) = 0;
    /// `not_found` for an unknown ledger; a ledger without entries is known once created or written.
    virtual Result<LedgerInfo> info(LedgerId ledger) const = 0;
    /// Lets go of entries below `before`; segments that hold nothing live any more are reused.
    virtual void trim(LedgerId ledger, EntryId before) = 0;
    virtual void erase_ledger(LedgerId ledger) = 0;

    /// Counters for metrics and benches.
    struct Stats {
        std::uint64_t syncs = 0, appended_entries = 0, appended_bytes = 0, written_bytes = 0, segments = 0;
        std::uint64_t sync_us_last = 0;
    };
    virtual Stats stats() const = 0;
    /// Whether entries have been refused because the disk is full, and no room was found since. The store
    /// looks for room by itself.
    virtual bool out_of_room() const = 0;
    virtual const std::string& directory() const = 0;
};

}  // namespace weft::store
