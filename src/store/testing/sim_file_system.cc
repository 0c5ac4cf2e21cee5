#include "store/testing/sim_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace weft::store {
namespace {

constexpr std::size_t kSectorBytes = 512;

}  // namespace

struct SimFileSystem::Inode {
    std::string now;  // what reading shows
    std::string durable;
    std::map<std::uint64_t, std::vector<std::string>>
        unsynced;            // by sector: each version since the last sync
    std::uint64_t room = 0;  // taken on the disk

    void note_sectors(std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t sector = from / kSectorBytes; sector * kSectorBytes < to; ++sector) {
            unsynced[sector].push_back(now.substr(sector * kSectorBytes, kSectorBytes));
        }
    }
    static void put(std::string& content, std::uint64_t sector, const std::string& bytes) {
        const std::uint64_t at = sector * kSectorBytes;
        if (content.size() < at + bytes.size()) content.resize(at + bytes.size(), '\0');
        bytes.copy(content.data() + at, bytes.size());
    }
    // Makes a part of the sectors durable (all without `random`), and forgets that the others were written.
    void settle(std::mt19937_64* random) {
        const std::uint64_t share = random == nullptr ? 4 : (*random)() % 5;
        for (const auto& [sector, versions] : unsynced) {
            if (random == nullptr) {
                put(durable, sector, versions.back());
            } else if ((*random)() % 4 < share) {
                put(durable, sector, versions[(*random)() % versions.size()]);
            }
        }
        if (random == nullptr || (*random)() % 2 == 0)
            durable.resize(std::max(durable.size(), now.size()), '\0');
        unsynced.clear();
    }
};

struct SimFileSystem::DirectoryChange {
    std::string from;  // empty: a file appears at `to`
    std::string to;    // empty: `from` goes
    std::shared_ptr<Inode> inode;
};

class SimFileSystem::OpenFile final : public File {
  public:
    OpenFile(SimFileSystem& files, std::shared_ptr<Inode> inode, std::string path)
        : files_(files), inode_(std::move(inode)), path_(std::move(path)) {}

    Result<> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        std::string bytes;
        for (const std::string_view piece : pieces) bytes.append(piece);
        const std::lock_guard lock(files_.mutex_);
        auto error = files_.fault(Call::write, path_);
        std::uint64_t end = offset + bytes.size();
        if (!error && end > inode_->room) {
            if (auto room = files_.check_room(end - inode_->room, path_); !room)
                error = std::move(room).error();
        }
        if (error) bytes.resize(files_.random_() % (bytes.size() + 1));
        end = offset + bytes.size();
        if (inode_->now.size() < end) inode_->now.resize(end, '\0');
        bytes.copy(inode_->now.data() + offset, bytes.size());
        inode_->note_sectors(offset, end);
        inode_->room = std::max(inode_->room, end);
        files_.called();
        if (error) return std::unexpected(*error);
        return {};
    }

    Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) override {
        const std::lock_guard lock(files_.mutex_);
        if (offset >= inode_->now.size()) return 0;
        return inode_->now.copy(data, size, offset);
    }

    Result<> sync() override {
        std::unique_lock lock(files_.mutex_);
        files_.called();
        ++files_.held_;
        files_.changed_.notify_all();
        files_.changed_.wait(lock, [&] { return !files_.holding_; });
        --files_.held_;
        if (auto error = files_.fault(Call::sync, path_)) {
            inode_->settle(&files_.random_);
            return std::unexpected(*error);
        }
        if (!files_.lying_) inode_->settle(nullptr);
        return {};
    }

    Result<std::uint64_t> size() override {
        const std::lock_guard lock(files_.mutex_);
        return inode_->now.size();
    }

    Result<> allocate(std::uint64_t bytes) override {
        const std::lock_guard lock(files_.mutex_);
        if (auto error = files_.fault(Call::allocate, path_)) return std::unexpected(*error);
        if (files_.allocation_ == Allocation::takes_room && bytes > inode_->room) {
            WEFT_TRY_VOID(files_.check_room(bytes - inode_->room, path_));
            inode_->room = bytes;
        }
        if (inode_->now.size() < bytes) inode_->now.resize(bytes, '\0');
        files_.called();
        return {};
    }

  private:
    SimFileSystem& files_;
    // Shared: a file lives as long as it has a name or is open.
    const std::shared_ptr<Inode> inode_;
    const std::string path_;
};

