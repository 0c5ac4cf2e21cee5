#pragma once
// ThreadRuntime: runs C++ functions on threads of this process, for those who choose it. An instance costs a
// fraction of a process; a crash of it takes the whole process down, and one that hangs can't be killed.

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "pulsar/client.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// Any thread. Its instances may outlive it.
class ThreadRuntime final {
  public:
    ThreadRuntime(RestartPolicy restart, HealthPolicy health) : restart_(restart), health_(health) {}

    /// Starts an instance on a thread of its own; those that are one to the broker share a Pulsar client.
    /// Languages other than native are refused.
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
    // Guarded by mutex_: one for each who is somebody else to the broker; its instances own it together.
    std::vector<std::pair<security::ClientSettings, std::weak_ptr<pulsar::Client>>> clients_;
};

}  // namespace weft::runtime
