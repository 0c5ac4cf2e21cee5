#pragma once
// Fd: a file descriptor with an owner; and writing to one.

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace weft {

/// Closes its descriptor unless it was released. Of one thread.
class Fd final {
  public:
    explicit Fd(int fd = -1) : fd_(fd) {}  // -1: none
    ~Fd() { reset(); }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        reset(other.release());
        return *this;
    }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    /// Closes it, and owns another.
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_;
};

/// Writes all of it to a file. False: errno.
inline bool write_whole(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace weft
