// A user of its own for a process that runs somebody else's code: what one of them may, no other may.

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <initializer_list>

#include "containment/detail/parts.h"

namespace weft::containment {
namespace {

constexpr std::uint32_t kLowest = 1000;                    // below are the system's own
constexpr std::uint32_t kHighest = 4294967293;             // above is what stands for nobody in some calls
constexpr std::uint32_t kOfOldSystems[] = {65534, 65535};  // nobody, and -1 in 16 bits

bool take_number(std::string_view text, std::uint32_t& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<UserRange> user_range_of(std::string_view text) {
    if (text == "none") return UserRange{};
    const std::size_t dash = text.find('-');
    UserRange range;
    if (dash == std::string_view::npos || !take_number(text.substr(0, dash), range.first) ||
        !take_number(text.substr(dash + 1), range.last))
        return fail(ErrorCode::invalid_argument, text, ": give FIRST-LAST, two ids of users, or none");
    if (range.first < kLowest || range.last > kHighest || range.last < range.first)
        return fail(ErrorCode::invalid_argument, text, ": ids are from ", kLowest, " to ", kHighest,
                    ", and the first is not above the last");
    if (range.last - range.first >= kUsersMax)
        return fail(ErrorCode::invalid_argument, text, ": give at most ", kUsersMax, " ids");
    for (const std::uint32_t id : kOfOldSystems) {
        if (range.first <= id && id <= range.last)
            return fail(ErrorCode::invalid_argument, text, ": ", id,
                        " is nobody's and must not be among them");
    }
    return range;
}

namespace detail {
namespace {

bool has_capabilities(std::initializer_list<unsigned> wanted) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, held) != 0) return false;
    for (const unsigned each : wanted) {  // all of them are below 32
        if ((held[0].effective & (1U << each)) == 0) return false;
    }
    return true;
}

}  // namespace

bool take_user(std::uint32_t user) {
    const pid_t parent = getppid();
    int when_parent_ends = 0;
    if (prctl(PR_GET_PDEATHSIG, &when_parent_ends) != 0) return false;
    // By system calls: the library's own would wait for threads, which a child of fork() hasn't.
    if (syscall(SYS_setgroups, 0UL, nullptr) != 0 || syscall(SYS_setresgid, user, user, user) != 0 ||
        syscall(SYS_setresuid, user, user, user) != 0)
        return false;
    // Both are taken from a process that changes its user.
    if (prctl(PR_SET_PDEATHSIG, when_parent_ends) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0) return false;
    if (when_parent_ends == 0 || getppid() == parent) return true;
    errno = ESRCH;
    return false;
}

bool can_give_user(std::uint32_t user) {
    // It gives it files, reads and removes what it has made, and ends it.
    if (!has_capabilities({CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID}))
        return false;
    return succeeds_in_child([user] { return take_user(user); });  // in some namespaces there is no such user
}

}  // namespace detail
}  // namespace weft::containment
