#include "store/committer.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <random>
#include <utility>

#include "base/clock.h"
#include "base/crc32c.h"
#include "observe/log.h"

namespace weft::store {
namespace {

const observe::Logger kLog("store");

// A group's callbacks run in one turn of the loop: others want theirs too.
constexpr std::size_t kGroupOperationsMax = 8192;
// Bodies up to this are copied next to their headers: cheaper than a piece of their own in the gathered
// write.
constexpr std::size_t kCopyBytes = 1024;
// A write ends at a page's end, filled with zeros: a page that is not in memory is then never read before it
// is written.
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kFillBytes = 256U << 10;
constexpr std::uint64_t kSmallGroupBytes = 16U << 10;
constexpr std::array<char, 64U << 10> kZeros{};
// So long after the last group it is marked as confirmed.
constexpr Duration kMarkAfter = 1s;

std::uint32_t draw_tag() {
    std::random_device random;
    return random();
}

std::uint64_t microseconds_since(SteadyTime start) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(steady_now() - start).count());
}

}  // namespace

Committer::Committer(Directory& directory, SegmentPool& pool, LogEnd end, Options options)
    : directory_(directory), pool_(pool), options_(std::move(options)), log_(end) {
    header_written_ = log_.sequence != 0;
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "weft-commit");
        turns_.emplace();
        run();
    });
}

Committer::~Committer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void Committer::submit(std::vector<Operation>& operations) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (pending_.empty()) {
            pending_.swap(operations);
        } else {
            pending_.insert(pending_.end(), std::move_iterator(operations.begin()),
                            std::move_iterator(operations.end()));
        }
        wake = idle_ && !failed_;
        if (wake) {
            idle_ = false;
            turns_->give_back();  // the caller has more to do, and need not wait for the group's writing
        }
    }
    operations.clear();
    if (wake) changed_.notify_one();
}

std::vector<Operation> Committer::resume_after_failure() {
    const std::lock_guard lock(mutex_);
    failed_ = false;
    return std::exchange(pending_, {});
}

void Committer::run() {
    // Makes the first segment before anyone waits for it; an error shows when it is tried again.
    if (log_.sequence == 0) (void)start_segment();
    while (wait_for_work()) commit_taken();
    write_mark(options_.durability);
}

bool Committer::wait_for_work() {
    std::unique_lock lock(mutex_);
    const auto there = [&] { return stopping_ || (!pending_.empty() && !failed_); };
    while (!there()) {
        idle_ = true;
        if (marked_) {
            changed_.wait(lock);
        } else if (changed_.wait_for(lock, kMarkAfter) == std::cv_status::timeout && !there()) {
            lock.unlock();
            write_mark(Durability::page_cache);
            lock.lock();
        }
    }
    idle_ = false;
    turns_->give_back();
    if (pending_.empty() || failed_) return false;
    taken_.clear();
    taken_.swap(pending_);
    return true;
}

// Writes what was taken, group by group. After a failure the rest fails with it.
void Committer::commit_taken() {
    for (std::size_t first = 0; first < taken_.size();) {
        std::size_t count = plan_group(first);
        Group group = commit(first, count);
        if (count == taken_.size()) {
            group.operations.swap(taken_);
            options_.report(std::move(group));
            return;
        }
        const auto from = taken_.begin() + static_cast<std::ptrdiff_t>(first);
        group.operations.assign(std::move_iterator(from),
                                std::move_iterator(from + static_cast<std::ptrdiff_t>(count)));
        options_.report(std::move(group));
        first += count;
    }
    taken_.clear();
}

// How many operations from `first` on go together: within the limit of a group and what is left of the
// segment.
std::size_t Committer::plan_group(std::size_t first) const {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    bool entries = false;
    for (; first + count < taken_.size() && count < kGroupOperationsMax; ++count) {
        const Operation& operation = taken_[first + count];
        if (!operation.writes()) continue;
        entries = entries || operation.kind == RecordKind::entry;
        bytes += record_bytes(operation.body_bytes());
        const bool fits = bytes <= kGroupBytesMax && log_.end + bytes <= limit_for(entries);
        if (count > 0 && !fits) break;
    }
    return count;
}

