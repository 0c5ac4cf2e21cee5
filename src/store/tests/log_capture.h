#pragma once
// What the program logs, for tests to look at.

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "observe/log.h"
#include "store/tests/store_fixture.h"

namespace weft::store {

/// What is logged while it lives.
class LogCapture {
  public:
    LogCapture() : path_(directory_.path() + "/log") {
        fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        observe::set_sink(fd_);
    }
    ~LogCapture() {
        observe::set_sink(-1);
        ::close(fd_);
    }
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;
    std::string text() const {
        std::string text(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
        EXPECT_EQ(::pread(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
        return text;
    }

  private:
    TemporaryDirectory directory_;
    const std::string path_;
    int fd_ = -1;
};

}  // namespace weft::store
