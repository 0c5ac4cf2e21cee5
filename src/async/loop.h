#pragma once
// Loop: one thread's queue of work, with timers. It is the strand of this house: state that belongs to a loop
// is touched only by functions that run on it, so it needs no lock.

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace boost::asio {
class io_context;
}

namespace weft::async {

using Action = std::move_only_function<void()>;
using TimerId = std::uint64_t;

/// Runs posted actions and timers, in one thread (whoever calls run()), in the order they were posted.
class Loop final {
  public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Queues an action. Any thread. After stop() the action is dropped when the Loop is destroyed, without
    /// being run.
    void post(Action action);
    /// Runs the action once, after `delay`, unless cancelled. On the loop only. Ids are never reused.
    TimerId after(Duration delay, Action action);
    /// Drops a timer that has not run; does nothing for one that has. On the loop only.
    void cancel(TimerId id);

    /// Runs until stop(); then returns, leaving what is queued.
    void run();
    /// Makes run() return soon. Any thread, also a signal-safe wrapper's thread; may be called twice.
    void stop();
    /// Whether the caller is on the thread that is inside run().
    bool on_loop() const;

    /// For adapters of sockets (async/, http/) only.
    boost::asio::io_context& context();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// What a thread is to the scheduler where there is not enough processor for all. `light`: nicer by 10, about
/// a tenth of what the others of this process get, and they need not wait for it.
enum class Weight : std::uint8_t { full, light };

/// A Loop with a thread of its own: started by the constructor, stopped and joined by the destructor.
class LoopThread final {
  public:
    /// `name` shows in ps and top (15 characters at most).
    explicit LoopThread(const char* name, Weight weight = Weight::full);
    ~LoopThread();
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;

    Loop& loop() { return loop_; }
    /// Stops the loop and joins the thread; may be called twice.
    void stop();

  private:
    struct Thread;
    Loop loop_;
    std::unique_ptr<Thread> thread_;
};

}  // namespace weft::async
