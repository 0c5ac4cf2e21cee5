#include "runtime/program_instance.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/fd.h"
#include "base/short_turns.h"
#include "runtime/instance_main.h"
#include "runtime/instance_rules.h"
#include "runtime/java_runtime.h"
#include "runtime/lease.h"
#include "runtime/program_command.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

constexpr Duration kCheckEvery = kHealthCheckExpected / 3;
constexpr Duration kLookWhileStarting = 100ms;
constexpr Duration kStartMax = 180s;  // until the program answers for the first time
constexpr Duration kAnswerMax = 5s;   // one call of InstanceControl, as long as Pulsar's worker waits
constexpr Duration kSilenceMax = 3 * kCheckEvery;

std::unexpected<Error> failed(const char* what) {
    return fail(ErrorCode::io, "can't start the function's program: ", what, ": ", std::strerror(errno));
}

/// A port that nobody listens on. The program binds it a moment later, on all addresses: should another be
/// quicker, it ends, and is started again with another port.
class FreePort {
  public:
    FreePort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_ANY);
        socklen_t size = sizeof address;
        if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
            getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
            port_ = ntohs(address.sin_port);
    }
    ~FreePort() { close(fd_); }
    FreePort(const FreePort&) = delete;
    FreePort& operator=(const FreePort&) = delete;
    std::uint16_t port() const { return port_; }  // 0: there is none

  private:
    int fd_;
    std::uint16_t port_ = 0;
};

Result<InstancePorts> free_ports() {
    const FreePort control, metrics;  // both held: they differ
    if (control.port() == 0 || metrics.port() == 0) return failed("no free port");
    return InstancePorts{control.port(), metrics.port()};
}

/// A descriptor of what the program finds on its standard input; in memory, on no disk. -1: nothing.
Result<int> input_of(const std::string& text) {
    if (text.empty()) return -1;
    Fd fd(memfd_create("input", MFD_CLOEXEC));
    if (fd.get() < 0) return failed("memfd_create");
    // It is read from its begin.
    if (!write_whole(fd.get(), text) || lseek(fd.get(), 0, SEEK_SET) != 0) return failed("write its input");
    return fd.release();
}

/// In the child of fork(): only calls that are safe there.
[[noreturn]] void become(char* const* arguments, pid_t parent, const containment::Containment* containment,
                         int input) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    std::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    const char* failed = containment == nullptr ? nullptr : containment->enter();
    if (failed == nullptr && input >= 0 && dup2(input, STDIN_FILENO) < 0) failed = "dup2";
    if (failed == nullptr) {
        syscall(SYS_close_range, 3U, ~0U, 0U);
        execvp(arguments[0], arguments);
        failed = "exec";
    }
    const char* const why = std::strerror(errno);
    for (const char* const part :
         {"can't run ", static_cast<const char*>(arguments[0]), ": ", failed, ": ", why, "\n"})
        (void)!write(STDERR_FILENO, part, std::strlen(part));
    _exit(127);
}

// The program's descriptor, for the signal handler.
std::atomic<int> program_fd{-1};

/// The JVM and Go's runtime print their stacks on SIGQUIT.
void ask_program_where(int) { syscall(SYS_pidfd_send_signal, program_fd.load(), SIGQUIT, nullptr, 0U); }

}  // namespace

Result<std::unique_ptr<ProgramInstance>> ProgramInstance::start(const InstanceSpec& spec) {
    WEFT_TRY(const InstancePorts ports, free_ports());
    WEFT_TRY(std::vector<std::string> words, program_command(spec, ports));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    WEFT_TRY(const std::string input, program_input(spec));
    if (!input.empty()) WEFT_TRY_VOID(check_secrets_jar());
    WEFT_TRY(const int input_number, input_of(input));
    const Fd input_fd(input_number);
    WEFT_TRY(const auto containment, containment_for(spec, {ports.control, ports.metrics}));
    give_usual_turns_to_what_starts();
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return failed("fork");
    if (pid == 0) become(arguments.data(), parent, containment ? &*containment : nullptr, input_fd.get());
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const auto why = failed("pidfd_open");
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        return why;
    }
    program_fd = pidfd;
    std::signal(kWhereSignal, ask_program_where);
    return std::unique_ptr<ProgramInstance>(new ProgramInstance(pid, pidfd, InstanceControl(ports.control)));
}

ProgramInstance::ProgramInstance(pid_t pid, int pidfd, InstanceControl control)
    : pid_(pid), pidfd_(pidfd), control_(control) {}

ProgramInstance::~ProgramInstance() {
    signal_program(SIGKILL);
    std::signal(kWhereSignal, SIG_IGN);
    program_fd = -1;
    close(pidfd_);
}

void ProgramInstance::signal_program(int signal) const {
    syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0U);
}

bool ProgramInstance::wait_for_end(Duration at_most) const {
    pollfd one{pidfd_, POLLIN, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(at_most).count();
    return poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, 600'000))) > 0;
}

int ProgramInstance::run(const Instance::Events& events) {
    Duration pause = kLookWhileStarting;
    while (!wait_for_end(pause)) {
        if (stopping_) {
            pause = kCheckEvery;  // stop() watches over the end
        } else if (control_.health_check(Deadline::after(kAnswerMax))) {
            last_answer_ns_ = steady_now().time_since_epoch().count();
            if (answers_++ == 0) events.running();
            pause = kCheckEvery;
        } else if (answers_ == 0 && steady_now() - started_ > kStartMax) {
            events.failed({ErrorCode::deadline_exceeded,
                           str_cat("the function's program has not answered on its control port for ",
                                   kStartMax / 1s, " s and is killed")});
            signal_program(SIGKILL);
        }
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

void ProgramInstance::stop(Deadline drain) {
    stopping_ = true;
    signal_program(SIGTERM);
    if (wait_for_end(drain.left())) return;
    std::fputs("the function's program did not end in time and is killed\n", stderr);
    signal_program(SIGKILL);
}

std::optional<Instance::Health> ProgramInstance::health() const {
    const SteadyTime last{std::chrono::nanoseconds(last_answer_ns_.load())};
    if (answers_ > 0 && steady_now() - last > kSilenceMax) return std::nullopt;
    return Instance::Health{.steps = answers_, .in_user_code = false, .about = ""};
}

void ProgramInstance::status(::proto::FunctionStatus& status) const {
    std::string why = "starting";
    if (answers_ > 0) {
        const auto asked = control_.function_status(status, Deadline::after(kAnswerMax));
        if (asked) return;
        why = asked.error().message;
        status.Clear();
    }
    status.set_running(false);
    status.set_failureexception(why);
}

void ProgramInstance::metrics(::proto::MetricsData& metrics) const {
    if (answers_ == 0 || !control_.metrics(metrics, Deadline::after(kAnswerMax))) metrics.Clear();
}

void end_like(int wait_status) {
    std::fflush(nullptr);
    if (WIFSIGNALED(wait_status)) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::signal(WTERMSIG(wait_status), SIG_DFL);
        kill(getpid(), WTERMSIG(wait_status));
    }
    const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 1;
    _exit(code == kLeaseOverExit ? 1 : code);  // that one has a meaning of its own
}

}  // namespace weft::runtime
