#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "load.h"
#include "pace.h"

namespace weft::bench {
namespace {
constexpr std::uint64_t kFileBytes = 16U << 20;
constexpr const char* kFileName = "disk-floor";

Error disk_error(const char* what, const std::string& path) {
    return {ErrorCode::io, str_cat(what, ' ', path, ": ", std::strerror(errno))};
}

/// A file that is gone when this is.
class File {
  public:
    explicit File(std::string path)
        : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {}
    ~File() {
        if (fd_ < 0) return;
        ::close(fd_);
        ::unlink(path_.c_str());
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool opened() const { return fd_ >= 0; }
    const std::string& path() const { return path_; }
    bool write(std::uint64_t offset, const std::vector<char>& bytes) {
        return ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
               static_cast<ssize_t>(bytes.size());
    }
    bool sync() { return ::fdatasync(fd_) == 0; }

  private:
    const std::string path_;
    const int fd_;
};
}  // namespace

Result<> measure_disk(const DiskOptions& options) {
    File file(options.directory + "/" + kFileName);
    if (!file.opened()) return std::unexpected(disk_error("open", file.path()));
    const std::vector<char> piece(options.size, 'x');
    // Every block is written once beforehand: a block that is only allocated costs the file system more.
    for (std::uint64_t at = 0; at < kFileBytes; at += piece.size())
        if (!file.write(at, piece)) return std::unexpected(disk_error("write", file.path()));
    if (!file.sync()) return std::unexpected(disk_error("sync", file.path()));

    (void)take_precedence();  // the disk is measured, not who else wants the CPU
    std::vector<double> milliseconds;
    const auto count = static_cast<std::uint64_t>(options.rate * options.seconds);
    milliseconds.reserve(count);
    const std::uint64_t begin = monotonic_ns() + 1'000'000;
    for (std::uint64_t n = 0; n < count; ++n) {
        const std::uint64_t intended =
            begin + static_cast<std::uint64_t>(static_cast<double>(n) * 1e9 / options.rate);
        if (monotonic_ns() < intended) wait_until(intended);
        const std::uint64_t start = monotonic_ns();
        if (!file.write(n * piece.size() % kFileBytes, piece) || !file.sync())
            return std::unexpected(disk_error("write", file.path()));
        milliseconds.push_back(static_cast<double>(monotonic_ns() - start) / 1e6);
    }
    if (milliseconds.empty())
        return fail(ErrorCode::invalid_argument, "--seconds is too short for one write");
    std::ranges::sort(milliseconds);
    const auto at = [&](double quantile) {
        return milliseconds[static_cast<std::size_t>(quantile * static_cast<double>(count - 1))];
    };
    std::printf(
        "{\"writes\": %zu, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"max_ms\": %.4f}\n",
        milliseconds.size(), at(0.5), at(0.99), at(0.999), at(1));
    return {};
}

}  // namespace weft::bench
