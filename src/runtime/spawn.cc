#include "runtime/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/fd.h"
#include "runtime/instance_main.h"

extern char** environ;

namespace weft::runtime {
namespace {

std::unexpected<Error> failed(const char* what) {
    return fail(ErrorCode::io, "can't start an instance: ", what, ": ", std::strerror(errno));
}

/// posix_spawn's two lists of things to do in the child.
struct SpawnPlan {
    SpawnPlan(int control, int output, int lease) {
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
        if (lease >= 0) posix_spawn_file_actions_adddup2(&actions, lease, kLeaseFd);
        posix_spawn_file_actions_adddup2(&actions, control, kControlFd);
        // Whatever else is open here without close-on-exec (sockets, as Asio makes them) must not live on in
        // the child.
        posix_spawn_file_actions_addclosefrom_np(&actions, lease >= 0 ? kLeaseFd + 1 : kControlFd + 1);
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        // A group of its own: Ctrl-C in the worker's terminal is the worker's, which then stops its instances
        // in order.
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes,
                                 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

}  // namespace

Result<Child> spawn_instance(const std::string& name, int lease) {
    int pair[2], pipe_ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return failed("socketpair");
    Fd ours(pair[0]), theirs(pair[1]);
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return failed("pipe");
    Fd output_read(pipe_ends[0]), output_write(pipe_ends[1]);
    // What the child's own numbers would overwrite, or dup2 onto itself would leave close-on-exec, is moved
    // away.
    const auto moved_away = [](int fd) {
        return fd >= 0 && fd <= kLeaseFd ? fcntl(fd, F_DUPFD_CLOEXEC, kLeaseFd + 1) : -1;
    };
    Fd moved(moved_away(theirs.get())), moved_output(moved_away(output_write.get())),
        moved_lease(moved_away(lease));
    const int control = moved.get() >= 0 ? moved.get() : theirs.get();
    const int output = moved_output.get() >= 0 ? moved_output.get() : output_write.get();

    const SpawnPlan plan(control, output, moved_lease.get() >= 0 ? moved_lease.get() : lease);
    std::string program = "weft", command = "instance", shown = name;
    char* const arguments[] = {program.data(), command.data(), shown.data(), nullptr};
    Child child;
    const int error =
        posix_spawn(&child.pid, "/proc/self/exe", &plan.actions, &plan.attributes, arguments, environ);
    if (error != 0) {
        errno = error;
        return failed("posix_spawn");
    }
    child.pidfd = static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0));
    if (child.pidfd < 0) {
        const auto why = failed("pidfd_open");
        kill(child.pid, SIGKILL);
        waitpid(child.pid, nullptr, 0);
        return why;
    }
    for (const int fd : {ours.get(), output_read.get()}) fcntl(fd, F_SETFL, O_NONBLOCK);
    child.control = ours.release();
    child.output = output_read.release();
    return child;
}

std::string reap(const Child& child) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED) != 0) return "unknown end";
    if (info.si_code == CLD_EXITED) return str_cat("exit code ", info.si_status);
    return str_cat("killed by signal ", info.si_status, " (", strsignal(info.si_status), ")");
}

}  // namespace weft::runtime
