#include "runtime/instance_main.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>
#include <utility>

#include "base/short_turns.h"
#include "observe/log.h"
#include "runtime/control_frames.h"
#include "runtime/instance.h"
#include "runtime/instance_rules.h"
#include "runtime/lease.h"
#include "runtime/program_instance.h"
#include "runtime/proto/control.pb.h"
#include "runtime/resource_limits.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

const observe::Logger kLog("instance");

/// The instance's end of the control channel.
class Channel {
  public:
    explicit Channel(int fd) : fd_(fd) {}

    /// Waits for the next request; nothing: the supervisor is gone.
    bool receive(control::Request& request) {
        for (;;) {
            std::string message;
            const auto whole = reader_.next(message);
            if (!whole) return false;
            if (*whole) return request.ParseFromString(message);
            char buffer[16384];
            const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
            if (n == 0 || (n < 0 && errno != EINTR)) return false;
            if (n > 0) reader_.add({buffer, static_cast<std::size_t>(n)});
        }
    }
    void send(const control::Answer& answer) {
        const std::lock_guard lock(mutex_);
        (void)write_all(fd_,
                        control_frame(answer.SerializeAsString()));  // a lost supervisor ends us by receive()
    }

  private:
    const int fd_;
    ControlFrameReader reader_;  // of the thread that receives
    std::mutex mutex_;           // one frame at a time
};

security::ClientSettings settings_of(const control::Security& security) {
    return {.auth_plugin = security.auth_plugin(),
            .auth_params = security.auth_params(),
            .tls = {security.trust_certs(), security.certificate(), security.key()},
            .allow_insecure = security.allow_insecure(),
            .verify_hostname = security.verify_hostname()};
}

containment::Settings settings_of(const control::Containment& containment) {
    return {.level = static_cast<containment::Level>(containment.level()),
            .readable = {containment.readable().begin(), containment.readable().end()},
            .writable = {containment.writable().begin(), containment.writable().end()},
            .kernel = {.landlock = containment.landlock(),
                       .filters = containment.filters(),
                       .mounts = containment.mounts()}};
}

InstanceSpec spec_of(const control::Spec& spec) {
    return {.function_details = spec.function_details(),
            .instance_id = spec.instance_id(),
            .function_id = spec.function_id(),
            .function_version = spec.function_version(),
            .language = static_cast<Language>(spec.language()),
            .package_path = spec.package_path(),
            .service_url = spec.service_url(),
            .web_service_url = spec.web_service_url(),
            .security = settings_of(spec.security()),
            .cluster_name = spec.cluster_name(),
            .worker_id = spec.worker_id(),
            .python = spec.python(),
            .scratch_directory = spec.scratch_directory(),
            .java = {.program = spec.java().program(),
                     .instance_jar = spec.java().instance_jar(),
                     .class_path = spec.java().class_path(),
                     .extra_dependencies = spec.java().extra_dependencies(),
                     .arguments = {spec.java().arguments().begin(), spec.java().arguments().end()}},
            .containment = settings_of(spec.containment()),
            .user = spec.user(),
            .asks = static_cast<Asks>(spec.asks()),
            .on_ask = {}};
}

/// Answers the supervisor until it is gone, and then ends the process: an instance without a worker must not
/// run. `instance` is an Instance or a ProgramInstance.
template <class Served>
[[noreturn]] void serve(Channel& channel, Served& instance) {
    control::Request request;
    while (channel.receive(request)) {
        control::Answer answer;
        answer.set_id(request.id());
        switch (request.what_case()) {
            case control::Request::kStatus: {
                ::proto::FunctionStatus status;
                instance.status(status);
                status.SerializeToString(answer.mutable_status());
                channel.send(answer);
                break;
            }
            case control::Request::kMetrics: {
                ::proto::MetricsData metrics;
                instance.metrics(metrics);
                metrics.SerializeToString(answer.mutable_metrics());
                channel.send(answer);
                break;
            }
            case control::Request::kHealth: {
                const std::optional<Instance::Health> health = instance.health();
                if (!health) break;  // it is not: the supervisor waits for the answer as long as it will
                answer.mutable_health()->set_steps(health->steps);
                answer.mutable_health()->set_in_user_code(health->in_user_code);
                answer.mutable_health()->set_about(health->about);
                channel.send(answer);
                break;
            }
            case control::Request::kStopWithinMs:
                instance.stop(Deadline::after(std::chrono::milliseconds(request.stop_within_ms())));
                break;
            case control::Request::kAdmit:
                if constexpr (requires { instance.admit(request.admit()); }) instance.admit(request.admit());
                break;
            default:
                break;
        }
    }
    _exit(1);
}

