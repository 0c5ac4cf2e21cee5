#include "runtime/own_user.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "observe/log.h"
#include "runtime/instance_rules.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kCredentialBytesMax = 4U << 20;
// They stand in URLs, and between commas and quotation marks.
constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._~-";

std::unexpected<Error> failed(std::string_view what, const std::string& path) {
    return fail(ErrorCode::io, what, ' ', path, ": ", std::strerror(errno));
}

Result<std::string> bytes_of(const std::string& path) {
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    if (error) return fail(ErrorCode::io, "can't read ", path, ": ", error.message());
    if (size > kCredentialBytesMax)
        return fail(ErrorCode::io, path, " has more than ", kCredentialBytesMax, " bytes");
    std::ifstream file(path, std::ios::binary);
    std::string bytes(size, '\0');
    if (!file || !file.read(bytes.data(), static_cast<std::streamsize>(size)))
        return fail(ErrorCode::io, "can't read ", path);
    return bytes;
}

/// What a user may for whom a file is another's: one of S_IROTH, S_IWOTH, S_IXOTH, or more.
bool others_may(const fs::path& path, mode_t what) {
    struct stat about{};
    return stat(path.c_str(), &about) != 0 || (about.st_mode & what) == what;
}

mode_t to_read(const fs::path& path) {
    std::error_code none;
    return fs::is_directory(path, none) ? S_IROTH | S_IXOTH : S_IROTH;
}

std::string first_closed_folder(const fs::path& path) {
    fs::path at;
    for (const fs::path& part : path.parent_path()) {
        at /= part;
        if (!others_may(at, S_IXOTH)) return at.string();
    }
    return "";
}

/// What its worker has put there for it, and for nobody else.
Result<> open_package(const InstanceSpec& spec) {
    const fs::path package = spec.package_path, own = fs::path(spec.scratch_directory).parent_path();
    if (package.parent_path() != own) return {};
    const bool is_program = spec.language == Language::go;
    struct stat about{};
    if (stat(package.c_str(), &about) != 0) return failed("can't look at", package);
    const mode_t mode = (about.st_mode & 07777U) | (is_program ? 0555U : 0444U);
    if (chmod(package.c_str(), mode) != 0) return failed("can't change the mode of", package);
    if (chmod(own.c_str(), 0755) != 0) return failed("can't change the mode of", own);
    return {};
}

/// Empty, as its worker makes it for each instance: nothing in it is another's.
Result<> give_scratch(const std::string& scratch, std::uint32_t user) {
    const Fd folder(open(scratch.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (folder.get() < 0) return failed("can't open", scratch);
    std::error_code error;
    if (!fs::is_empty(scratch, error) || error) return fail(ErrorCode::io, scratch, " is not empty");
    if (fchown(folder.get(), user, user) != 0 || fchmod(folder.get(), 0700) != 0)
        return failed("can't give away", scratch);
    return {};
}

/// Its user passes it, and changes nothing there.
Result<> make_folder(const std::string& folder, std::uint32_t user) {
    if (folder.find_first_not_of(kPlain) != std::string::npos)
        return fail(ErrorCode::io, folder,
                    " has other characters than letters, digits, '.', '_', '~' and '-'");
    std::error_code error;
    fs::remove_all(folder, error);
    fs::create_directories(folder, error);
    if (error || chown(folder.c_str(), static_cast<uid_t>(-1), user) != 0 || chmod(folder.c_str(), 0710) != 0)
        return failed("can't make the folder", folder);
    return {};
}

Result<OwnUser> own_user_of(InstanceSpec& spec) {
    OwnUser own;
    WEFT_TRY(own.user, spec.users.pool->take());
    const std::uint32_t id = own.user->id();
    InstanceSpec changed = spec;
    WEFT_TRY_VOID(open_package(changed));
    if (!changed.credentials_directory.empty()) {
        WEFT_TRY(auto copies, CredentialCopies::make(changed.security, changed.credentials_directory, id));
        if (!copies.empty()) own.copies = std::make_unique<CredentialCopies>(std::move(copies));
    }
    const std::string path = first_private_file(changed, changed.containment.kernel.mounts);
    if (!path.empty()) return fail(ErrorCode::precondition_failed, path, " can't be used by others");
    WEFT_TRY_VOID(give_scratch(changed.scratch_directory, id));
    changed.user = id;
    spec = std::move(changed);
    return own;
}

}  // namespace

Result<> CredentialCopies::write(File& file, security::FileStamp stamp) const {
    WEFT_TRY(const std::string bytes, bytes_of(file.original));
    const std::string made = file.copy + ".new";
    unlink(made.c_str());
    const Fd fd(open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400));
    if (fd.get() < 0) return failed("can't make", made);
    const bool done = write_whole(fd.get(), bytes) && fchown(fd.get(), user_, user_) == 0 &&
                      rename(made.c_str(), file.copy.c_str()) == 0;
    if (!done) {
        const auto why = failed("can't write", made);
        unlink(made.c_str());
        return why;
    }
    file.stamp = stamp;
    return {};
}

