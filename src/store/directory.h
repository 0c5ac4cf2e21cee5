#pragma once
// Directory: the names of the store's files and what is done with whole files. Any thread.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/file_system.h"

namespace weft::store {

inline constexpr std::string_view kLockName = "lock";
inline constexpr std::string_view kSnapshotName = "snapshot";
inline constexpr std::string_view kReserveName = "reserve";
inline constexpr std::string_view kTemporarySuffix = ".new";

std::string segment_name(std::uint64_t sequence);  // segment-0000000000000001.log
std::string index_name(std::uint64_t sequence);    // segment-0000000000000001.index
std::string free_name(std::uint64_t number);       // free-0000000000000001.log

/// The number in a name that one of the functions above has made; nothing for another name.
std::optional<std::uint64_t> segment_of(std::string_view name);
std::optional<std::uint64_t> index_of(std::string_view name);
std::optional<std::uint64_t> free_of(std::string_view name);

class Directory final {
  public:
    /// `reserve_bytes` of the disk are kept for replace_file_surely() to work when the disk is full
    /// otherwise.
    Directory(FileSystem& files, std::string path, std::uint64_t reserve_bytes)
        : files_(files), path_(std::move(path)), reserve_bytes_(reserve_bytes) {}

    FileSystem& files() { return files_; }
    const std::string& path() const { return path_; }
    std::string at(std::string_view name) const;

    /// The whole content; `too_large` over `bytes_max`.
    Result<std::string> read_file(std::string_view name, std::uint64_t bytes_max);
    /// Puts a file there as one step: when this returns it is durable; when it fails, the old one is still
    /// there.
    Result<> replace_file(std::string_view name, std::string_view content);
    /// The same; on a full disk the reserve is given up for it, and taken again behind it.
    Result<> replace_file_surely(std::string_view name, std::string_view content);
    /// Takes the reserve, as far as there is room.
    void keep_reserve();

  private:
    Result<> write_new(const std::string& path, std::string_view content);

    FileSystem& files_;
    const std::string path_;
    const std::uint64_t reserve_bytes_;
};

/// The files that segments are written into: emptied ones first, new ones else. Any thread.
class SegmentPool final {
  public:
    SegmentPool(Directory& directory, std::uint64_t segment_bytes, std::uint32_t free_max)
        : directory_(directory), segment_bytes_(segment_bytes), free_max_(free_max) {}

    struct Taken {
        std::unique_ptr<File> file;
        std::uint64_t written_to =
            0;  // the blocks behind it are allocated only: the first sync of each costs more
    };
    /// A file with room for a segment, durably under the segment's name. What is in it is stale.
    Result<Taken> take(std::uint64_t sequence);
    /// Does the work of take() ahead, so that nobody waits for it then. A failure shows in take().
    void prepare(std::uint64_t sequence);
    /// Writes zeros into the next part of what was prepared, and syncs it. Says whether there is more to do;
    /// no longer when the segment was taken, or a write failed (who uses the segment will meet it).
    bool fill_prepared();
    /// The same after take() found the disk full: whether there is room now.
    bool find_room(std::uint64_t sequence);
    /// Takes the file `name` in for reuse; over the limit it is removed.
    Result<> give(const std::string& name);
    /// Tells of a free file found in the directory.
    void found_free(std::uint64_t number);

  private:
    // Both with mutex_ held.
    Result<Taken> make_segment(std::uint64_t sequence);
    Result<std::unique_ptr<File>> make(const std::string& path);

    Directory& directory_;
    const std::uint64_t segment_bytes_;
    const std::uint32_t free_max_;

    std::mutex mutex_;
    // guarded by mutex_
    std::vector<std::uint64_t> free_;
    std::uint64_t next_free_ = 1;
    std::uint64_t last_taken_ = 0;
    std::optional<std::pair<std::uint64_t, Taken>> prepared_;
};

}  // namespace weft::store