// Not past what user code left running.
[[noreturn]] void leave(int code) {
    std::fflush(nullptr);
    _exit(code);
}

[[noreturn]] void fail_with(Channel& channel, const Error& why) {
    kLog.error("the function can't run", {{"why", why.message}});
    control::Answer event;
    event.set_failed(why.message);
    channel.send(event);
    leave(1);
}

void tell_running(Channel& channel) {
    control::Answer event;
    event.set_running(true);
    channel.send(event);
}

/// A Java or Go function: this process is its keeper, and ends when it does.
[[noreturn]] void run_program(Channel& channel, const InstanceSpec& spec) {
    const auto program = ProgramInstance::start(spec);
    if (!program) fail_with(channel, program.error());
    std::thread([&] { serve(channel, **program); }).detach();  // ends with the process
    end_like((*program)->run({.running = [&channel] { tell_running(channel); },
                              .failed = [](const Error& why) { kLog.error(why.message); }}));
}

/// Writes where the function thread stands; the process is about to be killed, so nothing here need be
/// careful. A language's host may have a better one.
void print_stack(int) {
    void* frames[64];
    const int count = backtrace(frames, 64);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

}  // namespace

int run_instance(int control_fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(kWhereSignal, print_stack);
    std::signal(SIGPIPE, SIG_IGN);
    fcntl(control_fd, F_SETFD, FD_CLOEXEC);
    setvbuf(stdout, nullptr, _IOLBF, 0);  // what user code prints shows line by line

    take_short_turns();

    Channel channel(control_fd);
    control::Request request;
    if (!channel.receive(request) || !request.has_start()) {
        std::fputs("weft instance: no supervisor on descriptor 3; instances are started by weft itself\n",
                   stderr);
        return 1;
    }
    const InstanceSpec given = spec_of(request.start());
    const bool is_program = given.language == Language::java || given.language == Language::go;
    const auto& joined_by = request.start().joined_by();
    auto group = GroupEntry::open({joined_by.begin(), joined_by.end()});
    if (!group) fail_with(channel, group.error());
    if (is_program || request.start().joins_first()) {
        if (const auto joined = std::exchange(*group, {}).enter(); !joined)
            fail_with(channel, joined.error());
    }
    const auto limited = limit_own_data(request.start().data_bytes_max());
    if (!limited) fail_with(channel, limited.error());
    if (const auto entered = enter_scratch(given); !entered) fail_with(channel, entered.error());
    // From here on, this process may be contained; only now it gets its second thread.
    if (request.start().lease_ms() > 0) {
        const auto watched = end_with_lease(kLeaseFd, std::chrono::milliseconds(request.start().lease_ms()));
        close(kLeaseFd);
        if (!watched) fail_with(channel, watched.error());
    }
    if (is_program) run_program(channel, given);
    auto spec = FunctionSpec::from(given);
    if (!spec) fail_with(channel, spec.error());

    Instance instance(std::move(*spec));
    std::thread([&] { serve(channel, instance); }).detach();  // ends with the process
    instance.run({.running = [&channel] { tell_running(channel); },
                  .failed = [&channel](const Error& why) { fail_with(channel, why); },
                  .before_code = [&group] { return group->enter(); },
                  .asks =
                      [&channel](Subscribing what, std::uint64_t number) {
                          control::Answer event;
                          event.mutable_ask()->set_number(number);
                          event.mutable_ask()->set_again(what == Subscribing::again);
                          channel.send(event);
                      }});
    leave(0);
}

}  // namespace weft::runtime
