#pragma once
// ThreadRuntime: runs C++ functions on threads of this process, for those who choose it. An instance costs a
// fraction of a process; a crash of it takes the whole process down, and one that hangs can't be killed.

#include <atomic>
#include <memory>
#include <mutex>

#include "pulsar/client.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// Any thread. Its instances may outlive it.
class ThreadRuntime final {
  public:
    ThreadRuntime(RestartPolicy restart, HealthPolicy health) : restart_(restart), health_(health) {}

    /// Starts an instance on a thread of its own; all of them share one Pulsar client. Languages other than
    /// native are refused.
    Result<std::unique_ptr<Supervisor>> start(InstanceSpec spec);
    /// Threads that did not end when they were told to. They run on: what they use must stay until the
    /// process ends, without its usual ceremony.
    std::uint32_t abandoned() const { return abandoned_->load(); }

  private:
    Result<std::shared_ptr<pulsar::Client>> client_for(const InstanceSpec& given);

    const RestartPolicy restart_;
    const HealthPolicy health_;
    // Counted by supervisors, which may end later.
    const std::shared_ptr<std::atomic<std::uint32_t>> abandoned_ =
        std::make_shared<std::atomic<std::uint32_t>>(0);
    std::mutex mutex_;
    std::weak_ptr<pulsar::Client> client_;  // guarded by mutex_; the instances own it together
};

}  // namespace weft::runtime
