#include "service.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/short_turns.h"
#include "observe/log.h"
#include "service_manager.h"
#include "worker/worker.h"

namespace weft::app {

namespace {

constexpr Duration kStopGrace = 10s;

observe::Level level_of(std::string_view name) {
    if (name == "debug") return observe::Level::debug;
    if (name == "warn") return observe::Level::warn;
    if (name == "error") return observe::Level::error;
    return name == "off" ? observe::Level::off : observe::Level::info;
}

// Signals that end the program, as something to wait for. The handlers stay as they are for the process's
// life; no signal is blocked, because children would inherit that.
class EndSignal {
  public:
    EndSignal() {
        fd_ = ::eventfd(0, EFD_CLOEXEC);
        struct sigaction action{};
        action.sa_handler = [](int) {
            const int saved = errno;
            const std::uint64_t one = 1;
            (void)!::write(fd_, &one, sizeof one);
            errno = saved;
        };
        ::sigaction(SIGTERM, &action, nullptr);
        ::sigaction(SIGINT, &action, nullptr);
        // A reader of our output that goes away must not end us. Not SIG_IGN: children would inherit that.
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGPIPE, &action, nullptr);
    }
    void wait() const {
        while (!came_within(-1)) {
        }
    }
    /// Whether one came by then; -1: waits for ever.
    bool came_within(int milliseconds) const {
        pollfd waits{.fd = fd_, .events = POLLIN, .revents = 0};
        return ::poll(&waits, 1, milliseconds) == 1;
    }

  private:
    static inline int fd_ = -1;  // a signal handler reaches nothing but globals
};

// Thousands of connections need as many descriptors.
void raise_descriptor_limit(std::string_view who) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        observe::Logger(std::string(who))
            .warn("can't raise the limit of open files", {{"reason", std::strerror(errno)}});
}

// Asks again and again, ever less often. False: a signal came first.
bool wait_until_ready(const Service& service, const EndSignal& end) {
    for (int pause = 5; !service.ready(); pause = std::min(2 * pause, 200)) {
        if (end.came_within(pause)) return false;
    }
    return true;
}

}  // namespace

int serve(const Call& call, const std::function<Result<std::unique_ptr<Service>>()>& start) {
    const std::string name(call.entry.word);
    take_short_turns();
    ::mallopt(M_ARENA_MAX, 2);  // an arena per thread would cost megabytes at rest
    observe::set_level(level_of(call.arguments.text("--log-level")));
    raise_descriptor_limit(name);
    const EndSignal end;
    const ServiceManager service_manager;
    auto service = start();
    if (!service) return print_error(str_cat("weft ", name, ": ", service.error().message)), kFailed;
    if (wait_until_ready(**service, end)) {
        print((*service)->ready_line());
        service_manager.tell("READY=1");
        end.wait();
    }
    service_manager.tell("STOPPING=1");
    observe::Logger(name).info("stopping");
    service->reset();
    return kDone;
}

void stop_worker(worker::Worker& worker) {
    worker.stop(Deadline::after(kStopGrace));
    if (worker.threads_left_behind() == 0) return;
    // What was confirmed is on the disk.
    observe::Logger("worker").error("ends at once: threads of functions do not end");
    std::_Exit(1);
}

Result<std::uint16_t> port_of(const config::Arguments& arguments, std::string_view name) {
    const std::int64_t port = arguments.integer(name);
    if (port < 0 || port > 65535)
        return fail(ErrorCode::invalid_argument, name, ' ', port,
                    ": a port is from 1 to 65535, or 0 for a free one");
    return static_cast<std::uint16_t>(port);
}

std::unexpected<Error> listen_error(Error error, std::string_view option, std::uint16_t port) {
    if (error.code == ErrorCode::conflict)
        error.message += "; stop it, or choose another port (0 takes a free one)";
    return std::unexpected(std::move(error).context(str_cat(option, ' ', port)));
}

bool is_loopback(std::string_view bind) {
    return bind == "localhost" || bind == "::1" || bind.starts_with("127.");
}

void warn_of_strangers(std::string_view bind, std::string_view ports) {
    if (is_loopback(bind)) return;
    observe::Logger("service").warn(
        "listening beyond this machine without authentication: whoever reaches the ports can read and "
        "change everything and run functions; keep them behind a firewall, or use --bind 127.0.0.1",
        {{"bind", bind}, {"ports", ports}});
}

}  // namespace weft::app
