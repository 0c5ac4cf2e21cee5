#include "runtime/folder_size.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>

namespace weft::runtime {
namespace {

constexpr int kEntriesAtOnce = 500;
constexpr std::size_t kDepthMax = 64;
constexpr std::uint64_t kEntryBytesMin = 4096;
constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's are
constexpr std::uint64_t kMoreThanAnyDisk = std::numeric_limits<std::int64_t>::max();

}  // namespace

FolderSize::FolderSize(std::string folder) : path_(std::move(folder)) {}
FolderSize::~FolderSize() = default;

void FolderSize::begin_anew() {
    open_.clear();
    bytes_ = 0;
}

// One that has gone meanwhile holds nothing.
void FolderSize::unseen(int error) {
    if (error == EACCES) bytes_ = kMoreThanAnyDisk;
}

void FolderSize::enter(int parent, const char* name) {
    if (open_.size() == kDepthMax) return unseen(EACCES);
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return unseen(errno);
    Folder folder(fdopendir(fd));
    if (folder) {
        open_.push_back(std::move(folder));
    } else {
        close(fd);
    }
}

void FolderSize::add(int folder, const char* name) {
    struct stat about{};
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0) return unseen(errno);
    const bool is_folder = S_ISDIR(about.st_mode);
    const std::uint64_t bytes =
        std::max(static_cast<std::uint64_t>(about.st_blocks) * kBlockBytes, kEntryBytesMin);
    const std::uint64_t names = is_folder ? 1 : std::max<std::uint64_t>(about.st_nlink, 1);
    bytes_ = std::min(bytes_ + bytes / names, kMoreThanAnyDisk);
    if (is_folder) enter(folder, name);
}

FolderSize::Seen FolderSize::look() {
    if (open_.empty()) {
        bytes_ = 0;
        enter(AT_FDCWD, path_.c_str());
    }
    for (int n = 0; n < kEntriesAtOnce && !open_.empty(); ++n) {
        DIR* const folder = open_.back().get();
        const dirent* const entry = readdir(folder);
        if (entry == nullptr) {
            open_.pop_back();
            continue;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") add(dirfd(folder), entry->d_name);
    }
    return {.bytes = bytes_, .whole = open_.empty()};
}

}  // namespace weft::runtime
