#pragma once
// Reader: entries from segment files, in chunks; the entries given are slices of the chunks. Belongs to the
// worker thread.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "store/damage.h"
#include "store/directory.h"
#include "store/ledger_table.h"
#include "store/store.h"

namespace weft::store {

/// Where entries of one ledger lie in one segment, copied from the table for the worker.
struct ReadStretch {
    std::uint64_t segment = 0;
    std::uint32_t tag = 0;
    std::uint64_t from = 0;          // offset of a record at or before the first entry wanted
    std::uint64_t limit = 0;         // end of the segment's confirmed records
    EntryId end = 0;                 // one past the last entry of the ledger here
    std::uint64_t sparseness = 1;    // bytes of log for one byte of this ledger, about
    std::vector<IndexPoint> points;  // places to jump to, ascending
};

struct ReadRequest {
    LedgerId ledger = 0;
    EntryId from = 0;
    std::size_t max_entries = 0;
    std::size_t max_bytes = 0;
    std::vector<ReadStretch> stretches;
};

struct ReadOutcome {
    std::vector<StoredEntry> entries;
    std::vector<Damage> damage;  // entries that should have been there
    LogPosition next;            // behind the last entry given
};

/// Blocks of memory of one size that are used again when the last slice of them has gone. Any thread.
class BlockPool final {
  public:
    static constexpr std::size_t kBlockBytes = 1U << 20;
    static constexpr std::size_t kKeptMax = 4;

    struct Block {
        std::shared_ptr<const void> owner;
        char* data = nullptr;
        std::size_t size = 0;
    };
    /// At least `size` bytes, unset.
    Block take(std::size_t size);

  private:
    struct Shelf {  // shared by the pool and the blocks that are out, which may outlive it
        std::mutex mutex;
        std::vector<std::unique_ptr<char[]>> blocks;
    };
    std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

class Reader final {
  public:
    explicit Reader(Directory& directory) : directory_(directory) {}

    /// Reads until a limit of the request is passed or its stretches end. Damaged entries are logged and left
    /// out.
    Result<ReadOutcome> read(const ReadRequest& request);
    /// Closes the segment's file, which is about to become another one.
    void forget(std::uint64_t segment);

  private:
    class Walk;
    Result<File*> file_of(std::uint64_t segment);

    struct OpenFile {
        std::uint64_t segment = 0;
        std::unique_ptr<File> file;
    };
    static constexpr std::size_t kOpenFilesMax = 64;

    Directory& directory_;
    BlockPool blocks_;
    std::deque<OpenFile> open_;  // the one used last in front
};

}  // namespace weft::store
