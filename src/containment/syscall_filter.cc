// Which system calls are refused: what would let one process meddle with another of the same user or with the
// machine, and what Landlock doesn't look at.

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>

#include "containment/detail/parts.h"

namespace weft::containment::detail {
namespace {

// Stands in a filter for the id of the process that enters it, which isn't known yet.
constexpr std::uint32_t kOwnProcess = 0x5af07e57;

constexpr const char* kRefused[] = {
    // Others' memory, files and state
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp",
    "pidfd_getfd", "migrate_pages", "move_pages", "perf_event_open",
    // The machine
    "mount", "umount2", "umount", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
    "open_tree", "move_mount", "mount_setattr", "swapon", "swapoff", "init_module", "finit_module",
    "delete_module", "create_module", "bpf", "reboot", "kexec_load", "kexec_file_load", "acct", "quotactl",
    "quotactl_fd", "syslog", "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime",
    "clock_adjtime64", "adjtimex", "stime", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
    "nfsservctl", "lookup_dcookie", "fanotify_init",
    // Ways around: by handle, into other namespaces, past this filter
    "open_by_handle_at", "name_to_handle_at", "setns", "unshare", "userfaultfd", "personality",
    // What belongs to the user and not to a process: keys, shared memory, queues
    "keyctl", "add_key", "request_key", "shmget", "shmat", "semget", "msgget", "mq_open"};

class Builder {
  public:
    explicit Builder(scmp_filter_ctx context) : context_(context) {}

    /// A call that neither libseccomp nor this kernel knows is refused by the kernel.
    void refuse(const char* call, int error, std::initializer_list<scmp_arg_cmp> where = {}) {
        const int number = seccomp_syscall_resolve_name(call);
        if (number == __NR_SCMP_ERROR) return;
        const int done = seccomp_rule_add_array(context_, SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)),
                                                number, static_cast<unsigned>(where.size()), where.begin());
        // -EINVAL, -EDOM: a call of another architecture
        if (done < 0 && done != -EINVAL && done != -EDOM && error_ == 0) error_ = -done;
    }
    int error() const { return error_; }

  private:
    scmp_filter_ctx context_;
    int error_ = 0;
};

