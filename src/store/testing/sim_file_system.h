#pragma once
// SimFileSystem: files in memory that forget what was not synced. For tests. Any thread.
//
// Each file keeps, sector by sector, what is durable and every version written since. after_crash() gives the
// file system that a machine would find after losing power at this moment: of each sector any one version, of
// the directory's changes a prefix.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "store/file_system.h"

namespace weft::store {

class SimFileSystem final : public FileSystem {
  public:
    enum class Call : std::uint8_t { write, sync, allocate, create, rename, remove, sync_directory };
    enum class Allocation : std::uint8_t { takes_room, sparse };  // sparse: room is taken by writing

    SimFileSystem();
    ~SimFileSystem() override;

    // What a crash leaves. The original goes on untouched.
    std::unique_ptr<SimFileSystem> after_crash(std::uint64_t seed) const;
    /// What a crash leaves if nothing that was not synced had reached the disk.
    std::unique_ptr<SimFileSystem> durable_only() const;
    /// What another process finds after this one was killed: everything, but what was not synced still isn't.
    std::unique_ptr<SimFileSystem> after_kill() const;
    /// At the n-th changing call from now (1: the next), calls `hook`, which may take an image. A write or a
    /// change of the directory has been made by then (and may be torn); a sync has not.
    void at_call(std::uint64_t n, std::function<void(const SimFileSystem&)> hook);
    std::uint64_t calls() const;

    // Faults.
    /// The n-th call of this kind from now fails: a write having written a part, a sync having lost a part
    /// for good though reading still shows it, as kernels do. `times` such calls in a row fail.
    /// Only calls on paths that end so count.
    void fail(Call call, std::uint64_t n, ErrorCode code, std::uint64_t times = 1, std::string path_end = {});
    void clear_faults();
    /// Room for all files together; over it writing and allocating fail with disk_full.
    void set_disk_bytes(std::uint64_t bytes, Allocation allocation = Allocation::takes_room);
    /// sync() returns at once and makes nothing durable: the disk that lies.
    void lie_about_syncs();
    /// Syncs of files wait until release_syncs().
    void hold_syncs();
    void release_syncs();
    /// Waits until a sync is being held.
    void wait_for_held_sync();

    // Looking at files and damaging them; durable and current content alike.
    std::string content(const std::string& path) const;
    void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
    void truncate(const std::string& path, std::uint64_t size);
    void set_bytes(const std::string& path, std::uint64_t offset, std::string_view bytes);

    // FileSystem
    Result<std::unique_ptr<File>> open(const std::string& path) override;
    Result<std::unique_ptr<File>> create(const std::string& path) override;
    Result<> rename(const std::string& from, const std::string& to) override;
    Result<> remove(const std::string& path) override;
    Result<> make_directories(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<> sync_directory(const std::string& directory) override;
    Result<Room> room(const std::string& directory) override;
    Result<std::unique_ptr<File>> lock(const std::string& path) override;

  private:
    struct Inode;
    struct DirectoryChange;
    class OpenFile;
    class LockFile;
    struct Fault {
        std::uint64_t after = 0;
        std::uint64_t times = 0;
        ErrorCode code = ErrorCode::io;
        std::string path_end;
    };
    using Names = std::map<std::string, std::shared_ptr<Inode>>;

    // All of these with mutex_ held.
    std::optional<Error> fault(Call call, const std::string& path);
    void called();
    Result<> check_room(std::uint64_t more, const std::string& path);
    std::unique_ptr<SimFileSystem> image(std::mt19937_64* random) const;
    void change(Names& names, const DirectoryChange& change) const;
    std::uint64_t used() const;

    mutable std::recursive_mutex mutex_;  // the hook takes images
    std::condition_variable_any changed_;
    // guarded by mutex_
    Names names_;
    Names durable_names_;
    std::vector<DirectoryChange> unsynced_changes_;
    std::set<std::string> locks_;
    std::map<Call, Fault> faults_;
    std::uint64_t calls_ = 0;
    std::uint64_t hook_at_ = 0;
    std::function<void(const SimFileSystem&)> hook_;
    std::uint64_t disk_bytes_ = UINT64_MAX;
    Allocation allocation_ = Allocation::takes_room;
    bool lying_ = false;
    bool holding_ = false;
    std::size_t held_ = 0;
    std::mt19937_64 random_{1};
};

}  // namespace weft::store
