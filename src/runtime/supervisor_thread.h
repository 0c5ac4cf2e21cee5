#pragma once
// The one loop of all supervisors of this process, and the gate through which their children start.

#include <memory>

#include "async/loop.h"
#include "runtime/start_gate.h"

namespace weft::runtime {

class SupervisorThread final {
  public:
    SupervisorThread();
    ~SupervisorThread() { thread_.stop(); }
    SupervisorThread(const SupervisorThread&) = delete;
    SupervisorThread& operator=(const SupervisorThread&) = delete;
    async::Loop& loop() { return thread_.loop(); }
    StartGate& starts() { return starts_; }  // on the loop only

  private:
    async::LoopThread thread_;
    StartGate starts_;
};

/// Goes with the last of those who hold it. It must be one that lives long: a child is killed when the thread
/// that started it ends.
std::shared_ptr<SupervisorThread> supervisor_thread();

}  // namespace weft::runtime
