#include "pace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

namespace weft::bench {
namespace {
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kSpinNs = 60'000;
constexpr int kPriority = 10;
}  // namespace

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

bool take_precedence() {
    prctl(PR_SET_TIMERSLACK, 1);
    const sched_param priority{.sched_priority = kPriority};
    return sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

KeptAwake::KeptAwake() : request_(open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC)) {
    const std::int32_t microseconds = 0;
    if (request_ >= 0) (void)!write(request_, &microseconds, sizeof microseconds);
}

KeptAwake::~KeptAwake() {
    if (request_ >= 0) close(request_);
}

void wait_until(std::uint64_t when_ns) {
    const std::uint64_t sleep_until = when_ns - kSpinNs;
    const timespec when{.tv_sec = static_cast<time_t>(sleep_until / kNsPerSecond),
                        .tv_nsec = static_cast<long>(sleep_until % kNsPerSecond)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {
    }
    while (monotonic_ns() < when_ns) {
    }
}

}  // namespace weft::bench
