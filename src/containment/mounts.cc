// Landlock says which files are opened, and nothing of their modes, owners and times: where the process may,
// it sees a file system that is read-only.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "containment/detail/parts.h"

namespace weft::containment::detail {
namespace {

struct MountAttributes {  // mount_attr of linux/mount.h, which can't be had together with sys/mount.h
    std::uint64_t set = 0, clear = 0, propagation = 0, user_namespace = 0;
};
constexpr std::uint64_t kReadOnly = 1, kNoSetUid = 2;

bool change(const char* path, const MountAttributes& attributes) {
    return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes) == 0;
}

}  // namespace

bool take_own_mounts(const std::vector<std::string>& writable) {
    if (unshare(CLONE_NEWNS) != 0) return false;
    // What is mounted later shows here too; nothing that is done here shows there.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
    for (const std::string& path : writable) {
        if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 && errno != ENOENT)
            return false;
    }
    if (!change("/", {.set = kReadOnly | kNoSetUid})) return false;
    for (const std::string& path : writable) {
        if (!change(path.c_str(), {.clear = kReadOnly}) && errno != ENOENT) return false;
    }
    return true;
}

}  // namespace weft::containment::detail
