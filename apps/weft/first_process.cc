#include "first_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>

namespace weft::app {
namespace {

/// Waits for all that have ended; what `program` returned, if it is among them.
std::optional<int> wait_for_ended(pid_t program) {
    std::optional<int> end;
    int status = 0;
    for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended == program) end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return end;
}

}  // namespace

int as_first_process(const std::function<int()>& program) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    const pid_t child = fork();
    if (child <= 0) {
        sigprocmask(SIG_SETMASK, &before, nullptr);
        return program();
    }
    for (;;) {
        siginfo_t about{};
        const int signal = sigwaitinfo(&all, &about);
        if (signal == SIGCHLD) {
            if (const auto end = wait_for_ended(child)) return *end;
        } else if (signal > 0 && about.si_code != SI_KERNEL) {
            kill(child, signal);  // a terminal's signal it has got by itself
        }
    }
}

}  // namespace weft::app
