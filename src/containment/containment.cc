#include "containment/containment.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "containment/detail/parts.h"

namespace weft::containment {
namespace {

constexpr int kCapabilitiesMax = 64;

/// Not even the superuser's code may set a bound aside, load a module or read over file modes. What is to be
/// the process's user is taken between, for which a capability is needed.
bool drop_capabilities_for(std::uint32_t user) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3]{};
    const bool has_none =
        syscall(SYS_capget, &header, held) == 0 && (held[0].permitted | held[1].permitted) == 0;
    if (has_none && user == 0) return true;
    for (int capability = 0; capability < kCapabilitiesMax; ++capability) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break;  // the last one was before it
        if (errno != EPERM)
            return false;  // that needs a capability too; without new privileges it's the same
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (user != 0 && !detail::take_user(user)) return false;
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
    return syscall(SYS_capset, &header, none) == 0;
}

bool limit_own(int resource, rlim_t most) {
    rlimit limit{};
    if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return false;
    if (limit.rlim_max <= most && limit.rlim_cur <= most) return true;
    limit.rlim_max = std::min(limit.rlim_max, most);
    limit.rlim_cur = std::min(limit.rlim_cur, most);
    return setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0;
}

}  // namespace

struct Containment::Prepared {
    Kernel kernel;
    std::string directory;
    std::uint32_t user = 0;
    detail::View view;
    int ruleset = -1;  // no Landlock
    detail::Filter filter;

    ~Prepared() {
        if (ruleset >= 0) close(ruleset);
    }
};

Result<Containment> Containment::prepare(const Rules& rules, const Kernel& kernel) {
    auto prepared = std::make_unique<Prepared>();
    prepared->kernel = kernel;
    prepared->directory = rules.directory;
    prepared->user = rules.user;
    if (kernel.mounts) prepared->view = detail::plan_view(rules);
    WEFT_TRY(prepared->ruleset, detail::make_ruleset(rules, kernel.landlock));
    if (kernel.filters) {
        WEFT_TRY(prepared->filter, detail::make_filter(rules, kernel));
    }
    return Containment(std::move(prepared));
}

Containment::Containment(std::unique_ptr<Prepared> prepared) : prepared_(std::move(prepared)) {}
Containment::Containment(Containment&&) noexcept = default;
Containment& Containment::operator=(Containment&&) noexcept = default;
Containment::~Containment() = default;

const char* Containment::enter() const {
    // A write behind the bound fails, as on a full disk; nobody is killed.
    if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return "SIGXFSZ";
    if (!limit_own(RLIMIT_CORE, 0)) return "RLIMIT_CORE";
    if (!limit_own(RLIMIT_FSIZE, kFileBytesMax)) return "RLIMIT_FSIZE";
    if (prepared_->user != 0 && !limit_own(RLIMIT_NPROC, kTasksOfUserMax)) return "RLIMIT_NPROC";
    if (prepared_->kernel.mounts && !detail::take_own_mounts(prepared_->view)) return "mounts";
    const bool own_proc = prepared_->view.own_root && prepared_->ruleset >= 0;
    if (own_proc && !detail::allow_proc(prepared_->ruleset)) return "Landlock";
    if (!prepared_->directory.empty() && chdir(prepared_->directory.c_str()) != 0) return "its directory";
    if (!drop_capabilities_for(prepared_->user)) return "capabilities, or its user";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
    if (prepared_->ruleset >= 0 && !detail::enter_ruleset(prepared_->ruleset)) return "Landlock";
    if (prepared_->kernel.filters && !detail::enter_filter(prepared_->filter)) return "system call filter";
    return nullptr;
}

}  // namespace weft::containment
