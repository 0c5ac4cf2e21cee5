#include "pace.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

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

KeptAwake::KeptAwake() {
    for (unsigned cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu) {
        threads_.emplace_back([cpu](const std::stop_token& stop) {
            const sched_param none{};
            if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0) return;
            cpu_set_t own;
            CPU_ZERO(&own);
            CPU_SET(cpu, &own);
            (void)pthread_setaffinity_np(pthread_self(), sizeof own, &own);
            while (!stop.stop_requested()) {
            }
        });
    }
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
