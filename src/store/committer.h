#pragma once
// Committer: the thread that makes operations durable. It takes all that wait as one group, writes the group
// with one gathered write and one sync, and reports it; what arrives meanwhile is the next group. No timer.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/short_turns.h"
#include "store/directory.h"
#include "store/format.h"
#include "store/snapshot.h"
#include "store/store.h"

namespace weft::store {

/// One call on its way to the disk and back. The order of operations is the order of their callbacks.
struct Operation {
    enum class Step : std::uint8_t {
        write,     // a record
        snapshot,  // writes nothing: gets a position for `image`
        refuse,    // writes nothing: reports `refusal` in its turn
    };
    struct Rarely {
        std::string key;              // map operations
        std::optional<Bytes> before;  // what the map held
        std::string image;            // a snapshot's content
        Error refusal;
    };

    Step step = Step::write;
    RecordKind kind = RecordKind::entry;
    LedgerId ledger = 0;
    EntryId entry = 0;
    Bytes body;  // the entry, or the map's value
    std::unique_ptr<Rarely> rarely;
    Store::Appended done;  // may be empty
    // Set by the committer.
    std::uint64_t offset = 0;  // where the record begins
    bool no_room = false;      // an entry that the full disk can't take, in a group that is otherwise durable

    bool writes() const { return step == Step::write && !no_room; }

    std::string_view key() const { return rarely ? std::string_view(rarely->key) : std::string_view(); }
    std::uint64_t body_bytes() const { return key().size() + body.size(); }
};

/// Operations that had their outcome together. All of a group lie in one segment.
struct Group {
    std::vector<Operation> operations;
    Result<> outcome;
    Result<> room;  // the error of the operations marked no_room, if there are any
    std::uint64_t segment = 0;
    std::uint32_t tag = 0;
    std::uint64_t end = 0;      // of the segment's confirmed records
    std::uint64_t sync_us = 0;  // 0: not synced
    std::uint64_t written_bytes = 0;
};

/// Where the log ends and goes on.
struct LogEnd {
    std::uint64_t sequence = 0;  // 0: there is no segment yet
    std::uint32_t tag = 0;
    std::uint64_t end = kSegmentHeaderBytes;
    std::uint16_t epoch = 0;
    bool leave = false;  // go on in another segment
};

class Committer final {
  public:
    /// `report` is called on the committer's thread, in order.
    struct Options {
        Durability durability = Durability::sync;
        std::uint64_t segment_bytes = 0;
        std::function<void(Group)> report;
    };
    Committer(Directory& directory, SegmentPool& pool, LogEnd end, Options options);
    /// Writes what is pending, then ends the thread.
    ~Committer();
    Committer(const Committer&) = delete;
    Committer& operator=(const Committer&) = delete;

    /// Hands operations over, in order; leaves `operations` empty (with capacity to use again). Any thread.
    void submit(std::vector<Operation>& operations);
    /// After a group that failed, or in which entries had no room, nothing is written until this is called;
    /// it gives back what was submitted meanwhile.
    std::vector<Operation> resume_after_failure();

  private:
    void run();
    bool wait_for_work();
    void commit_taken();
    std::size_t plan_group(std::size_t first) const;
    Group commit(std::size_t first, std::size_t& count);
    Result<> make_room(std::span<const Operation> operations);
    void hold();
    Result<> start_segment();
    Result<> write_group(std::span<Operation> operations, Group& group, Durability durability);
    void fill_up(std::uint64_t begin, std::uint64_t end);
    void lay_out(std::span<Operation> operations, std::uint64_t& end);
    void after_failure(const Error& error);
    void log_failure(const Error& error);
    void note_success();
    void write_mark(Durability durability);
    void take_mark_back();
    LogPosition confirmed_end() const;
    std::uint64_t limit_for(bool entries) const;

    // fixed after construction
    Directory& directory_;
    SegmentPool& pool_;
    const Options options_;

    // the committer thread's own
    std::unique_ptr<File> file_;
    LogEnd log_;
    std::uint64_t previous_sequence_ = 0;
    std::uint64_t previous_end_ = 0;
    bool header_written_ = false;
    bool failing_ = false;       // has been logged
    bool marked_ = true;         // the last record says that all before it is confirmed
    std::uint64_t mark_at_ = 0;  // where that record begins, while no sync has covered it
    std::uint64_t filled_ = 0;   // the file's blocks up to here have been written at least once
    std::vector<Operation> taken_;
    std::vector<char> staging_;  // headers and small bodies of the group being written
    std::vector<std::string_view> pieces_;

    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::vector<Operation> pending_;
    std::optional<FirstTurns> turns_;  // the thread's; only it is at work on them unless `idle_`
    bool idle_ = false;
    bool failed_ = false;
    bool stopping_ = false;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace weft::store
