#pragma once
// FileSystem: everything the store does with files, narrow enough for a simulation to take its place (one
// that forgets what was not synced, or fails at the n-th call). Blocking; any thread, one call at a time per
// File.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::store {

class File {
  public:
    virtual ~File() = default;
    /// Writes all pieces, one behind the other, at `offset`. `disk_full` when there is no room.
    virtual Result<> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;
    /// Reads up to `size` bytes into `data`; returns how many (fewer only at the end of the file).
    virtual Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) = 0;
    /// Returns when what was written is on the disk (fdatasync).
    virtual Result<> sync() = 0;
    virtual Result<std::uint64_t> size() = 0;
    /// Makes room for `size` bytes from the start, so that writes within don't change the file's metadata.
    virtual Result<> allocate(std::uint64_t size) = 0;
};

class FileSystem {
  public:
    virtual ~FileSystem() = default;
    virtual Result<std::unique_ptr<File>> open(
        const std::string& path) = 0;  // for reading and writing; must exist
    virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;  // must not exist
    virtual Result<> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<> remove(const std::string& path) = 0;
    virtual Result<> make_directories(const std::string& path) = 0;
    virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, unordered
    /// Makes creations, renames and removals in a directory durable.
    virtual Result<> sync_directory(const std::string& directory) = 0;
    struct Room {
        std::uint64_t total = 0;
        std::uint64_t free = 0;
    };
    /// Of the file system that the directory is on.
    virtual Result<Room> room(const std::string& directory) = 0;
    /// Takes the directory for this process until the result is destroyed; `conflict` if another process has
    /// it, with that one's id.
    virtual Result<std::unique_ptr<File>> lock(const std::string& path) = 0;
};

/// The operating system's files.
std::unique_ptr<FileSystem> make_posix_file_system();

}  // namespace weft::store
