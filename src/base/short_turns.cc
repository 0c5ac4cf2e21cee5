#include "base/short_turns.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace weft {
namespace {

constexpr std::uint64_t kShortTurnNs = 100'000;  // the shortest that there is
constexpr std::uint64_t kLongTurnNs = 10'000'000;  // usual ones are one to three milliseconds
constexpr std::uint64_t kResetOnFork = 1;        // SCHED_FLAG_RESET_ON_FORK

/// The kernel's, in its first version; not every C library has it.
struct Attributes {
    std::uint32_t size = sizeof(Attributes);
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;  // of SCHED_OTHER: the length of a turn
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

template <class Change>
void change(const Change& change) {
    // By its number, which a contained process may use for its first thread.
    const auto self = static_cast<pid_t>(syscall(SYS_gettid));
    Attributes own;
    if (syscall(SYS_sched_getattr, self, &own, sizeof own, 0U) != 0) return;
    if (own.policy != SCHED_OTHER) return;
    own.size = sizeof own;
    change(own);
    (void)syscall(SYS_sched_setattr, self, &own, 0U);  // it is as it was, then
}

}  // namespace

void take_short_turns() {
    change([](Attributes& own) { own.runtime = kShortTurnNs; });
}

void take_long_turns() {
    change([](Attributes& own) { own.runtime = kLongTurnNs; });
}

void give_usual_turns_to_what_starts() {
    change([](Attributes& own) { own.flags |= kResetOnFork; });
}

}  // namespace weft
