#pragma once
// The two side files of the log: the index of a sealed segment and the snapshot of map and ledgers. Both can
// be made again from the log as far as they cover it; the snapshot covers segments that are gone.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/ledger_table.h"

namespace weft::store {

struct SegmentIndex {
    std::uint64_t sequence = 0;
    std::uint32_t tag = 0;
    std::uint64_t end = 0;
    std::vector<std::pair<LedgerId, Extent>> extents;
};

std::string encode_index(const SegmentIndex& index);
/// `corrupt` if anything is not as it was written.
Result<SegmentIndex> decode_index(std::string_view bytes);

/// The state after all records before `position`, and none from there on.
struct Snapshot {
    struct LedgerState {
        EntryId first = 0;
        EntryId end = 0;
    };
    LogPosition position;
    LedgerId next_ledger = 1;
    std::map<std::string, Bytes, std::less<>> map;
    std::vector<std::pair<LedgerId, LedgerState>> ledgers;
};

/// What a snapshot says, but for its position, which is not known yet.
std::string encode_snapshot_content(LedgerId next_ledger,
                                    const std::map<std::string, Bytes, std::less<>>& map,
                                    std::span<const std::pair<LedgerId, Snapshot::LedgerState>> ledgers);
/// The file: everything twice, so that one damaged copy costs nothing.
std::string encode_snapshot(std::string content, LogPosition position);
/// `corrupt` if both copies are damaged or the version is newer. `half_damaged` tells of one that is.
Result<Snapshot> decode_snapshot(std::string_view bytes, bool* half_damaged = nullptr);

}  // namespace weft::store