// Commits the group; on a failure `count` becomes all that was taken from `first` on. When a full disk gives
// no new segment, entries have no room, but the rest may: what is kept free at a segment's end is for what
// consumers say, from which room may come.
Group Committer::commit(std::size_t first, std::size_t& count) {
    Group group;
    std::span<Operation> operations = std::span(taken_).subspan(first, count);
    group.outcome = make_room(operations);
    if (!group.outcome && group.outcome.error().code == ErrorCode::disk_full) {
        hold();
        count = taken_.size() - first;
        operations = std::span(taken_).subspan(first, count);
        for (Operation& operation : operations) {
            const bool entry =
                operation.step == Operation::Step::write && operation.kind == RecordKind::entry;
            operation.no_room = entry || operation.step == Operation::Step::snapshot;
        }
        group.room = group.outcome;
        group.outcome = make_room(operations);
    }
    if (group.outcome) {
        group.outcome = write_group(operations, group, options_.durability);
        if (!group.outcome) after_failure(group.outcome.error());
    } else {
        log_failure(group.outcome.error());
    }
    if (!group.outcome) {
        hold();
        count = taken_.size() - first;
    } else if (failing_ && std::ranges::any_of(operations, [](const Operation& operation) {
                   return operation.writes() && operation.kind == RecordKind::entry;
               })) {
        note_success();
    }
    return group;
}

void Committer::hold() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
}

// Where records in this segment have to end; 0 if it can't be written.
std::uint64_t Committer::limit_for(bool entries) const {
    if (log_.sequence == 0 || log_.leave) return 0;
    return options_.segment_bytes - (entries ? options_.segment_bytes / kKeptFreeShare : 0);
}

Result<> Committer::make_room(std::span<const Operation> operations) {
    std::uint64_t bytes = 0;
    bool entries = false;
    for (const Operation& operation : operations) {
        if (!operation.writes()) continue;
        bytes += record_bytes(operation.body_bytes());
        entries = entries || operation.kind == RecordKind::entry;
    }
    if (bytes == 0) return {};
    if (log_.end + bytes > limit_for(entries)) return start_segment();
    if (file_ != nullptr) return {};
    WEFT_TRY(file_, directory_.files().open(directory_.at(segment_name(log_.sequence))));
    return {};
}

Result<> Committer::start_segment() {
    // A segment that never got its header durable is begun anew in the same file.
    const bool unused = log_.sequence != 0 && !header_written_;
    const std::uint64_t sequence = unused ? log_.sequence : log_.sequence + 1;
    WEFT_TRY(auto taken, pool_.take(sequence));
    if (!unused) {
        take_mark_back();
        previous_sequence_ = log_.sequence;
        previous_end_ = log_.end;
    }
    file_ = std::move(taken.file);
    filled_ = taken.written_to;
    log_ = {.sequence = sequence, .tag = draw_tag(), .end = kSegmentHeaderBytes, .epoch = 0};
    header_written_ = false;
    return {};
}

LogPosition Committer::confirmed_end() const {
    if (header_written_) return {log_.sequence, log_.end};
    return {previous_sequence_, previous_end_};  // the new segment is not there before its first group is
}

// Writes the group into the segment that make_room() has found.
Result<> Committer::write_group(std::span<Operation> operations, Group& group, Durability durability) {
    const bool empty = std::ranges::none_of(operations, &Operation::writes);
    const LogPosition position = empty ? confirmed_end() : LogPosition{log_.sequence, log_.end};
    group.segment = position.segment;
    group.tag = log_.tag;
    group.end = position.offset;
    std::uint64_t end = position.offset;
    lay_out(operations, end);
    if (empty) return {};

    std::uint64_t begin = log_.end;
    std::string header;
    if (!header_written_) {
        header = encode_segment_header({.tag = log_.tag,
                                        .sequence = log_.sequence,
                                        .previous_sequence = previous_sequence_,
                                        .previous_end = previous_end_});
        pieces_.front() = header;
        begin = 0;
    }
    fill_up(begin, end);
    const auto pieces = std::span<const std::string_view>(pieces_).subspan(header_written_ ? 1 : 0);
    const SteadyTime start = steady_now();
    WEFT_TRY_VOID(file_->write_at(begin, pieces));
    if (durability == Durability::sync) {
        if (end - begin <= kSmallGroupBytes) turns_->take();  // whoever sends more waits for the disk anyway
        WEFT_TRY_VOID(file_->sync());
        group.sync_us = std::max<std::uint64_t>(microseconds_since(start), 1);
    }
    group.written_bytes = end - begin;
    group.end = end;
    log_.end = end;
    header_written_ = true;
    marked_ = false;
    mark_at_ = 0;
    return {};
}

