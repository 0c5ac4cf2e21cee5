// Which files may be opened, which ports listened on, who may be signalled: Landlock, by its system calls.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "containment/detail/parts.h"

namespace weft::containment::detail {
namespace {

// Of linux/landlock.h, which knows only a part of it on Debian 12.
struct RulesetAttributes {
    std::uint64_t files = 0, ports = 0, scoped = 0;
};
struct [[gnu::packed]] PathRule {
    std::uint64_t allowed;
    std::int32_t parent;
};
struct PortRule {
    std::uint64_t allowed, port;
};
constexpr std::uint32_t kAskVersion = 1;
constexpr int kPathBeneath = 1, kNetPort = 2;
constexpr std::uint64_t kExecute = 1U << 0U, kWriteFile = 1U << 1U, kReadFile = 1U << 2U,
                        kReadFolder = 1U << 3U, kMakeCharDevice = 1U << 6U, kMakeBlockDevice = 1U << 11U,
                        kRefer = 1U << 13U, kTruncate = 1U << 14U, kDeviceControl = 1U << 15U;
constexpr std::uint64_t kOfFirstVersion = (1U << 13U) - 1;
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate;
constexpr std::uint64_t kBind = 1U << 0U;
constexpr std::uint64_t kAbstractSockets = 1U << 0U, kSignals = 1U << 1U;

std::uint64_t files_handled(std::uint32_t version) {
    return kOfFirstVersion | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0) |
           (version >= 5 ? kDeviceControl : 0);
}

std::unexpected<Error> failed(std::string_view what) {
    return fail(ErrorCode::io, "can't contain the instance: ", what, ": ", std::strerror(errno));
}

Result<> allow(int ruleset, const std::string& path, std::uint64_t rights) {
    const Fd parent(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (parent.get() < 0) {
        // One that can't be reached is none that the function could use.
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? Result<>() : failed(path);
    }
    struct stat about{};
    if (fstat(parent.get(), &about) != 0) return failed(path);
    const PathRule rule{S_ISDIR(about.st_mode) ? rights : rights & kOfFiles, parent.get()};
    if (syscall(SYS_landlock_add_rule, ruleset, kPathBeneath, &rule, 0U) != 0) return failed(path);
    return {};
}

}  // namespace

std::uint32_t landlock_version() {
    const long version = syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, kAskVersion);
    return version > 0 ? static_cast<std::uint32_t>(version) : 0;
}

Result<int> make_ruleset(const Rules& rules, std::uint32_t version) {
    if (version == 0) return -1;
    const std::uint64_t handled = files_handled(version);
    const RulesetAttributes attributes{.files = handled,
                                       .ports = version >= 4 ? kBind : 0,
                                       .scoped = version >= 6 ? kAbstractSockets | kSignals : 0};
    // An older kernel takes no more than it knows.
    const std::size_t size = version >= 6 ? sizeof attributes : version >= 4 ? 16 : 8;
    Fd ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0U)));
    if (ruleset.get() < 0) return failed("landlock_create_ruleset");
    const std::uint64_t reads = kReadFile | kReadFolder | kExecute;
    const std::uint64_t writes = handled & ~(kMakeCharDevice | kMakeBlockDevice | kDeviceControl);
    WEFT_TRY_VOID(allow(ruleset.get(), "/dev/null", kReadFile | kWriteFile));
    for (const std::string& path : rules.readable) WEFT_TRY_VOID(allow(ruleset.get(), path, reads));
    for (const std::string& path : rules.writable) WEFT_TRY_VOID(allow(ruleset.get(), path, writes));
    if (version >= 4) {
        for (const std::uint16_t port : rules.ports) {
            const PortRule rule{kBind, port};
            if (syscall(SYS_landlock_add_rule, ruleset.get(), kNetPort, &rule, 0U) != 0)
                return failed(str_cat("port ", port));
        }
    }
    return ruleset.release();
}

bool allow_proc(int ruleset) {
    const int proc = open("/proc", O_PATH | O_CLOEXEC);
    if (proc < 0) return false;
    const PathRule rule{kReadFile | kReadFolder, proc};
    const bool added = syscall(SYS_landlock_add_rule, ruleset, kPathBeneath, &rule, 0U) == 0;
    close(proc);
    return added;
}

bool enter_ruleset(int ruleset) { return syscall(SYS_landlock_restrict_self, ruleset, 0U) == 0; }

}  // namespace weft::containment::detail
