// Does what hostile.py does, in C++; and "fork": as many processes as it can have, which stay. For so many
// seconds: "spin" in so many processes, "bomb": processes that fork without end, "fill" the disk with so many
// bytes, again and again. They answer with the seconds of processor, or the MiB, that they had.

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <weft/function.hpp>

namespace {

using Text = std::string;

bool opens(const char* path, int flags) {
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}
bool lists(const Text& path) {
    DIR* const folder = opendir(path.c_str());
    if (folder != nullptr) closedir(folder);
    return folder != nullptr;
}
bool reads_by_link(const Text& path) {
    unlink("link");
    return symlink(path.c_str(), "link") == 0 && opens("link", O_RDONLY);
}
bool reads_by_child(const Text& path) {
    const pid_t child = fork();
    if (child == 0) _exit(opens(path.c_str(), O_RDONLY) ? 0 : errno);
    int status = 0;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno == 0;
}
bool takes_control_channel(const Text& pid) {
    constexpr unsigned kControlFd = 3;
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, std::stoi(pid), 0U));
    const long taken = syscall(SYS_pidfd_getfd, handle, kControlFd, 0U);
    const int error = errno;
    close(handle);
    if (taken >= 0) close(static_cast<int>(taken));
    errno = error;
    return taken >= 0;
}
bool keeps_mode(const Text& path) {
    struct stat about{};
    return stat(path.c_str(), &about) == 0 && chmod(path.c_str(), about.st_mode & 07777) == 0;
}
sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}
bool on_socket(const std::function<bool(int)>& used, int family = AF_INET) {
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const bool done = used(fd);
    const int error = errno;
    close(fd);
    errno = error;
    return done;
}
bool listens(const Text&) {
    return on_socket([](int fd) {
        const sockaddr_in address = loopback(0);
        return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
               listen(fd, 1) == 0;
    });
}
bool connects(const Text& port) {
    return on_socket([&port](int fd) {
        const sockaddr_in address = loopback(std::stoi(port));
        return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    });
}
bool writes_large(const Text& size) {
    const int fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const bool done = fd >= 0 && pwrite(fd, "x", 1, std::stoll(size)) == 1;
    const int error = errno;
    close(fd);
    unlink("large");
    errno = error;
    return done;
}

const std::map<Text, std::function<bool(const Text&)>, std::less<>> kTried = {
    {"list", lists},
    {"read", [](const Text& path) { return opens(path.c_str(), O_RDONLY); }},
    {"write", [](const Text& path) { return opens(path.c_str(), O_WRONLY | O_APPEND | O_CREAT); }},
    {"by_link", reads_by_link},
    {"by_child", reads_by_child},
    {"take", takes_control_channel},
    {"chmod", keeps_mode},
    {"signal", [](const Text& pid) { return kill(std::stoi(pid), 0) == 0; }},
    {"trace", [](const Text& pid) { return ptrace(PTRACE_SEIZE, std::stoi(pid), nullptr, nullptr) == 0; }},
    {"listen", listens},
    {"unix_socket", [](const Text&) { return on_socket([](int) { return true; }, AF_UNIX); }},
    {"connect", connects},
    {"large", writes_large},
};

/// "EAGAIN 1000 4711": what ended it, how many there are, one of them.
Text fork_bomb(int most) {
    int count = 0;
    pid_t last = 0;
    while (count < most) {
        const pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            setsid();
            while (true) pause();
        }
        last = child;
        ++count;
    }
    const Text why = count == most ? "ok" : strerrorname_np(errno);
    return why + ' ' + std::to_string(count) + ' ' + std::to_string(last);
}

using Clock = std::chrono::steady_clock;

/// The children of this process end by themselves. "ok", and what they and theirs had of the processor.
Text wait_for_all() {
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    rusage used{};
    getrusage(RUSAGE_CHILDREN, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return "ok " + std::to_string(seconds(used.ru_utime) + seconds(used.ru_stime));
}

Text spin(Clock::time_point until, int processes) {
    const auto spin_here = [until] {
        while (Clock::now() < until) {
        }
    };
    for (int n = 1; n < processes; ++n) {
        if (fork() != 0) continue;
        spin_here();
        _exit(0);
    }
    spin_here();  // and so does the thread that the function was called on
    return wait_for_all();
}

Text bomb(Clock::time_point until) {
    const pid_t self = getpid();
    while (Clock::now() < until) fork();
    const Text had = wait_for_all();
    if (getpid() != self) _exit(0);
    return had;
}

Text fill(Clock::time_point until, long long most) {
    constexpr long long kPiece = 1 << 20, kFile = 64 * kPiece;
    const Text piece(kPiece, 'x');
    const auto name = [](long long file) { return "filled-" + std::to_string(file); };
    const auto forget = [&] {
        for (long long file = 0; file <= most / kFile; ++file) unlink(name(file).c_str());
    };
    Text why = "ok";
    long long written = 0;
    for (long long at = 0; Clock::now() < until && why == "ok"; at += kPiece, ++written) {
        if (at >= most) {
            forget();
            at = 0;
        }
        const int fd = open(name(at / kFile).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, piece.data(), piece.size()) < 0) why = strerrorname_np(errno);
        close(fd);
    }
    forget();
    return why + ' ' + std::to_string(written);
}

/// "spin SECONDS PROCESSES", "bomb SECONDS", "fill SECONDS BYTES".
Text attack(const Text& what, const Text& about) {
    std::size_t end = 0;
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(std::stod(about, &end)));
    if (what == "bomb") return bomb(until);
    const long long much = std::stoll(about.substr(end));
    return what == "spin" ? spin(until, static_cast<int>(much)) : fill(until, much);
}

class Hostile final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        const Text told(in.payload());
        const auto space = std::min(told.find(' '), told.size());
        const Text what = told.substr(0, space), about = told.substr(std::min(space + 1, told.size()));
        if (what == "fork") return context.emit(in, fork_bomb(std::stoi(about)));
        if (what == "spin" || what == "bomb" || what == "fill") return context.emit(in, attack(what, about));
        context.emit(in, kTried.at(what)(about) ? "ok" : strerrorname_np(errno));
    }
};

}  // namespace

WEFT_FUNCTION(Hostile)
