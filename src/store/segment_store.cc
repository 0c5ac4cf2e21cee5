#include "store/segment_store.h"

#include <algorithm>
#include <bit>
#include <ranges>
#include <utility>

#include "base/check.h"
#include "observe/log.h"

namespace weft::store {
namespace {

const observe::Logger kLog("store");

constexpr std::size_t kStretchesMax = 64;
constexpr std::size_t kPointsMax = 256;
constexpr Duration kSnapshotRetry = 1s;
constexpr int kFillPauseShare = 4;  // a pause is so many times as long as the filling was
constexpr Duration kLookForRoomEvery = 500ms;
constexpr std::uint64_t kValueBytesMax = 1U << 20;
// The smallest segment: room for one large entry isn't asked for, tests use small ones.
constexpr std::uint64_t kSegmentBytesMin = 16U << 10;
constexpr std::uint64_t kSegmentBytesMax = 1U << 30;
// A small disk is divided into eight segments at least, as long as one has room for the largest message.
constexpr std::uint64_t kSegmentsOnDisk = 8;
constexpr std::uint64_t kDividedBytesMin = 8U << 20;

std::uint64_t segment_bytes_on(std::uint64_t disk_bytes, std::uint64_t wanted) {
    return std::min(wanted, std::max(std::bit_floor(disk_bytes / kSegmentsOnDisk), kDividedBytesMin));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(FileSystem& files, async::Loop& loop, StoreOptions options) {
    if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax) {
        return fail(ErrorCode::invalid_argument, "segment_bytes is ", options.segment_bytes,
                    ", must be between ", kSegmentBytesMin, " and ", kSegmentBytesMax);
    }
    WEFT_TRY_VOID(files.make_directories(options.directory));
    WEFT_TRY(const auto disk, files.room(options.directory));
    options.segment_bytes = segment_bytes_on(disk.total, options.segment_bytes);
    auto place = std::make_unique<SegmentStore::Place>(files, options);
    WEFT_TRY(place->lock, files.lock(place->directory.at(kLockName)));
    WEFT_TRY(auto recovered, recover(place->directory, place->pool, options.tail_cache_bytes));
    place->directory.keep_reserve();  // before segments take all there is
    return std::make_unique<SegmentStore>(loop, std::move(options), std::move(place), std::move(recovered));
}

SegmentStore::SegmentStore(async::Loop& loop, StoreOptions options, std::unique_ptr<Place> place,
                           Recovered recovered)
    : loop_(loop),
      options_(std::move(options)),
      place_(std::move(place)),
      handle_(std::make_shared<Handle>(this)),
      map_(std::move(recovered.map)),
      table_(std::move(recovered.table)),
      active_segment_(recovered.end.sequence),
      snapshot_(recovered.snapshot),
      reader_(place_->directory),
      committer_(place_->directory, place_->pool, recovered.end,
                 {.durability = options_.durability,
                  .segment_bytes = options_.segment_bytes,
                  .report = [this](Group group) {
                      back_on_loop([group = std::move(group)](SegmentStore& store) mutable {
                          store.completed(std::move(group));
                      });
                  }}) {
    stats_.segments = table_.segments().size();
    for (const Damage& damage : recovered.damage) report(damage);
    for (const std::uint64_t segment : recovered.without_index) write_index(segment);
    if (recovered.snapshot_half_damaged) {
        kLog.warn("one copy of the snapshot was damaged; it is written anew",
                  {{"directory", options_.directory}});
        request_snapshot();
    }
    reclaim();
}

SegmentStore::~SegmentStore() {
    handle_->store = nullptr;
    submit();
}

template <class Function>
void SegmentStore::back_on_loop(Function result) {
    loop_.post([handle = handle_, result = std::move(result)]() mutable {
        if (handle->store != nullptr) result(*handle->store);
    });
}

// ---- operations ----

// What is enqueued in one turn of the loop goes to the committer together.
void SegmentStore::enqueue(Operation operation) {
    pending_bytes_ += operation.body_bytes();
    enqueue_again(std::move(operation));
}

void SegmentStore::enqueue_again(Operation operation) {
    gathered_.push_back(std::move(operation));
    if (submit_posted_) return;
    submit_posted_ = true;
    back_on_loop([](SegmentStore& store) { store.submit(); });
}

void SegmentStore::submit() {
    submit_posted_ = false;
    if (!unrecorded_.empty()) committer_.submit(unrecorded_);
    if (!gathered_.empty()) committer_.submit(gathered_);
}

Result<> SegmentStore::check_room(std::uint64_t bytes) const {
    if (pending_bytes_ + bytes > options_.pending_bytes_max && pending_bytes_ > 0) {
        return fail(ErrorCode::limit_reached, "the store has ", pending_bytes_,
                    " bytes that are not durable yet, the limit is ", options_.pending_bytes_max,
                    ": try again when some are");
    }
    const std::uint64_t largest = std::min<std::uint64_t>(
        kBodyBytesMax, options_.segment_bytes - options_.segment_bytes / kKeptFreeShare -
                           kSegmentHeaderBytes - kRecordHeaderBytes - kRecordAlign);
    if (bytes > largest)
        return fail(ErrorCode::too_large, "an entry of ", bytes, " bytes, the limit is ", largest);
    return {};
}

// An error known at once still waits for the turn of its operation.
void SegmentStore::refuse(Error why, Appended done) {
    Operation operation;
    operation.step = Operation::Step::refuse;
    operation.rarely = std::make_unique<Operation::Rarely>();
    operation.rarely->refusal = std::move(why);
    operation.done = std::move(done);
    enqueue(std::move(operation));
}

namespace {

Store::Appended without_id(Store::Done done) {
    if (!done) return {};
    return [done = std::move(done)](Result<EntryId> result) mutable {
        if (result) {
            done({});
        } else {
            done(std::unexpected(std::move(result).error()));
        }
    };
}

}  // namespace

void SegmentStore::put(std::string key, Bytes value, Done done) {
    auto room = check_room(key.size() + value.size());
    if (room && key.size() + value.size() > kValueBytesMax) {
        room = fail(ErrorCode::too_large, "a map value of ", value.size(), " bytes under ", key,
                    ", the limit is ", kValueBytesMax);
    }
    if (!room) return refuse(std::move(room).error(), without_id(std::move(done)));
    Operation operation;
    operation.kind = RecordKind::map_put;
    operation.body = value;
    operation.rarely = std::make_unique<Operation::Rarely>();
    operation.done = without_id(std::move(done));
    auto [at, added] = map_.try_emplace(key, value);
    if (!added) operation.rarely->before = std::exchange(at->second, std::move(value));
    operation.rarely->key = std::move(key);
    enqueue(std::move(operation));
}

void SegmentStore::erase(std::string key, Done done) {
    if (auto room = check_room(key.size()); !room)
        return refuse(std::move(room).error(), without_id(std::move(done)));
    Operation operation;
    operation.kind = RecordKind::map_erase;
    operation.rarely = std::make_unique<Operation::Rarely>();
    operation.done = without_id(std::move(done));
    if (const auto found = map_.find(key); found != map_.end()) {
        operation.rarely->before = std::move(found->second);
        map_.erase(found);
    }
    operation.rarely->key = std::move(key);
    enqueue(std::move(operation));
}

LedgerId SegmentStore::create_ledger() {
    Operation operation;
    operation.kind = RecordKind::ledger_create;
    operation.ledger = table_.create();
    const LedgerId id = operation.ledger;
    enqueue(std::move(operation));
    return id;
}

void SegmentStore::append(LedgerId id, Bytes entry, Appended done) {
    Ledger* const ledger = table_.find(id);
    if (ledger == nullptr || ledger->erased) {
        return refuse({ErrorCode::not_found, str_cat("no ledger ", id)}, std::move(done));
    }
    if (auto room = check_room(entry.size()); !room) return refuse(std::move(room).error(), std::move(done));
    Operation operation;
    operation.ledger = id;
    operation.entry = ledger->next++;
    operation.body = std::move(entry);
    operation.done = std::move(done);
    enqueue(std::move(operation));
}

void SegmentStore::trim(LedgerId id, EntryId before) {
    Ledger* const ledger = table_.find(id);
    if (ledger == nullptr || ledger->erased) return;
    before = std::min(before, ledger->end);
    if (before <= ledger->first) return;
    ledger->first = before;
    Operation operation;
    operation.kind = RecordKind::ledger_trim;
    operation.ledger = id;
    operation.entry = before;
    enqueue(std::move(operation));
}

void SegmentStore::erase_ledger(LedgerId id) {
    Ledger* const ledger = table_.find(id);
    if (ledger == nullptr || ledger->erased) return;
    ledger->erased = true;
    Operation operation;
    operation.kind = RecordKind::ledger_erase;
    operation.ledger = id;
    enqueue(std::move(operation));
}

// ---- outcomes ----

void SegmentStore::completed(Group group) {
    if (!group.outcome) return failed(std::move(group));
    if (group.segment != active_segment_) enter_segment(group);
    if (group.segment != 0) table_.segments()[group.segment].end = group.end;
    if (group.end > options_.segment_bytes / 2 && prepared_segment_ <= active_segment_) prepare_segment();
    if (!group.room) group.room = std::unexpected(note_no_room(group.room.error()));
    stats_.written_bytes += group.written_bytes;
    if (group.sync_us > 0) {
        ++stats_.syncs;
        stats_.sync_us_last = group.sync_us;
    }
    for (Operation& operation : group.operations) {
        pending_bytes_ -= operation.body_bytes();
        if (!operation.no_room) apply(operation, group);
    }
    if (!group.room) give_back_ids(group);
    for (Operation& operation : group.operations) {
        if (!operation.done) continue;
        if (operation.no_room) {
            operation.done(std::unexpected(group.room.error()));
        } else if (operation.step == Operation::Step::refuse) {
            operation.done(std::unexpected(std::move(operation.rarely->refusal)));
        } else {
            operation.done(operation.entry);
        }
    }
}

void SegmentStore::apply(Operation& operation, const Group& group) {
    if (operation.step == Operation::Step::snapshot) {
        return write_snapshot(std::move(operation.rarely->image), {group.segment, operation.offset});
    }
    if (operation.step == Operation::Step::refuse) return;
    switch (operation.kind) {
        case RecordKind::entry:
            return apply_entry(operation, group);
        case RecordKind::ledger_trim:
            if (Ledger* const ledger = table_.find(operation.ledger)) {
                // Not ledger->first: that may be a later trim, which is not durable yet.
                if (table_.drop_below(*ledger, operation.entry) > 0) reclaim();
            }
            return;
        case RecordKind::ledger_erase:
            if (table_.drop(operation.ledger) > 0) reclaim();
            return;
        case RecordKind::ledger_create:
        case RecordKind::map_put:
        case RecordKind::map_erase:
        case RecordKind::mark:
            return;
    }
}

void SegmentStore::apply_entry(Operation& operation, const Group& group) {
    ++stats_.appended_entries;
    stats_.appended_bytes += operation.body.size();
    Ledger* const ledger = table_.find(operation.ledger);
    if (ledger == nullptr) return;  // erased meanwhile
    table_.add_entry(*ledger, operation.ledger, operation.entry, {group.segment, operation.offset},
                     operation.body.size());
    table_.cache(*ledger, operation.ledger, std::move(operation.body));
}

// The disk was full for the entries of this group. Those behind them have to fail too, or there would be a
// gap in the ids; what else is pending goes on, in its turn.
void SegmentStore::give_back_ids(Group& group) {
    std::vector<Operation> waiting = committer_.resume_after_failure();
    waiting.insert(waiting.end(), std::move_iterator(gathered_.begin()), std::move_iterator(gathered_.end()));
    gathered_.clear();
    const auto give_back = [&](Operation& operation) {
        if (operation.step == Operation::Step::snapshot) snapshot_under_way_ = false;
        if (operation.step != Operation::Step::write || operation.kind != RecordKind::entry) return;
        if (Ledger* const ledger = table_.find(operation.ledger)) ledger->next = operation.entry;
    };
    for (Operation& operation : std::views::reverse(waiting)) {
        const bool entry = operation.step == Operation::Step::write && operation.kind == RecordKind::entry;
        if (!entry && operation.step != Operation::Step::snapshot) continue;
        give_back(operation);
        pending_bytes_ -= operation.body_bytes();
        operation.step = Operation::Step::refuse;
        operation.body = {};
        operation.rarely = std::make_unique<Operation::Rarely>();
        operation.rarely->refusal = group.room.error();
    }
    for (Operation& operation : std::views::reverse(group.operations)) {
        if (operation.no_room) give_back(operation);
    }
    for (Operation& operation : waiting) enqueue_again(std::move(operation));
}

// Everything that is pending fails with the group: an entry behind one that failed would leave a gap in the
// ids. Taken back in reverse, the map and the ids are then what they were after the last operation that
// succeeded.
void SegmentStore::failed(Group group) {
    if (group.outcome.error().code == ErrorCode::disk_full)
        group.outcome = std::unexpected(note_no_room(group.outcome.error()));
    std::vector<Operation> all = std::move(group.operations);
    for (Operation& operation : committer_.resume_after_failure()) all.push_back(std::move(operation));
    for (Operation& operation : gathered_) all.push_back(std::move(operation));
    gathered_.clear();
    for (auto operation = all.rbegin(); operation != all.rend(); ++operation) take_back(*operation);
    std::ranges::reverse(unrecorded_);
    for (Operation& operation : all) {
        if (!operation.done) continue;
        const bool refused = operation.step == Operation::Step::refuse;
        operation.done(std::unexpected(refused ? operation.rarely->refusal : group.outcome.error()));
    }
}

void SegmentStore::take_back(Operation& operation) {
    pending_bytes_ -= operation.body_bytes();
    if (operation.step == Operation::Step::snapshot) snapshot_under_way_ = false;
    if (operation.step != Operation::Step::write) return;
    switch (operation.kind) {
        case RecordKind::entry:
            if (Ledger* const ledger = table_.find(operation.ledger)) ledger->next = operation.entry;
            return;
        case RecordKind::map_put:
        case RecordKind::map_erase:
            if (operation.rarely->before) {
                map_.insert_or_assign(operation.rarely->key, std::move(*operation.rarely->before));
            } else if (operation.kind == RecordKind::map_put) {
                map_.erase(operation.rarely->key);
            }
            return;
        case RecordKind::ledger_create:
        case RecordKind::ledger_trim:
        case RecordKind::ledger_erase:
            // Nobody is told of these, so they are kept until they can be written.
            unrecorded_.push_back(std::move(operation));
            return;
        case RecordKind::mark:
            return;
    }
}

// ---- a full disk ----

Error SegmentStore::note_no_room(const Error& error) {
    if (!std::exchange(out_of_room_, true)) {
        kLog.error(
            "the disk is full: messages are refused until there is room; free some, or consume and "
            "acknowledge what is stored",
            {{"directory", options_.directory}, {"error", error.message}});
        look_for_room();
    }
    return {
        ErrorCode::disk_full,
        str_cat(
            "no room on the disk for the data directory ", options_.directory,
            ": free some, or consume and acknowledge what is stored; sending works again by itself then (",
            error.message, ")")};
}

// Nobody may send while there is no room, so nobody would find it.
void SegmentStore::look_for_room() {
    loop_.after(kLookForRoomEvery, [handle = handle_] {
        SegmentStore* const store = handle->store;
        if (store == nullptr || !store->out_of_room_) return;
        store->reclaim();
        store->worker_.run([store, next = store->active_segment_ + 1] {
            const bool found = store->place_->pool.find_room(next);
            store->back_on_loop([found](SegmentStore& self) {
                if (found) return self.note_room();
                if (self.out_of_room_) self.look_for_room();
            });
        });
    });
}

void SegmentStore::note_room() {
    if (std::exchange(out_of_room_, false))
        kLog.info("there is room on the disk again", {{"directory", options_.directory}});
}

void SegmentStore::report(const Damage& damage) {
    const bool entries = damage.kind == Damage::Kind::entry;
    if (entries) {
        if (damage_reported_.size() >= kDamageMax) damage_reported_.clear();
        if (!damage_reported_.emplace(damage.ledger, damage.first).second) return;
    }
    log_damage(damage,
               entries && options_.ledger_name ? options_.ledger_name(map_, damage.ledger) : std::string());
}

// ---- reading ----

Result<LedgerInfo> SegmentStore::info(LedgerId id) const {
    const Ledger* const ledger = table_.find(id);
    if (ledger == nullptr || ledger->erased) return fail(ErrorCode::not_found, "no ledger ", id);
    return LedgerInfo{.first = ledger->first, .end = ledger->end, .bytes = LedgerTable::bytes_of(*ledger)};
}

void SegmentStore::read(LedgerId id, EntryId from, std::size_t max_entries, std::size_t max_bytes,
                        Read done) {
    const Ledger* const ledger = table_.find(id);
    if (ledger == nullptr || ledger->erased) return done(fail(ErrorCode::not_found, "no ledger ", id));
    from = std::max(from, ledger->first);
    max_entries = std::max<std::size_t>(max_entries, 1);
    if (from >= ledger->end) return done(std::vector<StoredEntry>());
    if (read_from_memory(*ledger, from, max_entries, max_bytes, done)) return;

    auto request = plan_read(*ledger, id, from, max_entries, max_bytes);
    worker_.run([this, request = std::move(request), done = std::move(done)]() mutable {
        auto outcome = reader_.read(request);
        back_on_loop([request = std::move(request), done = std::move(done),
                      outcome = std::move(outcome)](SegmentStore& store) mutable {
            if (!outcome) return done(std::unexpected(std::move(outcome).error()));
            for (const Damage& damage : outcome->damage) {
                // What was trimmed meanwhile may be gone.
                const auto kept = store.info(damage.ledger);
                if (kept && damage.end > kept->first) store.report(damage);
            }
            if (outcome->entries.empty()) {
                // Nothing readable in these stretches: on to the next ones.
                const EntryId next = request.stretches.empty() ? request.from : request.stretches.back().end;
                const auto left = store.info(request.ledger);
                if (left && next > request.from && next < left->end) {
                    return store.read(request.ledger, next, request.max_entries, request.max_bytes,
                                      std::move(done));
                }
                return done(std::vector<StoredEntry>());
            }
            if (Ledger* const read = store.table_.find(request.ledger)) {
                read->resume = {outcome->entries.back().id + 1, outcome->next};
            }
            done(std::move(outcome->entries));
        });
    });
}

bool SegmentStore::read_from_memory(const Ledger& ledger, EntryId from, std::size_t max_entries,
                                    std::size_t max_bytes, Read& done) {
    if (from < ledger.tail_first()) return false;
    std::vector<StoredEntry> entries;
    std::size_t bytes = 0;
    auto at = ledger.tail.begin() + static_cast<std::ptrdiff_t>(from - ledger.tail_first());
    for (EntryId id = from; at != ledger.tail.end() && entries.size() < max_entries; ++at, ++id) {
        if (bytes >= max_bytes && !entries.empty()) break;
        bytes += at->size();
        entries.push_back({id, *at});
    }
    done(std::move(entries));
    return true;
}

ReadRequest SegmentStore::plan_read(const Ledger& ledger, LedgerId id, EntryId from, std::size_t max_entries,
                                    std::size_t max_bytes) const {
    ReadRequest request{
        .ledger = id, .from = from, .max_entries = max_entries, .max_bytes = max_bytes, .stretches = {}};
    std::size_t bytes = 0;
    EntryId entries_end = from;
    for (auto extent = LedgerTable::extent_of(ledger, from); extent != ledger.extents.end(); ++extent) {
        if (request.stretches.size() == kStretchesMax) break;
        // The first extent may be used in part only, so it does not count.
        if (!request.stretches.empty() && (bytes >= max_bytes || entries_end - from >= max_entries)) break;
        if (!request.stretches.empty()) bytes += extent->bytes;
        request.stretches.push_back(plan_stretch(ledger, *extent, from));
        entries_end = extent->end;
    }
    return request;
}

ReadStretch SegmentStore::plan_stretch(const Ledger& ledger, const Extent& extent, EntryId from) const {
    const Segment& segment = table_.segments().at(extent.segment);
    ReadStretch stretch{.segment = extent.segment,
                        .tag = segment.tag,
                        .from = 0,
                        .limit = segment.end,
                        .end = extent.end,
                        .sparseness = 1,
                        .points = {}};
    auto point =
        std::ranges::partition_point(extent.points, [&](const IndexPoint& p) { return p.entry <= from; });
    if (point != extent.points.begin()) --point;
    stretch.from = point->offset;
    stretch.sparseness =
        (segment.end - extent.points.front().offset) / std::max<std::uint64_t>(extent.bytes, 1);
    if (ledger.resume && ledger.resume->first == from && ledger.resume->second.segment == extent.segment) {
        stretch.from = std::max(stretch.from, ledger.resume->second.offset);
    }
    const auto count =
        std::min<std::size_t>(kPointsMax, static_cast<std::size_t>(extent.points.end() - point));
    stretch.points.assign(point, point + static_cast<std::ptrdiff_t>(count));
    return stretch;
}

// ---- segments ----

void SegmentStore::enter_segment(const Group& group) {
    const std::uint64_t sealed = std::exchange(active_segment_, group.segment);
    table_.segments()[group.segment].tag = group.tag;
    note_room();
    stats_.segments = table_.segments().size();
    if (sealed == 0) return;
    table_.segments()[sealed].sealed = true;
    write_index(sealed);
    request_snapshot();
}

void SegmentStore::prepare_segment() {
    prepared_segment_ = active_segment_ + 1;
    worker_.run([this, segment = prepared_segment_] {
        place_->pool.prepare(segment);
        if (options_.durability == Durability::sync) fill_prepared();
    });
}

// On the worker. One part at a time, with pauses: reads go in between, and most of the disk's time stays for
// those who wait for it.
void SegmentStore::fill_prepared() {
    const SteadyTime start = steady_now();
    if (!place_->pool.fill_prepared()) return;
    const Duration pause = kFillPauseShare * (steady_now() - start);
    back_on_loop([pause](SegmentStore& store) {
        store.loop_.after(pause, [handle = store.handle_] {
            if (SegmentStore* const later = handle->store)
                later->worker_.run([later] { later->fill_prepared(); });
        });
    });
}

void SegmentStore::write_index(std::uint64_t segment) {
    std::string bytes = encode_index(index_from(table_, segment));
    table_.segments()[segment].ledgers = {};
    worker_.run([this, segment, bytes = std::move(bytes)] {
        if (const auto written = place_->directory.replace_file(index_name(segment), bytes); !written) {
            kLog.warn("no index for a segment; the next start scans it",
                      {{"segment", segment_name(segment)}, {"error", written.error().message}});
        }
    });
}

// The image is what the state will be when all that is enqueued is durable; its operation tells where in the
// log that is.
void SegmentStore::request_snapshot() {
    if (snapshot_under_way_) return;
    snapshot_under_way_ = true;
    std::vector<std::pair<LedgerId, Snapshot::LedgerState>> ledgers;
    for (const auto& [id, ledger] : table_.all()) {
        if (!ledger.erased) ledgers.push_back({id, {.first = ledger.first, .end = ledger.next}});
    }
    Operation operation;
    operation.step = Operation::Step::snapshot;
    operation.rarely = std::make_unique<Operation::Rarely>();
    operation.rarely->image = encode_snapshot_content(table_.next_id(), map_, ledgers);
    enqueue(std::move(operation));
}

void SegmentStore::write_snapshot(std::string content, LogPosition position) {
    worker_.run([this, position, content = std::move(content)]() mutable {
        const std::string file = encode_snapshot(std::move(content), position);
        const auto written = place_->directory.replace_file_surely(kSnapshotName, file);
        if (!written) {
            kLog.warn("no snapshot; emptied segments are kept until there is one",
                      {{"error", written.error().message}});
        }
        back_on_loop([position, ok = written.has_value()](SegmentStore& store) {
            store.snapshot_under_way_ = false;
            if (!ok) return store.retry_reclaim();
            store.snapshot_ = std::max(store.snapshot_, position);
            store.reclaim();
        });
    });
}

// A sealed segment in which no ledger has an entry left is free once the snapshot covers the rest of what it
// says.
void SegmentStore::reclaim() {
    std::vector<std::uint64_t> freed;
    bool uncovered = false;
    for (const auto& [sequence, segment] : table_.segments()) {
        if (!segment.sealed || segment.live_ledgers > 0) continue;
        if (snapshot_ >= LogPosition{sequence, segment.end}) {
            freed.push_back(sequence);
        } else {
            uncovered = true;
        }
    }
    for (const std::uint64_t segment : freed) remove_segment(segment);
    if (uncovered) request_snapshot();
}

void SegmentStore::retry_reclaim() {
    loop_.after(kSnapshotRetry, [handle = handle_] {
        if (handle->store != nullptr) handle->store->reclaim();
    });
}

void SegmentStore::remove_segment(std::uint64_t segment) {
    table_.segments().erase(segment);
    stats_.segments = table_.segments().size();
    worker_.run([this, segment] {
        reader_.forget(segment);
        (void)place_->directory.files().remove(
            place_->directory.at(index_name(segment)));  // may not be there
        if (const auto given = place_->pool.give(segment_name(segment)); !given) {
            kLog.warn("an emptied segment stays",
                      {{"segment", segment_name(segment)}, {"error", given.error().message}});
        }
        place_->directory.keep_reserve();  // in case it had to be used
    });
}

}  // namespace weft::store
