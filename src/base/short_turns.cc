#include "base/short_turns.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

namespace weft {
namespace {

constexpr std::uint64_t kShortTurnNs = 100'000;    // the shortest that there is
constexpr std::uint64_t kLongTurnNs = 10'000'000;  // usual ones are one to three milliseconds
constexpr std::uint64_t kResetOnFork = 1;          // SCHED_FLAG_RESET_ON_FORK

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

std::optional<Attributes> attributes_of(pid_t thread) {
    Attributes found;
    if (syscall(SYS_sched_getattr, thread, &found, sizeof found, 0U) != 0) return std::nullopt;
    found.size = sizeof found;
    return found;
}
bool set(pid_t thread, const Attributes& attributes) {
    return syscall(SYS_sched_setattr, thread, &attributes, 0U) == 0;
}
// Not 0 for itself: a contained process may use the number of its first thread alone.
pid_t own_number() { return static_cast<pid_t>(syscall(SYS_gettid)); }

template <class Change>
void change(const Change& change) {
    auto own = attributes_of(own_number());
    if (!own || own->policy != SCHED_OTHER) return;
    change(*own);
    (void)set(own_number(), *own);  // it is as it was, then
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

FirstTurns::FirstTurns() : thread_(own_number()) {
    const auto own = attributes_of(thread_);
    if (!own || own->policy != SCHED_OTHER || own->nice > 0) return;
    nice_ = own->nice;
    turn_ = own->runtime;
    may_ = true;
}

void FirstTurns::take() {
    if (!may_ || taken_) return;
    taken_ = may_ = set(thread_, {.policy = SCHED_FIFO, .flags = kResetOnFork, .priority = 1});
}

void FirstTurns::give_back() {
    if (!taken_) return;
    taken_ = !set(thread_, {.flags = kResetOnFork, .nice = nice_, .runtime = turn_});
}

}  // namespace weft
