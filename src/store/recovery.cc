#include "store/recovery.h"

#include <algorithm>
#include <utility>

#include "observe/log.h"
#include "store/scan.h"
#include "store/snapshot.h"

namespace weft::store {
namespace {

const observe::Logger kLog("store");

constexpr std::uint64_t kSideFileBytesMax = 4ULL << 30;

// No writer counts down: such a record has no place in the ledger, whatever its checks say. (What was not
// confirmed in one segment may stand in the next again.)
bool counts_down(const Ledger& ledger, LogPosition at, EntryId entry) {
    if (ledger.extents.empty()) return false;
    const Extent& last = ledger.extents.back();
    return entry < (last.segment == at.segment ? last.end : last.first);
}

class Recovery {
  public:
    Recovery(Directory& directory, SegmentPool& pool, Recovered& state)
        : directory_(directory), pool_(pool), state_(state) {}

    Result<> run() {
        WEFT_TRY_VOID(list());
        WEFT_TRY_VOID(load_snapshot());
        for (std::size_t i = 0; i < segments_.size(); ++i) WEFT_TRY_VOID(load_segment(i));
        if (LogPosition{state_.end.sequence, state_.end.end} < state_.snapshot) go_behind_the_snapshot();
        forget_damage_that_matters_no_more();
        finish_ledgers();
        return directory_.files().sync_directory(directory_.path());
    }

  private:
    Result<> list();
    Result<> classify(std::uint64_t sequence);
    Result<> load_snapshot();
    Result<> load_segment(std::size_t i);
    void go_behind_the_snapshot();
    bool load_index(const SegmentHeader& header, std::optional<std::uint64_t> end);
    void apply(std::uint64_t segment, const ScannedRecord& record);
    void apply_entry(LogPosition at, const RecordHeader& header, bool news);
    void apply_to_map(const ScannedRecord& record);
    void note_damage(Damage damage);
    void note_gap(LogPosition at, const RecordHeader& header);
    void finish_ledgers();
    void forget_damage_that_matters_no_more();

