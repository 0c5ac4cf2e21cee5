#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "containment/detail/parts.h"

namespace weft::containment {
namespace {

bool can_have(detail::View view) {
    return detail::succeeds_in_child([&view] { return detail::take_own_mounts(view); });
}

bool can_have_root() {
    Rules rules;
    rules.readable = system_folders();
    rules.own_root = true;
    return can_have(detail::plan_view(rules));
}

constexpr std::string_view kLevels[] = {"none", "basic", "strict"};

}  // namespace

bool detail::succeeds_in_child(const std::function<bool()>& attempt) {
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) _exit(attempt() ? 0 : 1);
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<Level> level_of(std::string_view name) {
    for (const Level level : {Level::none, Level::basic, Level::strict}) {
        if (name == name_of(level)) return level;
    }
    return fail(ErrorCode::invalid_argument, name, ": give strict, basic or none");
}

std::string_view name_of(Level level) { return kLevels[static_cast<std::size_t>(level)]; }

Kernel find_kernel(UserRange users, Level level) {
    Kernel kernel{.landlock = detail::landlock_version(),
                  .filters = detail::has_filters(),
                  .mounts = can_have({}),
                  .users = !users.empty() && detail::can_give_user(users.first)};
    kernel.roots = level == Level::strict && kernel.mounts && can_have_root();
    return kernel;
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
