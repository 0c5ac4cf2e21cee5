#include "security/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/fd.h"

namespace weft::security {

namespace {

std::unexpected<Error> failed(std::string_view what, const std::string& path) {
    return fail(ErrorCode::io, "can't ", what, ' ', path, ": ", std::strerror(errno));
}

Result<> fill(int fd, std::string_view text, const std::string& path) {
    if (!write_whole(fd, text) || fsync(fd) != 0) return failed("write", path);
    return {};
}

/// Whose the file at `path` is stays so.
Result<> take_owner(int fd, const std::string& path) {
    struct stat before{};
    if (stat(path.c_str(), &before) != 0) return errno == ENOENT ? Result<>() : failed("look at", path);
    if (fchown(fd, before.st_uid, before.st_gid) != 0) return failed("keep the owner of", path);
    return {};
}

Result<> put_in_place(const std::string& made, const std::string& path, Existing existing) {
    if (existing == Existing::replace) {
        if (rename(made.c_str(), path.c_str()) != 0) return failed("replace", path);
    } else {
        if (link(made.c_str(), path.c_str()) != 0) {
            if (errno != EEXIST) return failed("make", path);
            return fail(ErrorCode::already_exists, path, " is there already: name another file");
        }
        unlink(made.c_str());
    }
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    const Fd fd(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || fsync(fd.get()) != 0) return failed("make sure of", path);
    return {};
}

}  // namespace

Result<std::string> read_private_file(const std::string& path) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd.get() < 0) {
        const bool missing = errno == ENOENT || errno == ENOTDIR;
        return fail(missing ? ErrorCode::not_found : ErrorCode::io, "can't open the file ", path, ": ",
                    std::strerror(errno));
    }
    struct stat found{};
    if (fstat(fd.get(), &found) != 0)
        return fail(ErrorCode::io, "can't look at the file ", path, ": ", std::strerror(errno));
    if (!S_ISREG(found.st_mode)) return fail(ErrorCode::invalid_argument, path, " is not a file");
    if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0 || (found.st_uid != geteuid() && found.st_uid != 0)) {
        return fail(ErrorCode::precondition_failed, "the file ", path,
                    " is not its owner's alone: give it to the worker's user, and chmod 600");
    }
    std::string bytes(kPrivateFileBytesMax + 1, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const ssize_t n = read(fd.get(), bytes.data() + size, bytes.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(ErrorCode::io, "can't read the file ", path, ": ", std::strerror(errno));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    if (size > kPrivateFileBytesMax)
        return fail(ErrorCode::invalid_argument, "the file ", path, " has more than ", kPrivateFileBytesMax,
                    " bytes");
    bytes.resize(size);
    for (const std::string_view line_end : {"\r\n", "\n"}) {
        if (!bytes.ends_with(line_end)) continue;
        bytes.resize(bytes.size() - line_end.size());
        break;
    }
    return bytes;
}

Result<> write_private_file(const std::string& path, std::string_view text, Existing existing) {
    const std::string made = path + ".new";
    const Fd fd(open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (fd.get() < 0 && errno == EEXIST)
        return fail(ErrorCode::conflict, made,
                    " is there: another command is at work; if there is none, remove it");
    if (fd.get() < 0) return failed("make", made);
    auto done = fill(fd.get(), text, made);
    if (done && existing == Existing::replace) done = take_owner(fd.get(), path);
    if (done) done = put_in_place(made, path, existing);
    if (!done) unlink(made.c_str());
    return done;
}

}  // namespace weft::security