// Adds zeros up to a page's end; and once in a while more of them, so that small groups find blocks that were
// written before: the first sync of a block that is only allocated changes the file's metadata too, and takes
// twice as long.
void Committer::fill_up(std::uint64_t begin, std::uint64_t end) {
    std::uint64_t to = (end + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (to > filled_) {
        if (end - begin <= kSmallGroupBytes)
            to = std::min(to + kFillBytes, std::max(to, options_.segment_bytes));
        filled_ = to;
    }
    while (end < to) {
        const std::size_t size = std::min<std::uint64_t>(to - end, kZeros.size());
        pieces_.emplace_back(kZeros.data(), size);
        end += size;
    }
}

// Gives each operation its place and collects the pieces to write; the first piece is left for the segment's
// header.
void Committer::lay_out(std::span<Operation> operations, std::uint64_t& end) {
    std::size_t staged = 0;
    for (const Operation& operation : operations) {
        if (!operation.writes()) continue;
        const std::size_t body = operation.body_bytes();
        const bool copied = body <= kCopyBytes;
        staged += copied ? record_bytes(body) : kRecordHeaderBytes + operation.key().size() + kRecordAlign;
    }
    if (staging_.size() < staged) staging_.resize(staged);
    pieces_.assign(1, {});
    char* out = staging_.data();
    const char* run = out;  // staged bytes not yet in a piece
    const auto confirmed = static_cast<std::uint32_t>(log_.end);
    for (Operation& operation : operations) {
        operation.offset = end;
        if (!operation.writes()) continue;
        const std::string_view key = operation.key();
        const std::string_view body = operation.body.view();
        const std::size_t size = key.size() + body.size();
        RecordHeader header{.kind = operation.kind,
                            .epoch = log_.epoch,
                            .body_size = static_cast<std::uint32_t>(size),
                            .body_crc = crc32c(body, crc32c(key)),
                            .confirmed = confirmed,
                            .ledger = operation.kind == RecordKind::map_put ? key.size() : operation.ledger,
                            .entry = operation.entry};
        encode_record_header(header, log_.tag, out);
        out += kRecordHeaderBytes;
        out = std::copy(key.begin(), key.end(), out);
        if (size <= kCopyBytes) {
            out = std::copy(body.begin(), body.end(), out);
        } else {
            pieces_.emplace_back(run, static_cast<std::size_t>(out - run));
            pieces_.push_back(body);
            run = out;
        }
        const std::uint64_t taken = record_bytes(size);
        const std::size_t padding = taken - kRecordHeaderBytes - size;
        std::memset(out, 0, padding);
        out += padding;
        end += taken;
    }
    if (out != run) pieces_.emplace_back(run, static_cast<std::size_t>(out - run));
}

// What the failed group has left behind the confirmed end must never count: what is written there next has a
// higher epoch. After a failed sync the kernel may take pages for clean that are not on the disk; they all
// lie behind the confirmed end and are written again, or never read. A file that failed for another reason
// than a full disk is left.
void Committer::after_failure(const Error& error) {
    take_mark_back();
    if (error.code != ErrorCode::disk_full || log_.epoch == UINT16_MAX) log_.leave = true;
    if (log_.epoch < UINT16_MAX) ++log_.epoch;
    log_failure(error);
}

void Committer::log_failure(const Error& error) {
    if (error.code == ErrorCode::disk_full) return;  // the store tells of that
    if (std::exchange(failing_, true)) return;
    kLog.error("writing failed; what is pending is refused, later operations are tried anew",
               {{"error", error.message}, {"segment", segment_name(log_.sequence)}, {"offset", log_.end}});
}

void Committer::note_success() {
    failing_ = false;
    kLog.info("writing works again", {{"segment", segment_name(log_.sequence)}, {"offset", log_.end}});
}

// A record that says that all before it was confirmed: damage to the last group is then known to be damage.
// It is true whether it reaches the disk or not, so in between nobody waits for that.
void Committer::write_mark(Durability durability) {
    if (std::exchange(marked_, true)) return;
    std::vector<Operation> mark(1);
    mark.front().kind = RecordKind::mark;
    if (log_.end + record_bytes(0) > options_.segment_bytes || log_.leave) return;
    Group group;
    const std::uint64_t at = log_.end;
    if (!header_written_ || file_ == nullptr || !write_group(mark, group, durability)) return;
    marked_ = true;
    mark_at_ = at;
    group.end = at;
    options_.report(std::move(group));
}

// A mark that may not be on the disk is no part of what is confirmed.
void Committer::take_mark_back() {
    if (mark_at_ != 0) log_.end = std::exchange(mark_at_, 0);
}

}  // namespace weft::store
