#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "containment/detail/parts.h"

namespace weft::containment {
namespace {

/// In a child: this process keeps its own view.
bool can_have_mounts() {
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        std::vector<detail::CoverStep> none;
        _exit(detail::take_own_mounts({}, none) ? 0 : 1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

Result<Level> level_of(std::string_view name) {
    if (name == "none") return Level::none;
    if (name == "basic") return Level::basic;
    if (name == "strict") {
        return fail(ErrorCode::not_supported,
                    "strict: there is no such level yet, it would hide the names of files and processes from "
                    "each instance; give basic, or none");
    }
    return fail(ErrorCode::invalid_argument, name, ": give basic, or none");
}

Kernel find_kernel(UserRange users) {
    return {.landlock = detail::landlock_version(),
            .filters = detail::has_filters(),
            .mounts = can_have_mounts(),
            .users = !users.empty() && detail::can_give_user(users.first)};
}

std::vector<std::string> not_held(const Kernel& kernel, bool on_ports) {
    std::vector<std::string> list;
    if (kernel.landlock == 0) list.emplace_back("files (the kernel has no Landlock)");
    if (!kernel.filters) list.emplace_back("system calls (the kernel takes no filters)");
    if (kernel.landlock < 6 && !kernel.filters) list.emplace_back("signals to others");
    if (on_ports && kernel.landlock < 4)
        list.emplace_back("listening on TCP ports (Landlock's version 4 is needed)");
    return list;
}

}  // namespace weft::containment
