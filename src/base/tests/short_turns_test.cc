#include "base/short_turns.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <thread>

namespace weft {
namespace {

/// Of the calling thread, in nanoseconds; 0: this kernel doesn't say.
std::uint64_t turn() {
    std::array<std::uint64_t, 6> attributes{};
    if (syscall(SYS_sched_getattr, 0, attributes.data(), sizeof attributes, 0U) != 0) return 0;
    return attributes[3];
}
std::uint64_t turn_of_new_thread() {
    std::uint64_t found = 0;
    std::thread([&] { found = turn(); }).join();
    return found;
}

TEST(ShortTurns, are_for_a_thread_and_what_it_starts_until_it_says_otherwise) {
    std::thread([] {
        sched_param none{};
        if (sched_setscheduler(0, SCHED_OTHER, &none) != 0) GTEST_SKIP() << "may not run as usual";
        const std::uint64_t usual = turn();
        if (usual == 0) GTEST_SKIP() << "the kernel has no turns to set";
        take_short_turns();
        EXPECT_EQ(turn(), 100'000U);
        EXPECT_EQ(turn_of_new_thread(), 100'000U);
        give_usual_turns_to_what_starts();
        EXPECT_EQ(turn(), 100'000U);
        EXPECT_EQ(turn_of_new_thread(), usual);
        take_long_turns();
        EXPECT_EQ(turn(), 10'000'000U);
    }).join();
}

TEST(ShortTurns, another_policy_stays) {
    std::thread([] {
        sched_param none{};
        ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &none), 0);
        take_short_turns();
        give_usual_turns_to_what_starts();
        EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
    }).join();
}

}  // namespace
}  // namespace weft
