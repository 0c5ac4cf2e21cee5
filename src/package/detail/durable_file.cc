#include "package/detail/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/fd.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporaryPrefix = ".put-";

Result<> sync_directory(const fs::path& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return file_error("Can't open", path, errno);
    if (::fsync(fd.get()) != 0) return file_error("Can't sync", path, errno);
    return {};
}

}  // namespace

std::unexpected<Error> file_error(std::string_view what, const fs::path& path, int error) {
    const ErrorCode code = error == ENOSPC || error == EDQUOT ? ErrorCode::disk_full : ErrorCode::io;
    return fail(code, what, " ", path.string(), ": ", std::generic_category().message(error));
}

Result<> write_file(const fs::path& target, std::string_view bytes) {
    const fs::path temporary = target.parent_path() / str_cat(kTemporaryPrefix, target.filename().string());
    const auto written = [&]() -> Result<> {
        const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444));
        if (fd.get() < 0) return file_error("Can't create", temporary, errno);
        if (!write_whole(fd.get(), bytes)) return file_error("Can't write", temporary, errno);
        if (::fsync(fd.get()) != 0) return file_error("Can't sync", temporary, errno);
        if (::rename(temporary.c_str(), target.c_str()) != 0)
            return file_error("Can't rename", temporary, errno);
        return sync_directory(target.parent_path());
    }();
    if (!written) ::unlink(temporary.c_str());
    return written;
}

Result<std::string> read_file(const fs::path& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return file_error("Can't open", path, errno);
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return file_error("Can't read", path, errno);
    std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return file_error("Can't read", path, errno);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
}

Result<> remove_file(const fs::path& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_error("Can't delete", path, errno);
    return sync_directory(path.parent_path());
}

bool remove_if_temporary(const fs::path& path) {
    if (!path.filename().string().starts_with(kTemporaryPrefix)) return false;
    ::unlink(path.c_str());  // one that stays is met again at the next start
    return true;
}

}  // namespace weft::package
