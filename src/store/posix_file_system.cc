#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "store/file_system.h"

namespace weft::store {
namespace {

std::unexpected<Error> failed(std::string_view what, const std::string& path, int error) {
    const ErrorCode code = error == ENOSPC || error == EDQUOT ? ErrorCode::disk_full
                           : error == ENOENT                  ? ErrorCode::not_found
                           : error == EEXIST                  ? ErrorCode::already_exists
                                                              : ErrorCode::io;
    return fail(code, what, " ", path, ": ", std::generic_category().message(error));
}

class PosixFile final : public File {
  public:
    PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
    ~PosixFile() override { ::close(fd_); }
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;

    Result<> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override;
    Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) override;
    Result<> sync() override;
    Result<std::uint64_t> size() override;
    Result<> allocate(std::uint64_t size) override;

  private:
    const int fd_;
    const std::string path_;
};

Result<> PosixFile::write_at(std::uint64_t offset, std::span<const std::string_view> pieces) {
    constexpr std::size_t kVectorMax = 512;
    std::array<iovec, kVectorMax> vectors;
    std::size_t next = 0;  // the first piece not yet wholly written
    std::size_t skip = 0;  // what of it is
    while (next < pieces.size()) {
        std::size_t count = 0;
        for (std::size_t i = next; i < pieces.size() && count < kVectorMax; ++i) {
            const std::string_view piece = pieces[i].substr(i == next ? skip : 0);
            vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
        }
        const ssize_t written =
            ::pwritev(fd_, vectors.data(), static_cast<int>(count), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) continue;
            return failed("write to", path_, errno);
        }
        offset += static_cast<std::uint64_t>(written);
        auto left = static_cast<std::size_t>(written);
        while (next < pieces.size() && left >= pieces[next].size() - skip) {
            left -= pieces[next].size() - skip;
            skip = 0;
            ++next;
        }
        skip += left;
    }
    return {};
}

Result<std::size_t> PosixFile::read_at(std::uint64_t offset, char* data, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got = ::pread(fd_, data + done, size - done, static_cast<off_t>(offset + done));
        if (got == 0) break;
        if (got < 0) {
            if (errno == EINTR) continue;
            return failed("read from", path_, errno);
        }
        done += static_cast<std::size_t>(got);
    }
    return done;
}

Result<> PosixFile::sync() {
    if (::fdatasync(fd_) != 0) return failed("sync", path_, errno);
    return {};
}

Result<std::uint64_t> PosixFile::size() {
    struct stat status{};
    if (::fstat(fd_, &status) != 0) return failed("stat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
}

Result<> PosixFile::allocate(std::uint64_t bytes) {
    if (::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) == 0) return {};
    if (errno != EOPNOTSUPP) return failed("allocate room for", path_, errno);
    // A file system without it: the length alone is set, and a full disk shows when writing.
    if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return failed("allocate room for", path_, errno);
    return {};
}

class PosixFileSystem final : public FileSystem {
  public:
    Result<std::unique_ptr<File>> open(const std::string& path) override {
        auto file = open_with(path, O_RDWR);
        // What may only be read can still be inspected.
        if (!file && file.error().code == ErrorCode::io) file = open_with(path, O_RDONLY);
        return file;
    }
    Result<std::unique_ptr<File>> create(const std::string& path) override {
        return open_with(path, O_RDWR | O_CREAT | O_EXCL);
    }
    Result<> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from, errno);
        return {};
    }
    Result<> remove(const std::string& path) override {
        if (::unlink(path.c_str()) != 0) return failed("remove", path, errno);
        return {};
    }
    Result<> make_directories(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<> sync_directory(const std::string& directory) override;
    Result<Room> room(const std::string& directory) override;
    Result<std::unique_ptr<File>> lock(const std::string& path) override;

  private:
    Result<std::unique_ptr<File>> open_with(const std::string& path, int flags) {
        const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
        if (fd < 0) return failed("open", path, errno);
        return std::make_unique<PosixFile>(fd, path);
    }
};

Result<> PosixFileSystem::make_directories(const std::string& path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), 0755) == 0) {
            const std::size_t slash = part.find_last_of('/');
            WEFT_TRY_VOID(sync_directory(slash == std::string::npos ? "."
                                         : slash == 0               ? "/"
                                                                    : part.substr(0, slash)));
        } else if (errno != EEXIST) {
            return failed("make directory", part, errno);
        }
        if (end == std::string::npos) break;
    }
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return failed("stat", path, errno);
    if (!S_ISDIR(status.st_mode)) return fail(ErrorCode::io, "not a directory: ", path);
    return {};
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
    DIR* const handle = ::opendir(directory.c_str());
    if (handle == nullptr) return failed("list", directory, errno);
    std::vector<std::string> names;
    while (const dirent* const item = ::readdir(handle)) {
        const std::string_view name = item->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(handle);
    return names;
}

Result<> PosixFileSystem::sync_directory(const std::string& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed("open", directory, errno);
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (error != 0) return failed("sync", directory, error);
    return {};
}

Result<FileSystem::Room> PosixFileSystem::room(const std::string& directory) {
    struct statvfs status{};
    if (::statvfs(directory.c_str(), &status) != 0) return failed("ask for the room of", directory, errno);
    return Room{.total = std::uint64_t{status.f_blocks} * status.f_frsize,
                .free = std::uint64_t{status.f_bavail} * status.f_frsize};
}

// The holder's process id, which it has written into the lock file; 0 if that says nothing.
pid_t holder_of(int fd) {
    std::array<char, 32> text{};
    const ssize_t got = ::pread(fd, text.data(), text.size() - 1, 0);
    pid_t pid = 0;
    if (got > 0) std::from_chars(text.data(), text.data() + got, pid);
    return pid;
}

Result<std::unique_ptr<File>> PosixFileSystem::lock(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return failed("open", path, errno);
    auto file = std::make_unique<PosixFile>(fd, path);
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
        // For whoever is refused; on a full disk it is left out.
        const std::string pid = str_cat(::getpid(), "\n");
        if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
        return file;
    }
    if (errno != EWOULDBLOCK) return failed("lock", path, errno);
    const pid_t holder = holder_of(fd);
    return fail(ErrorCode::conflict, "another process",
                holder > 0 ? str_cat(" (process id ", holder, ")") : std::string(),
                " uses the data directory, it holds the lock on ", path,
                ": stop it, or name another data directory");
}

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

}  // namespace weft::store
