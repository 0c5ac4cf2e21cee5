#pragma once
// ProgramInstance: runs a Java or Go function, which is a program of Pulsar's SDK, as a child of this
// process, and speaks for it. This process is what its supervisor starts, watches and kills: the program ends
// with it (PR_SET_PDEATHSIG), and so lease, restarts and the end of the worker are as for every other
// instance.

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/instance.h"
#include "runtime/instance_control.h"

namespace weft::runtime {

class ProgramInstance final {
  public:
    /// Starts the program. The thread that calls this must be the one that calls run(): the program ends with
    /// it.
    static Result<std::unique_ptr<ProgramInstance>> start(const InstanceSpec& spec);
    ~ProgramInstance();  // kills
    ProgramInstance(const ProgramInstance&) = delete;
    ProgramInstance& operator=(const ProgramInstance&) = delete;

    /// Returns when the program has ended: the status that waitpid() gives. `running` is called once, when it
    /// answers. One that never answers is killed, which `failed` is told of.
    int run(const Instance::Events& events);

    // Any thread, as of Instance.
    void stop(Deadline drain);  // SIGTERM, and at the deadline SIGKILL; returns when the program has ended
    /// Nothing: it does not answer. Whether it is in user code can't be told from outside.
    std::optional<Instance::Health> health() const;
    void status(::proto::FunctionStatus& status) const;
    void metrics(::proto::MetricsData& metrics) const;

  private:
    ProgramInstance(pid_t pid, int pidfd, InstanceControl control);
    bool wait_for_end(Duration at_most) const;
    void signal_program(int signal) const;

    const pid_t pid_;
    const int pidfd_;  // readable when the program has ended
    const InstanceControl control_;
    const SteadyTime started_ = steady_now();
    std::atomic<std::uint64_t> answers_{0};        // to health checks
    std::atomic<std::int64_t> last_answer_ns_{0};  // of the steady clock
    std::atomic<bool> stopping_{false};
};

/// Ends this process as the program ended, by the same signal or with the same exit code, so that its
/// supervisor can tell.
[[noreturn]] void end_like(int wait_status);

}  // namespace weft::runtime
