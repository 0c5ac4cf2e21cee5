#pragma once
// Fd: a file descriptor with an owner.

#include <unistd.h>

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

}  // namespace weft
