#pragma once
// EntryFacts: the few fields of an entry's metadata that dispatch needs, found without building anything.

#include <cstdint>
#include <string_view>

namespace weft::broker {

struct EntryFacts {
    std::uint32_t num_messages = 1;
    bool batched = false;
    std::uint64_t publish_time_ms = 0;
    std::int64_t deliver_at_ms = 0;  // 0: at once
};

/// Reads an entry ([0x0e01][CRC32C][metadata size][metadata][payload], or without the first two). What
/// doesn't parse is left at its default: entries were verified when they were published.
EntryFacts entry_facts(std::string_view entry);

}  // namespace weft::broker