Result<> CredentialCopies::add(std::string& path, const std::string& folder) {
    std::error_code none;
    if (!path.starts_with('/') || !fs::is_regular_file(path, none)) return {};
    for (const File& known : files_) {
        if (known.original != path) continue;
        path = known.copy;
        return {};
    }
    if (files_.empty()) WEFT_TRY_VOID(make_folder(folder, user_));
    File file{path, str_cat(folder, '/', files_.size() + 1), {}, false};
    WEFT_TRY_VOID(write(file, security::FileStamp::of(path)));
    path = file.copy;
    files_.push_back(std::move(file));
    return {};
}

Result<CredentialCopies> CredentialCopies::make(security::ClientSettings& settings, const std::string& folder,
                                                std::uint32_t user) {
    CredentialCopies copies;
    copies.user_ = user;
    for (std::string* const file : {&settings.tls.trust_certs, &settings.tls.certificate, &settings.tls.key})
        WEFT_TRY_VOID(copies.add(*file, folder));
    Result<> done;
    settings.auth_params = with_named_files(settings.auth_params, [&](std::string path) {
        if (done) done = copies.add(path, folder);
        return path;
    });
    if (!done) return std::unexpected(std::move(done).error());
    return copies;
}

void CredentialCopies::renew(Stamps& looked_at) {
    for (File& file : files_) {
        auto [known, is_new] = looked_at.try_emplace(file.original);
        if (is_new) known->second = security::FileStamp::of(file.original);
        if (known->second == file.stamp || known->second.size < 0) continue;
        const auto done = write(file, known->second);
        if (!done && !file.is_told)
            observe::Logger("supervisor")
                .warn("a changed credential can't be copied for an instance, which keeps the last one",
                      {{"file", file.original}, {"why", done.error().message}});
        file.is_told = !done;
    }
}

std::string first_private_file(const InstanceSpec& spec, bool covers) {
    const auto refused = [covers, &own = spec.credentials_directory](const std::string& path,
                                                                     mode_t what) -> std::string {
        if (!path.starts_with('/')) return "";
        std::error_code none;
        if (!covers) {
            for (const fs::path& each : {fs::path(path), fs::canonical(path, none)}) {
                if (auto closed = first_closed_folder(each); !closed.empty()) return closed;
            }
        }
        return path == own || others_may(path, what) ? "" : path;
    };
    for (const std::string& path : files_of(spec)) {
        if (auto found = refused(path, to_read(path)); !found.empty()) return found;
    }
    for (const std::string& path : spec.containment.writable) {
        if (auto found = refused(path, to_read(path) | S_IWOTH); !found.empty()) return found;
    }
    return "";
}

OwnUser give_own_user(InstanceSpec& spec) {
    OwnUser none;
    if (spec.containment.level == containment::Level::none) return none;
    none.why_not = spec.users.why_none;
    if (!spec.users.pool) return none;
    auto own = own_user_of(spec);
    if (own) return std::move(*own);
    none.why_not = own.error().message;
    std::error_code ignored;  // what stays is its worker's
    if (!spec.credentials_directory.empty()) fs::remove_all(spec.credentials_directory, ignored);
    return none;
}

}  // namespace weft::runtime
