#include "package/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/fd.h"
#include "base/short_turns.h"

namespace weft::package {
namespace {

std::unexpected<Error> failed(const Program& program, std::string_view what) {
    return fail(ErrorCode::io, "Can't run ", program.arguments.front(), ": ", what, ": ",
                std::strerror(errno));
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // posix_spawn's old face
    out.push_back(nullptr);
    return out;
}

/// The child: alive until its group was killed and it was waited for.
class Child {
  public:
    ~Child() {
        if (pid_ > 0) end();
    }
    Result<> start(const Program& program, int input, int output, int errors) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
        posix_spawn_file_actions_addchdir_np(&actions, program.directory.c_str());
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes,
                                 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        give_usual_turns_to_what_starts();
        const int error =
            posix_spawn(&pid_, program.arguments.front().c_str(), &actions, &attributes,
                        pointers_to(program.arguments).data(), pointers_to(program.environment).data());
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (error == 0) return {};
        pid_ = -1;
        errno = error;
        return failed(program, "posix_spawn");
    }
    pid_t pid() const { return pid_; }
    /// Kills what is left of the group and takes the end.
    int end() {
        // The child is not waited for yet, so its number, and the group's, can't be somebody else's.
        ::kill(-pid_, SIGKILL);
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
        }
        pid_ = -1;
        return info.si_code == CLD_EXITED ? info.si_status : -1;
    }

  private:
    pid_t pid_ = -1;
};

/// Reads what is there; false at the end.
bool take_output(int fd, std::string& out, std::size_t bytes_max) {
    std::array<char, 8192> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    out.append(buffer.data(), std::min(static_cast<std::size_t>(n), bytes_max - out.size()));
    return n > 0;
}

int milliseconds(Deadline deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.at_most(1h).left());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

}  // namespace

Result<ProgramEnd> run_program(const Program& program, Deadline deadline, int cancel_fd) {
    const Fd input(::memfd_create("input", MFD_CLOEXEC));
    if (input.get() < 0) return failed(program, "memfd_create");
    if (::write(input.get(), program.input.data(), program.input.size()) !=
            static_cast<ssize_t>(program.input.size()) ||
        ::lseek(input.get(), 0, SEEK_SET) != 0) {
        return failed(program, "its input");
    }
    std::array<int, 2> out_pipe{-1, -1}, error_pipe{-1, -1};
    if (::pipe2(out_pipe.data(), O_CLOEXEC) != 0) return failed(program, "pipe");
    Fd out_read(out_pipe[0]), out_write(out_pipe[1]);
    if (::pipe2(error_pipe.data(), O_CLOEXEC) != 0) return failed(program, "pipe");
    Fd error_read(error_pipe[0]), error_write(error_pipe[1]);
    Child child;
    WEFT_TRY_VOID(child.start(program, input.get(), out_write.get(), error_write.get()));
    out_write.reset();
    error_write.reset();
    const Fd exited(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
    if (exited.get() < 0) return failed(program, "pidfd_open");

    ProgramEnd end;
    std::array<pollfd, 4> polled{{{exited.get(), POLLIN, 0},
                                  {cancel_fd, POLLIN, 0},
                                  {out_read.get(), POLLIN, 0},
                                  {error_read.get(), POLLIN, 0}}};
    bool has_ended = false;
    while (!has_ended || polled[2].fd >= 0 || polled[3].fd >= 0) {
        const int count = ::poll(polled.data(), polled.size(), milliseconds(deadline));
        if (count < 0 && errno != EINTR) return failed(program, "poll");
        if (deadline.passed()) {
            return fail(ErrorCode::deadline_exceeded, program.arguments.front(),
                        " did not end in time and was killed");
        }
        if (count <= 0) continue;
        if (polled[1].revents != 0) return fail(ErrorCode::cancelled, "the worker is stopping");
        has_ended = polled[0].revents != 0;
        bool had_output = false;
        for (const std::size_t at : {2U, 3U}) {
            if (polled.at(at).revents == 0) continue;
            had_output = true;
            if (!take_output(polled.at(at).fd, at == 2 ? end.output : end.errors, program.output_bytes_max))
                polled.at(at).fd = -1;
        }
        if (has_ended && !had_output) break;  // something that it started keeps its output open
    }
    end.exit_code = child.end();
    return end;
}

}  // namespace weft::package
