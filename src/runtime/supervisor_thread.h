#pragma once
// The one loop of all supervisors of this process, the gate through which their children start, and the look
// at the files that these have copies of.

#include <memory>
#include <set>

#include "async/loop.h"
#include "runtime/own_user.h"
#include "runtime/start_gate.h"

namespace weft::runtime {

/// Renews copies each second, as long as there are any. On its loop only.
class CopiesWatch final {
  public:
    explicit CopiesWatch(async::Loop& loop) : loop_(loop) {}
    /// They stay where they are until they are removed. Nothing if they are there already.
    void add(CredentialCopies& copies);
    void remove(CredentialCopies& copies) { all_.erase(&copies); }

  private:
    void look();

    async::Loop& loop_;
    std::set<CredentialCopies*> all_;
    bool waits_ = false;  // for the next look
};

class SupervisorThread final {
  public:
    SupervisorThread();
    ~SupervisorThread() { thread_.stop(); }
    SupervisorThread(const SupervisorThread&) = delete;
    SupervisorThread& operator=(const SupervisorThread&) = delete;
    async::Loop& loop() { return thread_.loop(); }
    StartGate& starts() { return starts_; }    // on the loop only
    CopiesWatch& copies() { return copies_; }  // on the loop only

  private:
    async::LoopThread thread_;
    StartGate starts_;
    CopiesWatch copies_;
};

/// Goes with the last of those who hold it. It must be one that lives long: a child is killed when the thread
/// that started it ends.
std::shared_ptr<SupervisorThread> supervisor_thread();

}  // namespace weft::runtime
