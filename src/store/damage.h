#pragma once
// Damage: what recovery, reading and verification find broken in the log.

#include <cstdint>
#include <string>

#include "store/scan.h"
#include "store/store.h"

namespace weft::store {

/// Something in the log that can't be read as it was written.
struct Damage {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    enum class Kind : std::uint8_t {
        entry,       // these entries are lost
        map_record,  // a change of the map is lost
        bytes,       // nobody knows what was there
        mended_bit,  // one bit was wrong: nothing is lost
    } kind = Kind::bytes;
    LedgerId ledger = 0;
    EntryId first = 0, end = 0;  // of the ledger: one entry, or several that must have been there
    std::uint64_t bytes = 0;     // of what nobody knows
};

/// What is wrong with a record: it is damaged or mended, or there is none.
Damage damage_of(std::uint64_t segment, const ScannedRecord& record);

/// In words: what, and where it lies in the log. `name` is what people call the ledger, or empty.
std::string describe(const Damage& damage, const std::string& name);

/// Logs it; `name` is what people call the ledger, or empty.
void log_damage(const Damage& damage, const std::string& name);

}  // namespace weft::store
