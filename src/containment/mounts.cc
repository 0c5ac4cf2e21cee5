// Landlock says which files are opened, and nothing of their modes, owners and times: where the process may,
// it sees a file system that is read-only. And a process with a user of its own can't pass folders that are
// private to others, as the superuser's home is: there it sees an empty one, with nothing in it but what its
// rules name. One with a root of its own sees nothing else at all.

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

// A process with a root of its own makes it there, as its /proc is another.
constexpr const char* kNewRoot = "/proc";

/// What has to be done so that paths can be reached by a user for whom all files are others', or that they
/// are all there is.
class Plan {
  public:
    explicit Plan(bool own_root) : root_(own_root ? kNewRoot : "") {
        if (own_root) empty("/");
    }

    void reach(const fs::path& path) {
        struct stat about{};
        if (path.empty() || stat(path.c_str(), &about) != 0) return;
        fs::path at;
        const fs::path* cover = nullptr;  // the last one on the way that hides what comes
        for (const fs::path& part : path) {
            at /= part;
            if (at == path) break;
            if (back_.contains(at)) cover = nullptr;
            if (const auto in = covered_.find(at); in != covered_.end()) cover = &*in;
            if (cover != nullptr) continue;
            struct stat folder{};
            // What a link leads to is reached by its own path.
            if (lstat(at.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) return;
            if ((folder.st_mode & S_IXOTH) == 0) cover = empty(at);
        }
        if (cover == nullptr || !back_.insert(path).second) return;
        make(*cover, path.parent_path());
        const auto what = S_ISDIR(about.st_mode) ? Step::What::folder : Step::What::file;
        steps_.push_back({what, root_ + path.string(), path.string()});
    }
    std::vector<Step> take() && {
        if (!root_.empty()) {
            make("/", "/proc");
            steps_.push_back({Step::What::proc, root_ + "/proc"});
        }
        return std::move(steps_);
    }

  private:
    const fs::path* empty(const fs::path& folder) {
        steps_.push_back({Step::What::empty, root_ + folder.string()});
        return &*covered_.insert(folder).first;
    }
    void make(const fs::path& cover, const fs::path& folder) {
        fs::path at = cover;
        const fs::path inside = folder.lexically_relative(cover);
        if (inside == ".") return;
        for (const fs::path& part : inside) {  // "..", too, as who takes the path goes that way
            at /= part;
            if (made_.insert(at).second) steps_.push_back({Step::What::make, root_ + at.string()});
        }
    }

    const std::string root_;
    std::vector<Step> steps_;
    std::set<fs::path> covered_, made_, back_;  // folders; what stands in those again
};

bool put_back(const Step& step) {
    if (step.tree < 0) return true;  // it is gone
    if (step.what == Step::What::folder) {
        if (mkdir(step.path.c_str(), 0711) != 0 && errno != EEXIST) return false;
    } else {
        const int file = open(step.path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
        if (file < 0) return false;
        close(file);
    }
    return syscall(SYS_move_mount, step.tree, "", AT_FDCWD, step.path.c_str(), kMoveFromDescriptor) == 0;
}

bool take(const Step& step) {
    switch (step.what) {
        case Step::What::proc:
            return mount("proc", step.path.c_str(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                         "hidepid=invisible") == 0;
        case Step::What::empty:
            return mount("weft", step.path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=64k") == 0;
        case Step::What::make:
            return mkdir(step.path.c_str(), 0711) == 0 || errno == EEXIST;
        default:
            return put_back(step);
    }
}

bool do_all(std::vector<Step>& steps) {
    for (Step& step : steps) {  // before anything hides it
        if (step.what != Step::What::folder && step.what != Step::What::file) continue;
        step.tree = static_cast<int>(
            syscall(SYS_open_tree, AT_FDCWD, step.from.c_str(), kCloneTree | O_CLOEXEC | AT_RECURSIVE));
        if (step.tree < 0 && errno != ENOENT) return false;
    }
    const mode_t mask = umask(0);
    bool all = true;
    for (const Step& step : steps) all = all && take(step);
    const int why = errno;
    umask(mask);
    for (Step& step : steps) {
        if (step.tree >= 0) close(std::exchange(step.tree, -1));
    }
    errno = why;
    return all;
}

/// What is mounted at kNewRoot becomes "/", and what was that is gone.
bool change_root() {
    return chdir(kNewRoot) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
           chdir("/") == 0;
}

}  // namespace

View plan_view(const Rules& rules) {
    View view{.writable = rules.writable, .steps = {}, .own_root = rules.own_root};
    if (rules.user == 0 && !rules.own_root) return view;
    // Nothing private leads to the folders of the system.
    const std::vector<std::string> system = rules.own_root ? std::vector<std::string>() : system_folders();
    std::set<fs::path> wanted;  // what contains others comes before them
    const auto want = [&](const std::string& path) {
        if (!path.starts_with('/') || path == "/proc" || std::ranges::find(system, path) != system.end())
            return;
        std::error_code none;
        wanted.insert(path);
        wanted.insert(fs::canonical(path, none));
    };
    for (const std::string& each : rules.readable) want(each);
    for (const std::string& each : rules.writable) want(each);
    if (rules.own_root) want("/dev/null");
    Plan plan(rules.own_root);
    for (const fs::path& each : wanted) plan.reach(each);
    view.steps = std::move(plan).take();
    return view;
}

bool take_own_mounts(View& view) {
    if (unshare(CLONE_NEWNS) != 0) return false;
    // What is mounted later shows here too; nothing that is done here shows there.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
    for (const std::string& path : view.writable) {
        if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 && errno != ENOENT)
            return false;
    }
    if (!do_all(view.steps) || (view.own_root && !change_root())) return false;
    if (!change("/", {.set = kReadOnly | kNoSetUid})) return false;
    for (const std::string& path : view.writable) {
        if (!change(path.c_str(), {.clear = kReadOnly}) && errno != ENOENT) return false;
    }
    return true;
}

}  // namespace weft::containment::detail