class SimFileSystem::LockFile final : public File {
  public:
    LockFile(SimFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
    ~LockFile() override {
        const std::lock_guard lock(files_.mutex_);
        files_.locks_.erase(path_);
    }
    LockFile(const LockFile&) = delete;
    LockFile& operator=(const LockFile&) = delete;
    Result<> write_at(std::uint64_t, std::span<const std::string_view>) override { return {}; }
    Result<std::size_t> read_at(std::uint64_t, char*, std::size_t) override { return 0; }
    Result<> sync() override { return {}; }
    Result<std::uint64_t> size() override { return 0; }
    Result<> allocate(std::uint64_t) override { return {}; }

  private:
    SimFileSystem& files_;
    const std::string path_;
};

SimFileSystem::SimFileSystem() = default;
SimFileSystem::~SimFileSystem() = default;

// ---- crashes ----

std::unique_ptr<SimFileSystem> SimFileSystem::after_crash(std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    return image(&random);
}

std::unique_ptr<SimFileSystem> SimFileSystem::durable_only() const { return image(nullptr); }

std::unique_ptr<SimFileSystem> SimFileSystem::after_kill() const {
    const std::lock_guard lock(mutex_);
    auto made = std::make_unique<SimFileSystem>();
    made->disk_bytes_ = disk_bytes_;
    made->allocation_ = allocation_;
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    const auto copy_of = [&](const std::shared_ptr<Inode>& inode) {
        auto& copy = copies[inode.get()];
        if (inode && !copy) copy = std::make_shared<Inode>(*inode);
        return copy;
    };
    for (const auto& [path, inode] : names_) made->names_[path] = copy_of(inode);
    for (const auto& [path, inode] : durable_names_) made->durable_names_[path] = copy_of(inode);
    for (const auto& made_change : unsynced_changes_) {
        made->unsynced_changes_.push_back({made_change.from, made_change.to, copy_of(made_change.inode)});
    }
    return made;
}

std::unique_ptr<SimFileSystem> SimFileSystem::image(std::mt19937_64* random) const {
    const std::lock_guard lock(mutex_);
    auto made = std::make_unique<SimFileSystem>();
    made->disk_bytes_ = disk_bytes_;
    made->allocation_ = allocation_;
    Names names = durable_names_;
    const std::size_t kept = random == nullptr ? 0 : (*random)() % (unsynced_changes_.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) change(names, unsynced_changes_[i]);
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    for (const auto& [path, inode] : names) {
        auto& copy = copies[inode.get()];
        if (!copy) {
            copy = std::make_shared<Inode>(*inode);
            if (random == nullptr) {
                copy->unsynced.clear();
            } else {
                copy->settle(random);
            }
            copy->now = copy->durable;
            copy->room = std::max<std::uint64_t>(copy->room, copy->now.size());
        }
        made->names_[path] = copy;
    }
    made->durable_names_ = made->names_;
    return made;
}

void SimFileSystem::at_call(std::uint64_t n, std::function<void(const SimFileSystem&)> hook) {
    const std::lock_guard lock(mutex_);
    hook_at_ = calls_ + n;
    hook_ = std::move(hook);
}

std::uint64_t SimFileSystem::calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
}

void SimFileSystem::called() {
    if (++calls_ == hook_at_) std::exchange(hook_, {})(*this);
}

// ---- faults ----

void SimFileSystem::fail(Call call, std::uint64_t n, ErrorCode code, std::uint64_t times,
                         std::string path_end) {
    const std::lock_guard lock(mutex_);
    faults_[call] = {.after = n, .times = times, .code = code, .path_end = std::move(path_end)};
}

void SimFileSystem::clear_faults() {
    const std::lock_guard lock(mutex_);
    faults_.clear();
}

std::optional<Error> SimFileSystem::fault(Call call, const std::string& path) {
    const auto found = faults_.find(call);
    if (found == faults_.end()) return std::nullopt;
    Fault& fault = found->second;
    if (!path.ends_with(fault.path_end)) return std::nullopt;
    if (fault.after > 1) {
        --fault.after;
        return std::nullopt;
    }
    const Error error{fault.code, str_cat("simulated fault on ", path)};
    if (--fault.times == 0) faults_.erase(found);
    return error;
}

void SimFileSystem::set_disk_bytes(std::uint64_t bytes, Allocation allocation) {
    const std::lock_guard lock(mutex_);
    disk_bytes_ = bytes;
    allocation_ = allocation;
}