    Directory& directory_;
    SegmentPool& pool_;
    Recovered& state_;
    std::vector<SegmentHeader> segments_;  // ascending
    std::vector<std::uint64_t> headless_;  // files named as segments whose header is not whole
    std::vector<std::uint64_t> indexes_;
    std::uint64_t lost_entries_max_ = 0;    // how many unreadable records there may have been
    std::uint64_t unreadable_segment_ = 0;  // the last segment in which something was
};

Result<> Recovery::list() {
    WEFT_TRY(auto names, directory_.files().list(directory_.path()));
    std::ranges::sort(names);
    for (const std::string& name : names) {
        if (name.ends_with(kTemporarySuffix)) {
            WEFT_TRY_VOID(directory_.files().remove(directory_.at(name)));
        } else if (const auto sequence = segment_of(name)) {
            WEFT_TRY_VOID(classify(*sequence));
        } else if (const auto index = index_of(name)) {
            indexes_.push_back(*index);
        } else if (const auto number = free_of(name)) {
            pool_.found_free(*number);
        }
    }
    for (const std::uint64_t sequence : headless_) {
        // Made ready for use and not used yet; but only the newest can be that.
        if (!segments_.empty() && sequence <= segments_.back().sequence) {
            return fail(ErrorCode::corrupt, "the header of ", directory_.at(segment_name(sequence)),
                        " is damaged: move the file away to start without the entries in it");
        }
        WEFT_TRY_VOID(pool_.give(segment_name(sequence)));
    }
    return {};
}

Result<> Recovery::classify(std::uint64_t sequence) {
    WEFT_TRY(const auto file, directory_.files().open(directory_.at(segment_name(sequence))));
    std::string block(kSegmentHeaderBytes, '\0');
    WEFT_TRY(const std::size_t got, file->read_at(0, block.data(), block.size()));
    WEFT_TRY(const auto header, decode_segment_header(std::string_view(block).substr(0, got)));
    if (header && header->sequence == sequence) {
        segments_.push_back(*header);
    } else {
        headless_.push_back(sequence);
    }
    return {};
}

Result<> Recovery::load_snapshot() {
    auto bytes = directory_.read_file(kSnapshotName, kSideFileBytesMax);
    if (!bytes && bytes.error().code == ErrorCode::not_found) {
        if (segments_.empty() || segments_.front().sequence == 1) return {};
        return fail(ErrorCode::corrupt, directory_.at(kSnapshotName),
                    " is missing, and older segments are gone that it stood for: restore it from a copy");
    }
    if (!bytes) return std::unexpected(std::move(bytes).error());
    auto decoded = decode_snapshot(*bytes, &state_.snapshot_half_damaged);
    if (!decoded) return std::unexpected(std::move(decoded).error().context(directory_.at(kSnapshotName)));
    state_.snapshot = decoded->position;
    state_.map = std::move(decoded->map);
    state_.table.raise_next_id(decoded->next_ledger);
    for (const auto& [id, ledger] : decoded->ledgers) {
        Ledger& made = state_.table.create(id);
        made.first = ledger.first;
        made.end = ledger.end;
    }
    return {};
}

Result<> Recovery::load_segment(std::size_t i) {
    const SegmentHeader& header = segments_[i];
    const bool sealed = i + 1 < segments_.size();
    std::optional<std::uint64_t> known_end;
    if (sealed && segments_[i + 1].previous_sequence == header.sequence)
        known_end = segments_[i + 1].previous_end;
    Segment& segment = state_.table.segments()[header.sequence];
    segment.tag = header.tag;
    segment.sealed = sealed;
    if (sealed && load_index(header, known_end)) return {};

    const std::string path = directory_.at(segment_name(header.sequence));
    WEFT_TRY(const auto file, directory_.files().open(path));
    auto end = scan_segment(*file, header.tag, known_end,
                            [&](const ScannedRecord& record) { apply(header.sequence, record); });
    if (!end) return std::unexpected(std::move(end).error().context(path));
    segment.end = end->end;
    // What a killed process had written and not synced is served from here on, so it has to be durable first.
    WEFT_TRY_VOID(file->sync());
    if (sealed) {
        state_.without_index.push_back(header.sequence);
        return {};
    }
    // What is written next carries a higher epoch than anything that a torn tail may have left.
    const bool worn = end->epoch == UINT16_MAX;
    state_.end = {.sequence = header.sequence,
                  .tag = header.tag,
                  .end = end->end,
                  .epoch = static_cast<std::uint16_t>(worn ? end->epoch : end->epoch + 1),
                  .leave = worn};
    return {};
}

// Never write where the snapshot says that everything is known.
void Recovery::go_behind_the_snapshot() {
    kLog.error("the log ends before the place that the snapshot covers; records are missing",
               {{"segment", segment_name(state_.end.sequence)}, {"offset", state_.end.end}});
    state_.end.sequence = std::max(state_.end.sequence, state_.snapshot.segment);
    state_.end.leave = true;
}

// An index will do if the snapshot covers the rest of what the segment says.
bool Recovery::load_index(const SegmentHeader& header, std::optional<std::uint64_t> end) {
    if (!std::ranges::binary_search(indexes_, header.sequence)) return false;
    if (state_.snapshot.segment < header.sequence) return false;
    const auto bytes = directory_.read_file(index_name(header.sequence), kSideFileBytesMax);
    if (!bytes) return false;
    auto index = decode_index(*bytes);
    if (!index || index->sequence != header.sequence || index->tag != header.tag) return false;
    if (end && index->end != *end) return false;
    if (state_.snapshot < LogPosition{header.sequence, index->end}) return false;
    state_.table.segments()[header.sequence].end = index->end;
    for (auto& [id, extent] : index->extents) {
        if (Ledger* const ledger = state_.table.find(id)) state_.table.add_extent(*ledger, std::move(extent));
    }
    return true;
}

void Recovery::apply(std::uint64_t segment, const ScannedRecord& record) {
    const LogPosition at{segment, record.offset};
    const bool news = at >= state_.snapshot;  // else the snapshot knows what it led to
    if (record.damaged || record.mended || !record.header) note_damage(damage_of(segment, record));
    if (!record.header) {
        unreadable_segment_ = segment;
        if (news) lost_entries_max_ += record.lost_bytes / kRecordHeaderBytes + 1;
        return;
    }
    const RecordHeader& header = *record.header;
    LedgerTable& table = state_.table;
    switch (header.kind) {
        case RecordKind::entry:
            apply_entry(at, header, news);
            break;
        case RecordKind::map_put:
        case RecordKind::map_erase:
            if (news && !record.damaged) apply_to_map(record);
            break;
        case RecordKind::ledger_create:
            if (news) table.create(header.ledger);
            break;
        case RecordKind::ledger_trim:
            if (Ledger* const ledger = table.find(header.ledger); news && ledger != nullptr) {
                ledger->first = std::max(ledger->first, header.entry);
            }
            break;
        case RecordKind::ledger_erase:
            if (news) table.drop(header.ledger);
            break;
        case RecordKind::mark:
            break;
    }
}

void Recovery::apply_entry(LogPosition at, const RecordHeader& header, bool news) {
    LedgerTable& table = state_.table;
    Ledger* const ledger = news ? &table.create(header.ledger) : table.find(header.ledger);
    if (ledger == nullptr || counts_down(*ledger, at, header.entry)) return;
    // When the segment behind this one is gone, nobody says any more where the confirmed part of this one
    // ends, and the scan goes on into the remains of groups that failed. The snapshot knows which ids there
    // were; those that came again stand in a later segment, see LedgerTable::add_entry().
    if (!news && header.entry >= ledger->end) return;
    if (unreadable_segment_ == at.segment) note_gap(at, header);
    table.add_entry(*ledger, header.ledger, header.entry, at, header.body_size);
}

void Recovery::apply_to_map(const ScannedRecord& record) {
    if (record.header->kind == RecordKind::map_erase) {
        if (const auto found = state_.map.find(record.body); found != state_.map.end())
            state_.map.erase(found);
        return;
    }
    const std::size_t key_size = record.header->ledger;
    state_.map.insert_or_assign(std::string(record.body.substr(0, key_size)),
                                Bytes::copy_of(record.body.substr(key_size)));
}

void Recovery::note_damage(Damage damage) {
    if (state_.damage.size() < kDamageMax) {
        state_.damage.push_back(damage);
    } else {
        log_damage(damage, {});
    }
}

// Behind bytes that belong to no readable record: entries of this ledger that aren't there must have been.
void Recovery::note_gap(LogPosition at, const RecordHeader& header) {
    const Ledger* const ledger = state_.table.find(header.ledger);
    if (ledger->extents.empty() || header.entry <= ledger->extents.back().end) return;
    note_damage({.segment = at.segment,
                 .offset = at.offset,
                 .kind = Damage::Kind::entry,
                 .ledger = header.ledger,
                 .first = ledger->extents.back().end,
                 .end = header.entry});
}

// Damage in what was trimmed or erased later.
void Recovery::forget_damage_that_matters_no_more() {
    std::erase_if(state_.damage, [&](Damage& damage) {
        if (damage.kind != Damage::Kind::entry) return false;
        const Ledger* const ledger = state_.table.find(damage.ledger);
        if (ledger == nullptr) return true;
        damage.first = std::max(damage.first, ledger->first);
        return damage.first >= damage.end;
    });
}

void Recovery::finish_ledgers() {
    for (const auto& [id, unused] : state_.table.all()) {
        Ledger& ledger = *state_.table.find(id);
        const EntryId next = std::max(ledger.end, ledger.first);
        state_.table.drop_below(ledger, ledger.first);
        const bool empty = ledger.extents.empty();
        const EntryId found = empty ? next : ledger.extents.front().first;
        if (ledger.first < found) {
            note_damage({.segment = empty ? state_.end.sequence : ledger.extents.front().segment,
                         .kind = Damage::Kind::entry,
                         .ledger = id,
                         .first = ledger.first,
                         .end = found});
            ledger.first = found;
        }
        ledger.end = empty ? next : ledger.extents.back().end;
        // An unreadable record may have been the ledger's last entry: its id must not be given again.
        ledger.next = next + lost_entries_max_;
    }
}

}  // namespace

Result<Recovered> recover(Directory& directory, SegmentPool& pool, std::uint64_t tail_cache_bytes) {
    Recovered state(tail_cache_bytes);
    WEFT_TRY_VOID(Recovery(directory, pool, state).run());
    return state;
}

SegmentIndex index_from(const LedgerTable& table, std::uint64_t segment) {
    const auto found = table.segments().find(segment);
    SegmentIndex index{
        .sequence = segment, .tag = found->second.tag, .end = found->second.end, .extents = {}};
    std::vector<LedgerId> ledgers = found->second.ledgers;  // twice if trimmed away and appended to again
    std::ranges::sort(ledgers);
    const auto repeated = std::ranges::unique(ledgers);
    ledgers.erase(repeated.begin(), repeated.end());
    for (const LedgerId id : ledgers) {
        const Ledger* const ledger = table.find(id);
        if (ledger == nullptr) continue;
        const auto extent = std::ranges::lower_bound(ledger->extents, segment, {}, &Extent::segment);
        if (extent != ledger->extents.end() && extent->segment == segment)
            index.extents.emplace_back(id, *extent);
    }
    return index;
}

}  // namespace weft::store
