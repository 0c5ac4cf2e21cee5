#pragma once
// JobPool: a bounded number of threads that run jobs now or at a later time; they start as they are needed.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace weft::worker {

class JobPool final {
  public:
    using Job = std::move_only_function<void()>;

    /// `name` shows in ps (12 characters at most, a number is added).
    JobPool(std::string name, std::uint32_t threads_max);
    ~JobPool();  // stop()
    JobPool(const JobPool&) = delete;
    JobPool& operator=(const JobPool&) = delete;

    /// Runs the job once, on one of the threads, not before `delay` has passed. Dropped after stop(). Any
    /// thread.
    void post(Job job, Duration delay = Duration::zero());
    /// Waits for the jobs that run, drops the rest, joins the threads. May be called twice, not from a job.
    void stop();

  private:
    void run();

    const std::string name_;
    const std::uint32_t threads_max_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::multimap<SteadyTime, Job> jobs_;
    std::vector<std::thread> threads_;
    std::uint32_t idle_ = 0;
    bool stopping_ = false;
};

}  // namespace weft::worker
