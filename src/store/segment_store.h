#pragma once
// SegmentStore: Store on the segment log. Lives on the loop; the committer and the worker are its two
// threads.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "store/committer.h"
#include "store/directory.h"
#include "store/ledger_table.h"
#include "store/reader.h"
#include "store/recovery.h"
#include "store/store.h"
#include "store/worker.h"

namespace weft::store {

class SegmentStore final : public Store {
  public:
    /// What must live as long as the files are used.
    struct Place {
        static constexpr std::uint64_t reserve_bytes(std::uint64_t segment_bytes) {
            return std::max(segment_bytes / 16, std::min<std::uint64_t>(segment_bytes / 4, 2U << 20));
        }
        Place(FileSystem& files, const StoreOptions& options)
            : directory(files, options.directory, reserve_bytes(options.segment_bytes)),
              pool(directory, options.segment_bytes, options.free_segments_max) {}
        Directory directory;
        SegmentPool pool;
        std::unique_ptr<File> lock;
    };

    SegmentStore(async::Loop& loop, StoreOptions options, std::unique_ptr<Place> place, Recovered recovered);
    ~SegmentStore() override;

    const std::map<std::string, Bytes, std::less<>>& map() const override { return map_; }
    void put(std::string key, Bytes value, Done done) override;
    void erase(std::string key, Done done) override;
    LedgerId create_ledger() override;
    void append(LedgerId ledger, Bytes entry, Appended done) override;
    void read(LedgerId ledger, EntryId from, std::size_t max_entries, std::size_t max_bytes,
              Read done) override;
    Result<LedgerInfo> info(LedgerId ledger) const override;
    void trim(LedgerId ledger, EntryId before) override;
    void erase_ledger(LedgerId ledger) override;
    Stats stats() const override { return stats_; }
    bool out_of_room() const override { return out_of_room_; }
    const std::string& directory() const override { return options_.directory; }

  private:
    /// Posted functions hold it and look whether the store is still there.
    struct Handle {
        SegmentStore* store;
    };

    // The way of an operation.
    void enqueue(Operation operation);
    void enqueue_again(Operation operation);
    void refuse(Error why, Appended done);
    void submit();
    Result<> check_room(std::uint64_t bytes) const;
    void completed(Group group);
    void apply(Operation& operation, const Group& group);
    void apply_entry(Operation& operation, const Group& group);
    void failed(Group group);
    void give_back_ids(Group& group);
    void take_back(Operation& operation);

    // A full disk.
    Error note_no_room(const Error& error);
    void look_for_room();
    void note_room();

    void report(const Damage& damage);

    // Reading.
    bool read_from_memory(const Ledger& ledger, EntryId from, std::size_t max_entries, std::size_t max_bytes,
                          Read& done);
    ReadRequest plan_read(const Ledger& ledger, LedgerId id, EntryId from, std::size_t max_entries,
                          std::size_t max_bytes) const;
    ReadStretch plan_stretch(const Ledger& ledger, const Extent& extent, EntryId from) const;

    // Segments: sealed, indexed, emptied.
    void enter_segment(const Group& group);
    void prepare_segment();
    void fill_prepared();
    void write_index(std::uint64_t segment);
    void request_snapshot();
    void write_snapshot(std::string content, LogPosition position);
    void reclaim();
    void retry_reclaim();
    void remove_segment(std::uint64_t segment);

    /// Runs `result` on the loop, if the store is still there then.
    template <class Function>
    void back_on_loop(Function result);

    // fixed after construction
    async::Loop& loop_;
    const StoreOptions options_;
    const std::unique_ptr<Place> place_;
    const std::shared_ptr<Handle>
        handle_;  // shared with posted functions, which may run after the store has gone

    // on the loop
    std::map<std::string, Bytes, std::less<>> map_;
    LedgerTable table_;
    std::vector<Operation> gathered_;    // since the last submit()
    std::vector<Operation> unrecorded_;  // changes of ledgers whose record failed: they go first next time
    bool submit_posted_ = false;
    std::uint64_t pending_bytes_ = 0;
    std::uint64_t active_segment_ = 0;
    std::uint64_t prepared_segment_ = 0;  // asked for ahead of its use
    LogPosition snapshot_;                // what the snapshot on disk covers
    bool snapshot_under_way_ = false;
    Stats stats_;
    bool out_of_room_ = false;
    std::set<std::pair<LedgerId, EntryId>> damage_reported_;

    // the worker's own
    Reader reader_;

    Committer committer_;  // these two use all of the above
    Worker worker_;
};

}  // namespace weft::store
