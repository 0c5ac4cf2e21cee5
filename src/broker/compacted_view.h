#pragma once
// CompactedView: what compaction has left of a topic's entries, beside the topic's own ledger.
//
// A ledger of its own whose entries are [id of the topic's entry, 8 bytes little-endian][the entry, maybe
// without some of its messages], in the order of those ids.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/store.h"

namespace weft::broker {

struct CompactedView {
    store::LedgerId ledger = 0;
    store::EntryId horizon = 0;  // it stands for the topic's entries below this one
    std::uint64_t entries = 0;   // that it has
    bool operator==(const CompactedView&) const = default;
};

/// Where a reader has read last: in the topic's log, in what was compacted, or nowhere yet.
enum class ReadFrom : std::uint8_t { nothing, log, view };

Bytes to_view_entry(store::EntryId id, std::string_view entry);
/// Undoes it; nothing for what is too short.
std::optional<store::StoredEntry> from_view_entry(const Bytes& stored);

}  // namespace weft::broker
