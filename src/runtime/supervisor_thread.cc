#include "runtime/supervisor_thread.h"

#include <algorithm>
#include <mutex>
#include <thread>

namespace weft::runtime {
namespace {
// A child works for 20 to 200 ms until it runs, a JVM for seconds; then there is something else that it waits
// for.
constexpr Duration kTurnMax = 1s;
// Much of a start is waiting for the broker's and the worker's answers.
constexpr std::size_t kAtOncePerProcessor = 4;
// One look at each file for all instances.
constexpr Duration kLookEvery = 1s;
}  // namespace

SupervisorThread::SupervisorThread()
    : thread_("supervisor"),
      starts_(thread_.loop(), kAtOncePerProcessor * std::max(std::thread::hardware_concurrency(), 1U),
              kTurnMax),
      copies_(thread_.loop()) {}

void CopiesWatch::add(CredentialCopies& copies) {
    all_.insert(&copies);
    if (std::exchange(waits_, true)) return;
    loop_.after(kLookEvery, [this] { look(); });
}

void CopiesWatch::look() {
    waits_ = false;
    CredentialCopies::Stamps stamps;
    for (CredentialCopies* const each : all_) each->renew(stamps);
    if (!all_.empty()) add(**all_.begin());
}

std::shared_ptr<SupervisorThread> supervisor_thread() {
    static std::mutex mutex;
    static std::weak_ptr<SupervisorThread> running;  // owned by the supervisors together
    const std::lock_guard lock(mutex);
    auto thread = running.lock();
    if (!thread) running = thread = std::make_shared<SupervisorThread>();
    return thread;
}

}  // namespace weft::runtime
