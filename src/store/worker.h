#pragma once
// Worker: the store's second thread, for all file work that nobody waits for with a sync: cold reads,
// snapshots, indexes, emptied segments. Jobs run one behind the other.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace weft::store {

class Worker final {
  public:
    using Job = std::move_only_function<void()>;

    Worker();
    /// Runs what is queued, then ends the thread.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Any thread.
    void run(Job job);

  private:
    void loop();

    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    std::deque<Job> jobs_;
    bool stopping_ = false;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace weft::store
