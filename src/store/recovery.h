#pragma once
// Recovery: from the files of a directory to the state they mean. Changes nothing but the names of files that
// hold nothing.

#include <map>
#include <string>
#include <vector>

#include "store/committer.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/ledger_table.h"

namespace weft::store {

struct Recovered {
    explicit Recovered(std::uint64_t tail_cache_bytes) : table(tail_cache_bytes) {}

    LedgerTable table;
    std::map<std::string, Bytes, std::less<>> map;
    LogPosition snapshot;  // what the snapshot on disk covers
    LogEnd end;
    std::vector<std::uint64_t> without_index;  // sealed segments that had to be scanned
    std::vector<Damage> damage;          // found on the way; at most kDamageMax, the rest is logged only
    bool snapshot_half_damaged = false;  // one of its two copies
};

inline constexpr std::size_t kDamageMax = 10'000;

Result<Recovered> recover(Directory& directory, SegmentPool& pool, std::uint64_t tail_cache_bytes);

/// The index of a sealed segment, from the table.
SegmentIndex index_from(const LedgerTable& table, std::uint64_t segment);

}  // namespace weft::store
