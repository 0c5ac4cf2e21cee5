#include "runtime/supervisor_thread.h"

#include <mutex>

namespace weft::runtime {

std::shared_ptr<async::LoopThread> supervisor_thread() {
    static std::mutex mutex;
    static std::weak_ptr<async::LoopThread> running;  // owned by the supervisors together
    const std::lock_guard lock(mutex);
    auto thread = running.lock();
    if (!thread) running = thread = std::make_shared<async::LoopThread>("supervisor");
    return thread;
}

}  // namespace weft::runtime
