#pragma once
// Time: the monotonic clock for deadlines, the wall clock for timestamps that users see, and Deadline.

#include <chrono>
#include <cstdint>

namespace weft {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

using namespace std::chrono_literals;

/// Now on the monotonic clock.
SteadyTime steady_now();
/// Milliseconds since the epoch on the wall clock: Pulsar's publish time and event time.
std::uint64_t wall_clock_ms();

/// When to give up waiting: a point in time that is handed down, so that nested waits share one limit.
class Deadline {
  public:
    static Deadline after(Duration d) { return Deadline(steady_now() + d); }
    static Deadline at(SteadyTime t) { return Deadline(t); }
    static Deadline never() { return Deadline(SteadyTime::max()); }

    bool is_never() const { return at_ == SteadyTime::max(); }
    bool passed() const { return steady_now() >= at_; }
    /// Time left, never negative; a year when there is no limit.
    Duration left() const;
    SteadyTime time() const { return at_; }
    /// The earlier of this one and `d` from now.
    Deadline at_most(Duration d) const;

  private:
    explicit Deadline(SteadyTime t) : at_(t) {}
    SteadyTime at_;
};

}  // namespace weft
