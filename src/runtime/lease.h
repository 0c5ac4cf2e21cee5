#pragma once
// Lease: instances run only while their worker shows signs of life (the fence of a cluster of workers).
//
// A worker that was stopped or starved looks dead to the others, who then run its instances; its own must
// have ended by then. So a worker renews its lease on a page that its children share; a child that finds it
// not renewed for its whole duration ends at once. A worker that finds that itself (it woke up late) does not
// renew any more, and starts no instance, until somebody has found out what is still its own, and reinstates
// it. Loss of the broker has nothing to do with it.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/result.h"

namespace weft::runtime {

/// What a child sees: when the lease was renewed last, in nanoseconds of the steady clock, which all
/// processes of a machine share.
struct LeasePage {
    std::atomic<std::int64_t> renewed_ns;
};

/// The worker's side. Any thread.
class Lease final {
  public:
    /// Children end after `duration` (100 ms at least) without a renewal; it is renewed eight times in that
    /// time by a thread of its own. `lapsed` is called on that thread, once for each lapse; it must not
    /// block. `now` is for tests.
    static Result<std::unique_ptr<Lease>> start(Duration duration, std::function<void()> lapsed,
                                                std::function<SteadyTime()> now = steady_now);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Duration duration() const { return duration_; }
    int fd() const { return fd_; }  // of the page; close-on-exec
    /// Whether instances may run.
    bool held() const;
    /// Instances may run again; nothing if it is held.
    void reinstate();

  private:
    Lease(Duration duration, int fd, LeasePage* page, std::function<void()> lapsed,
          std::function<SteadyTime()> now);
    void run();
    bool is_stale() const;  // with mutex_ held, as reinstate() writes too
    void renew();

    const Duration duration_;
    const int fd_;
    LeasePage* const page_;
    const std::function<void()> lapsed_;
    const std::function<SteadyTime()> now_;
    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable stop_;
    bool stopping_ = false, has_lapsed_ = false;
    std::thread thread_;
};

/// How a child ends whose worker has not renewed its lease.
inline constexpr int kLeaseOverExit = 75;

/// The child's side: a thread watches the page behind `fd` and ends the process when the lease is over.
/// Nothing is drained and nothing written: whoever would read it may be stopped.
Result<> end_with_lease(int fd, Duration duration);

}  // namespace weft::runtime
