// Landlock says which files are opened, and nothing of their modes, owners and times: where the process may,
// it sees a file system that is read-only. And a process with a user of its own can't pass folders that are
// private to others, as the superuser's home is: there it sees an empty one, with nothing in it but what its
// rules name.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "containment/detail/parts.h"

namespace weft::containment::detail {
namespace {

namespace fs = std::filesystem;

struct MountAttributes {  // mount_attr of linux/mount.h, which can't be had together with sys/mount.h
    std::uint64_t set = 0, clear = 0, propagation = 0, user_namespace = 0;
};
constexpr std::uint64_t kReadOnly = 1, kNoSetUid = 2;

bool change(const char* path, const MountAttributes& attributes) {
    return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes) == 0;
}

// Of linux/mount.h.
constexpr unsigned kCloneTree = 1, kMoveFromDescriptor = 4;

/// Whether another user than its owner can pass this folder.
bool can_be_passed(const struct stat& about) { return (about.st_mode & S_IXOTH) != 0; }

/// What has to be done so that paths can be reached by a user for whom all files are others'.
struct Plan {
    std::vector<CoverStep> steps;
    std::set<fs::path> covered, made, back;  // folders; what stands in those again

    void reach(const fs::path& path) {
        struct stat about{};
        if (path.empty() || stat(path.c_str(), &about) != 0) return;
        fs::path at;
        const fs::path* cover = nullptr;  // the last one on the way that hides what comes
        std::set<fs::path>::iterator in;
        for (const fs::path& part : path) {
            at /= part;
            if (at == path) break;
            if (back.contains(at)) cover = nullptr;
            if (in = covered.find(at); in != covered.end()) cover = &*in;
            if (cover != nullptr) continue;
            struct stat folder{};
            // What a link leads to is reached by its own path.
            if (lstat(at.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) return;
            if (can_be_passed(folder)) continue;
            steps.push_back({CoverStep::What::cover, at.string()});
            cover = &*covered.insert(at).first;
        }
        if (cover == nullptr || !back.insert(path).second) return;
        for (at = *cover; const fs::path& part : path.parent_path().lexically_relative(*cover)) {
            if (part == ".") break;  // it stands in the cover itself
            at /= part;
            if (made.insert(at).second) steps.push_back({CoverStep::What::make, at.string()});
        }
        steps.push_back(
            {S_ISDIR(about.st_mode) ? CoverStep::What::folder : CoverStep::What::file, path.string()});
    }
};

bool put_back(const CoverStep& step) {
    if (step.tree < 0) return true;  // it is gone
    if (step.what == CoverStep::What::folder) {
        if (mkdir(step.path.c_str(), 0711) != 0 && errno != EEXIST) return false;
    } else {
        const int file = open(step.path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
        if (file < 0) return false;
        close(file);
    }
    return syscall(SYS_move_mount, step.tree, "", AT_FDCWD, step.path.c_str(), kMoveFromDescriptor) == 0;
}

bool take(const CoverStep& step) {
    switch (step.what) {
        case CoverStep::What::cover:
            return mount("weft", step.path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=64k") == 0;
        case CoverStep::What::make:
            return mkdir(step.path.c_str(), 0711) == 0 || errno == EEXIST;
        default:
            return put_back(step);
    }
}

bool cover(std::vector<CoverStep>& steps) {
    for (CoverStep& step : steps) {  // before anything hides it
        if (step.what != CoverStep::What::folder && step.what != CoverStep::What::file) continue;
        step.tree = static_cast<int>(
            syscall(SYS_open_tree, AT_FDCWD, step.path.c_str(), kCloneTree | O_CLOEXEC | AT_RECURSIVE));
        if (step.tree < 0 && errno != ENOENT) return false;
    }
    const mode_t mask = umask(0);
    bool all = true;
    for (const CoverStep& step : steps) all = all && take(step);
    const int why = errno;
    umask(mask);
    for (CoverStep& step : steps) {
        if (step.tree >= 0) close(std::exchange(step.tree, -1));
    }
    errno = why;
    return all;
}

}  // namespace

std::vector<CoverStep> plan_covers(const Rules& rules) {
    const std::vector<std::string> system = system_folders();  // nothing private leads to them
    std::set<fs::path> wanted;                                 // what contains others comes before them
    for (const auto* const paths : {&rules.readable, &rules.writable}) {
        for (const std::string& each : *paths) {
            if (!each.starts_with('/') || std::ranges::find(system, each) != system.end()) continue;
            std::error_code none;
            wanted.insert(fs::path(each).lexically_normal());
            wanted.insert(fs::canonical(each, none));
        }
    }
    Plan plan;
    for (const fs::path& each : wanted) plan.reach(each);
    return std::move(plan.steps);
}

bool take_own_mounts(const std::vector<std::string>& writable, std::vector<CoverStep>& covers) {
    if (unshare(CLONE_NEWNS) != 0) return false;
    // What is mounted later shows here too; nothing that is done here shows there.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
    for (const std::string& path : writable) {
        if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 && errno != ENOENT)
            return false;
    }
    if (!covers.empty() && !cover(covers)) return false;
    if (!change("/", {.set = kReadOnly | kNoSetUid})) return false;
    for (const std::string& path : writable) {
        if (!change(path.c_str(), {.clear = kReadOnly}) && errno != ENOENT) return false;
    }
    return true;
}

}  // namespace weft::containment::detail
