#pragma once
// Doing things at their times: what keeps the generator itself out of the latencies that it measures.

#include <cstdint>

namespace weft::bench {

/// What is done so long after its time was held up by the machine or by us, not by a broker.
inline constexpr std::uint64_t kLateNs = 200'000;

std::uint64_t monotonic_ns();

/// Puts this thread, and those it starts from now on, before all ordinary ones (SCHED_FIFO), so that a busy
/// machine doesn't hold up what it sends and receives. False where that isn't allowed.
bool take_precedence();

/// While it lives, an idle processor polls instead of sleeping (the kernel's latency request,
/// /dev/cpu_dma_latency at 0): a virtual processor that sleeps is given away by the host, and comes back
/// milliseconds late at times. Nobody's time is taken, and both sides are measured like this. Where that
/// device can't be opened, or the kernel has no idle driver, nothing changes, and late sends tell of it.
class KeptAwake {
  public:
    KeptAwake();
    ~KeptAwake();
    KeptAwake(const KeptAwake&) = delete;
    KeptAwake& operator=(const KeptAwake&) = delete;

  private:
    int request_;  // the request holds as long as this is open; -1: there is none
};

/// Returns at `when_ns` of CLOCK_MONOTONIC: sleeps until shortly before, then spins, for a timer's interrupt
/// comes tens of microseconds late.
void wait_until(std::uint64_t when_ns);

}  // namespace weft::bench
