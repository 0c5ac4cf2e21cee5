#pragma once
// HandlerPool: a few threads that run handlers. They start when there is work and no idle thread, so a server
// that nobody asks anything costs none.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weft::http {

class HandlerPool {
  public:
    using Job = std::move_only_function<void()>;

    HandlerPool(std::uint32_t threads_max, std::uint32_t waiting_max)
        : threads_max_(threads_max), waiting_max_(waiting_max) {}
    ~HandlerPool() { stop(); }

    /// Queues a job; false when too many wait already or the pool was stopped (then the job is not run).
    bool submit(Job job);
    /// Waits for the jobs that run; drops those that wait. May be called twice.
    void stop();

  private:
    void work();

    // fixed after construction
    const std::uint32_t threads_max_, waiting_max_;

    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::deque<Job> waiting_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool stopped_ = false;
};

}  // namespace weft::http
