// Does what hostile.py does, in C++; and "fork": as many processes as it can have, which stay.

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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

class Hostile final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        const Text told(in.payload());
        const auto space = std::min(told.find(' '), told.size());
        const Text what = told.substr(0, space), about = told.substr(std::min(space + 1, told.size()));
        if (what == "fork") return context.emit(in, fork_bomb(std::stoi(about)));
        context.emit(in, kTried.at(what)(about) ? "ok" : strerrorname_np(errno));
    }
};

}  // namespace

WEFT_FUNCTION(Hostile)
