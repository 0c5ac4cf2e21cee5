#include "runtime/instance_users.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 50;  // what forks meanwhile can't outrun this: it is bounded

bool lock(int file, std::uint32_t id, short how) {
    struct flock range{};
    range.l_type = how;
    range.l_whence = SEEK_SET;
    range.l_start = id;
    range.l_len = 1;
    return fcntl(file, F_OFD_SETLK, &range) == 0;
}

bool mark(int file, std::uint32_t id, char as) { return pwrite(file, &as, 1, off_t{id}) == 1; }

bool is_marked(int file, std::uint32_t id) {
    char found = 0;
    return pread(file, &found, 1, off_t{id}) == 1 && found != 0;
}

/// Whether any of its four ids is one of these, and it has not ended yet.
bool is_of(const fs::path& process, const std::set<std::uint32_t>& users) {
    std::ifstream status(process / "status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("State:") && line.find_first_of("ZX") != std::string::npos) return false;
        if (!line.starts_with("Uid:")) continue;
        std::istringstream ids(line.substr(4));
        for (std::uint32_t id = 0; ids >> id;) {
            if (users.contains(id)) return true;
        }
        return false;
    }
    return false;
}

/// The process that was looked at, not one that has its number by now.
bool end_if_of(const fs::path& process, const std::set<std::uint32_t>& users) {
    if (!is_of(process, users)) return false;
    const auto pid = static_cast<pid_t>(std::strtol(process.filename().c_str(), nullptr, 10));
    const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (handle.get() < 0 || !is_of(process, users)) return false;
    return syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0U) == 0;
}

}  // namespace

void end_processes_of(const std::set<std::uint32_t>& users) {
    for (int round = 0; round < kRounds && !users.empty(); ++round) {
        bool any = false;
        std::error_code gone;
        for (fs::directory_iterator each("/proc", gone), end; !gone && each != end; each.increment(gone)) {
            const std::string name = each->path().filename().string();
            if (name.find_first_not_of("0123456789") == std::string::npos)
                any = end_if_of(each->path(), users) || any;
        }
        if (!any) return;
    }
}

/// Begins somewhere: workers in containers, which don't see each other's file, seldom take the same then,
/// whose processes the kernel counts together.
InstanceUsers::InstanceUsers(containment::UserRange range, int file)
    : range_(range), file_(file), next_(range.first + std::random_device()() % count()) {}

Result<std::shared_ptr<InstanceUsers>> InstanceUsers::open(containment::UserRange range,
                                                           const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(ErrorCode::io, "can't open ", file, ": ", std::strerror(errno));
    std::shared_ptr<InstanceUsers> users(new InstanceUsers(range, fd));
    users->end_what_is_left();
    return users;
}

void InstanceUsers::end_what_is_left() {
    std::vector<char> marks(count(), 0);
    const ssize_t known = pread(file_.get(), marks.data(), marks.size(), off_t{range_.first});
    std::set<std::uint32_t> left;
    for (ssize_t at = 0; at < known; ++at) {
        const auto id = range_.first + static_cast<std::uint32_t>(at);
        if (marks[static_cast<std::size_t>(at)] != 0 && lock(file_.get(), id, F_WRLCK)) left.insert(id);
    }
    end_processes_of(left);
    for (const std::uint32_t id : left) {
        mark(file_.get(), id, 0);
        lock(file_.get(), id, F_UNLCK);
    }
}

Result<std::unique_ptr<InstanceUsers::User>> InstanceUsers::take() {
    const std::lock_guard guard(mutex_);
    for (std::uint32_t tried = 0; tried < count(); ++tried) {
        const std::uint32_t id = next_;
        next_ = id == range_.last ? range_.first : id + 1;
        if (taken_.contains(id) || !lock(file_.get(), id, F_WRLCK)) continue;
        // Of a worker that is gone, something may be left: the next worker to start ends it.
        if (is_marked(file_.get(), id) || !mark(file_.get(), id, 1)) {
            lock(file_.get(), id, F_UNLCK);
            continue;
        }
        taken_.insert(id);
        return std::unique_ptr<User>(new User(shared_from_this(), id));
    }
    return fail(ErrorCode::limit_reached, "all ", count(), " of --instance-users are taken");
}

void InstanceUsers::give_back(std::uint32_t id) {
    const std::lock_guard guard(mutex_);
    mark(file_.get(), id, 0);
    lock(file_.get(), id, F_UNLCK);
    taken_.erase(id);
}

InstanceUsers::User::~User() { from_->give_back(id_); }

}  // namespace weft::runtime