scmp_arg_cmp argument_is(unsigned at, std::uint64_t value) { return {at, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp argument_is_not(unsigned at, std::uint64_t value) { return {at, SCMP_CMP_NE, value, 0}; }
scmp_arg_cmp has_bit(unsigned at, std::uint64_t bit) { return {at, SCMP_CMP_MASKED_EQ, bit, bit}; }

void refuse_processes(Builder& builder) {
    // glibc takes clone() then, whose flags can be looked at.
    builder.refuse("clone3", ENOSYS);
    for (const int flag : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER,
                           CLONE_NEWPID, CLONE_NEWNET})
        builder.refuse("clone", EPERM, {has_bit(0, static_cast<std::uint64_t>(flag))});
    // How others are scheduled and what they may. 0: the caller itself.
    builder.refuse("prlimit64", EPERM, {argument_is_not(0, 0)});
    for (const char* const call : {"sched_setaffinity", "sched_setparam", "sched_setscheduler"})
        builder.refuse(call, EPERM, {argument_is_not(0, 0)});
    // Short turns are for what waits (base/short_turns.h): the first thread may give them up for what it
    // starts, nobody may take them.
    builder.refuse("sched_setattr", EPERM, {argument_is_not(0, kOwnProcess)});
    builder.refuse("setpriority", EPERM, {argument_is_not(0, PRIO_PROCESS)});
    builder.refuse("setpriority", EPERM, {argument_is(0, PRIO_PROCESS), argument_is_not(1, 0)});
    constexpr std::uint64_t kOneProcess = 1;  // IOPRIO_WHO_PROCESS
    builder.refuse("ioprio_set", EPERM, {argument_is_not(0, kOneProcess)});
    builder.refuse("ioprio_set", EPERM, {argument_is(0, kOneProcess), argument_is_not(1, 0)});
}

/// Where Landlock can't: to itself alone, also not to what it has started.
void refuse_signals(Builder& builder) {
    for (const char* const call : {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
        builder.refuse(call, EPERM, {argument_is_not(0, kOwnProcess)});
    builder.refuse("tkill", EPERM);
    builder.refuse("pidfd_send_signal", EPERM);
}

void refuse_sockets(Builder& builder, bool may_listen) {
    // Whoever listens on a Unix socket takes this process for the worker's user; what is in the ring of
    // io_uring is not seen here.
    builder.refuse("io_uring_setup", ENOSYS);
    builder.refuse("socket", EAFNOSUPPORT, {argument_is(0, AF_UNSPEC)});
    builder.refuse("socket", EAFNOSUPPORT, {argument_is(0, AF_UNIX)});
    for (std::uint64_t family = 3; family < AF_INET6; ++family)
        builder.refuse("socket", EAFNOSUPPORT, {argument_is(0, family)});
    for (std::uint64_t family = AF_INET6 + 1; family < AF_NETLINK; ++family)
        builder.refuse("socket", EAFNOSUPPORT, {argument_is(0, family)});
    builder.refuse("socket", EAFNOSUPPORT, {{0, SCMP_CMP_GT, AF_NETLINK, 0}});
    if (!may_listen) builder.refuse("listen", EACCES);
}

void refuse_what_landlock_does_not_see(Builder& builder, const Kernel& kernel) {
    for (const std::uint64_t request : {std::uint64_t{TIOCSTI}, std::uint64_t{TIOCLINUX}})
        builder.refuse("ioctl", EPERM, {{1, SCMP_CMP_MASKED_EQ, 0xffffffffU, request}});
    if (kernel.landlock < 6) refuse_signals(builder);
    if (kernel.landlock < 3) builder.refuse("truncate", EPERM);
    if (kernel.mounts) return;
    // By descriptor it may: of files that it could open.
    for (const char* const call : {"chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat",
                                   "setxattr", "lsetxattr", "removexattr", "lremovexattr"})
        builder.refuse(call, EPERM);
}

Result<Filter> exported(scmp_filter_ctx context) {
    const int fd = memfd_create("weft-filter", MFD_CLOEXEC);
    if (fd < 0) return fail(ErrorCode::io, "no filter of system calls: ", std::strerror(errno));
    Filter filter;
    const int done = seccomp_export_bpf(context, fd);
    const off_t size = done == 0 ? lseek(fd, 0, SEEK_END) : 0;
    filter.resize(static_cast<std::size_t>(size) / sizeof(sock_filter));
    const ssize_t read = pread(fd, filter.data(), static_cast<std::size_t>(size), 0);
    close(fd);
    if (done != 0 || size == 0 || read != size)
        return fail(ErrorCode::io, "no filter of system calls: libseccomp can't write it");
    return filter;
}

}  // namespace

bool has_filters() {
    const std::uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

Result<Filter> make_filter(const Rules& rules, const Kernel& kernel) {
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> context(seccomp_init(SCMP_ACT_ALLOW),
                                                                   seccomp_release);
    if (!context) return fail(ErrorCode::io, "no filter of system calls: libseccomp has no memory");
    // Kernels before 5.11 walk the filter at each call: in a tree that is short.
    seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    Builder builder(context.get());
    for (const char* const call : kRefused) builder.refuse(call, EPERM);
    refuse_processes(builder);
    refuse_sockets(builder, !rules.ports.empty());
    refuse_what_landlock_does_not_see(builder, kernel);
    if (builder.error() != 0)
        return fail(ErrorCode::io, "no filter of system calls: ", std::strerror(builder.error()));
    return exported(context.get());
}

bool enter_filter(Filter& filter) {
    for (sock_filter& step : filter) {
        const bool compares = BPF_CLASS(step.code) == BPF_JMP && BPF_SRC(step.code) == BPF_K;
        if (compares && step.k == kOwnProcess) step.k = static_cast<std::uint32_t>(getpid());
    }
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    // Before 5.16 the kernel slows down whoever has a filter, against what a browser's scripts could do.
    constexpr unsigned kNoSlowing = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kNoSlowing, &program) == 0;
}

}  // namespace weft::containment::detail