std::uint64_t SimFileSystem::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [path, inode] : names_) bytes += inode->room;
    return bytes;
}

Result<> SimFileSystem::check_room(std::uint64_t more, const std::string& path) {
    if (disk_bytes_ == UINT64_MAX || used() + more <= disk_bytes_) return {};
    return weft::fail(ErrorCode::disk_full, "no room for ", path);
}

void SimFileSystem::lie_about_syncs() {
    const std::lock_guard lock(mutex_);
    lying_ = true;
}

void SimFileSystem::hold_syncs() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
}

void SimFileSystem::release_syncs() {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    changed_.notify_all();
}

void SimFileSystem::wait_for_held_sync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return holding_ && held_ > 0; });
}

// ---- looking and damaging ----

std::string SimFileSystem::content(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    return found == names_.end() ? std::string() : found->second->now;
}

void SimFileSystem::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    for (std::string* const content : {&inode.now, &inode.durable}) {
        if (offset < content->size()) (*content)[offset] = static_cast<char>((*content)[offset] ^ (1 << bit));
    }
}

void SimFileSystem::truncate(const std::string& path, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    for (std::string* const content : {&inode.now, &inode.durable})
        content->resize(std::min<std::size_t>(content->size(), size));
}

void SimFileSystem::set_bytes(const std::string& path, std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    for (std::string* const content : {&inode.now, &inode.durable}) {
        if (content->size() < offset + bytes.size()) content->resize(offset + bytes.size());
        bytes.copy(content->data() + offset, bytes.size());
    }
}

// ---- FileSystem ----

void SimFileSystem::change(Names& names, const DirectoryChange& change) const {
    if (!change.from.empty()) names.erase(change.from);
    if (!change.to.empty()) names[change.to] = change.inode;
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    if (found == names_.end()) return weft::fail(ErrorCode::not_found, "no file ", path);
    return std::make_unique<OpenFile>(*this, found->second, path);
}

Result<std::unique_ptr<File>> SimFileSystem::create(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto error = fault(Call::create, path)) return std::unexpected(*error);
    if (names_.contains(path)) return weft::fail(ErrorCode::already_exists, "file ", path);
    const auto inode = std::make_shared<Inode>();
    unsynced_changes_.push_back({.from = {}, .to = path, .inode = inode});
    change(names_, unsynced_changes_.back());
    called();
    return std::make_unique<OpenFile>(*this, inode, path);
}

Result<> SimFileSystem::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    if (auto error = fault(Call::rename, from)) return std::unexpected(*error);
    const auto found = names_.find(from);
    if (found == names_.end()) return weft::fail(ErrorCode::not_found, "no file ", from);
    unsynced_changes_.push_back({.from = from, .to = to, .inode = found->second});
    change(names_, unsynced_changes_.back());
    called();
    return {};
}

Result<> SimFileSystem::remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto error = fault(Call::remove, path)) return std::unexpected(*error);
    if (!names_.contains(path)) return weft::fail(ErrorCode::not_found, "no file ", path);
    unsynced_changes_.push_back({.from = path, .to = {}, .inode = nullptr});
    change(names_, unsynced_changes_.back());
    called();
    return {};
}

Result<> SimFileSystem::make_directories(const std::string&) { return {}; }

Result<std::vector<std::string>> SimFileSystem::list(const std::string& directory) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    const std::string prefix = directory + "/";
    for (const auto& [path, inode] : names_) {
        if (path.starts_with(prefix)) names.push_back(path.substr(prefix.size()));
    }
    return names;
}

Result<> SimFileSystem::sync_directory(const std::string& directory) {
    const std::lock_guard lock(mutex_);
    called();
    if (auto error = fault(Call::sync_directory, directory)) return std::unexpected(*error);
    if (lying_) return {};
    for (const DirectoryChange& made : unsynced_changes_) change(durable_names_, made);
    unsynced_changes_.clear();
    return {};
}

Result<FileSystem::Room> SimFileSystem::room(const std::string&) {
    const std::lock_guard lock(mutex_);
    return Room{.total = disk_bytes_, .free = disk_bytes_ - std::min(disk_bytes_, used())};
}

Result<std::unique_ptr<File>> SimFileSystem::lock(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (!locks_.insert(path).second) return weft::fail(ErrorCode::conflict, "another process holds ", path);
    return std::make_unique<LockFile>(*this, path);
}

}  // namespace weft::store
