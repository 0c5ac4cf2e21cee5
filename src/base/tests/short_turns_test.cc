#include "base/short_turns.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
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

TEST(ShortTurns, first_turns_are_for_one_thread_that_may) {
    std::thread([] {
        sched_param none{};
        if (sched_setscheduler(0, SCHED_OTHER, &none) != 0) GTEST_SKIP() << "may not run as usual";
        take_short_turns();
        const std::uint64_t before = turn();
        FirstTurns turns;
        EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER) << "not yet";
        turns.take();
        if (sched_getscheduler(0) == SCHED_OTHER) GTEST_SKIP() << "may not come first";
        EXPECT_EQ(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
        std::thread([&turns] {
            EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
            turns.give_back();
        }).join();
        EXPECT_EQ(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
        EXPECT_EQ(turn(), before);
    }).join();
    std::thread([] {
        sched_param none{};
        if (sched_setscheduler(0, SCHED_OTHER, &none) != 0) GTEST_SKIP() << "may not run as usual";
        ASSERT_EQ(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5), 0);
        FirstTurns turns;
        turns.take();
        EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER) << "who starts it with less wants it so";
    }).join();
}

TEST(ShortTurns, another_policy_stays) {
    std::thread([] {
        sched_param none{};
        ASSERT_EQ(sched_setscheduler(0, SCHED_IDLE, &none), 0);
        take_short_turns();
        give_usual_turns_to_what_starts();
        FirstTurns turns;
        turns.take();
        EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
    }).join();
}

}  // namespace
}  // namespace weft
