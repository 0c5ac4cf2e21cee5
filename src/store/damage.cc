#include "store/damage.h"

#include <algorithm>

#include "observe/log.h"
#include "store/directory.h"

namespace weft::store {
namespace {

const observe::Logger kLog("store");
constexpr std::uint64_t kNamedMax = 100;  // damaged entries that are named one by one

}  // namespace

Damage damage_of(std::uint64_t segment, const ScannedRecord& record) {
    Damage damage{.segment = segment, .offset = record.offset};
    if (!record.header) {
        damage.bytes = record.lost_bytes;
    } else if (record.mended) {
        damage.kind = Damage::Kind::mended_bit;
    } else if (record.header->kind == RecordKind::entry) {
        damage.kind = Damage::Kind::entry;
        damage.ledger = record.header->ledger;
        damage.first = record.header->entry;
        damage.end = damage.first + 1;
    } else {
        damage.kind = Damage::Kind::map_record;
    }
    return damage;
}

std::string describe(const Damage& damage, const std::string& name) {
    const std::string place = str_cat(segment_name(damage.segment), " at ", damage.offset);
    switch (damage.kind) {
        case Damage::Kind::entry: {
            const bool one = damage.end == damage.first + 1;
            return str_cat(name.empty() ? "(no topic)" : name, ' ', damage.ledger, ':', damage.first,
                           one ? std::string() : str_cat(" to ", damage.ledger, ':', damage.end - 1), ": ",
                           one ? "a damaged entry" : "damaged entries", " (", place, ')');
        }
        case Damage::Kind::map_record:
            return str_cat("a damaged change of metadata (", place, ')');
        case Damage::Kind::bytes:
            return str_cat(damage.bytes, " damaged bytes (", place, ')');
        case Damage::Kind::mended_bit:
            return str_cat("a flipped bit that is put right in reading: nothing is lost (", place, ')');
    }
    return place;
}

void log_damage(const Damage& damage, const std::string& name) {
    const std::string segment = segment_name(damage.segment);
    switch (damage.kind) {
        case Damage::Kind::entry:
            for (EntryId entry = damage.first; entry < std::min(damage.end, damage.first + kNamedMax);
                 ++entry) {
                kLog.error("a damaged entry is left out", {{"topic", name},
                                                           {"entry", str_cat(damage.ledger, ":", entry)},
                                                           {"segment", segment},
                                                           {"offset", damage.offset}});
            }
            if (damage.end - damage.first > kNamedMax) {
                kLog.error("damaged entries are left out",
                           {{"topic", name},
                            {"first", str_cat(damage.ledger, ":", damage.first + kNamedMax)},
                            {"last", str_cat(damage.ledger, ":", damage.end - 1)},
                            {"segment", segment}});
            }
            return;
        case Damage::Kind::map_record:
            return kLog.error("a damaged change of metadata is left out",
                              {{"segment", segment}, {"offset", damage.offset}});
        case Damage::Kind::bytes:
            return kLog.error("damaged bytes in the log are left out",
                              {{"segment", segment}, {"offset", damage.offset}, {"bytes", damage.bytes}});
        case Damage::Kind::mended_bit:
            return kLog.warn("a flipped bit in the log was put right",
                             {{"segment", segment}, {"offset", damage.offset}});
    }
}

}  // namespace weft::store
