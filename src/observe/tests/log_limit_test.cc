#include "observe/log_limit.h"

#include <gtest/gtest.h>

namespace weft::observe {
namespace {

TEST(LogLimitTest, lets_one_through_in_each_interval_and_counts_the_others) {
    LogLimit limit(10s);
    const SteadyTime start = steady_now();
    EXPECT_EQ(limit.take(start), 0U);
    EXPECT_EQ(limit.take(start + 1s), std::nullopt);
    EXPECT_EQ(limit.take(start + 9s), std::nullopt);
    EXPECT_EQ(limit.take(start + 10s), 2U);
    EXPECT_EQ(limit.take(start + 30s), 0U);
}

TEST(LogLimitTest, no_address_hides_another_and_there_are_so_many) {
    LogLimits limits(10s, 2);
    const SteadyTime start = steady_now();
    EXPECT_EQ(limits.take("a", start), 0U);
    EXPECT_EQ(limits.take("a", start + 1s), std::nullopt);
    EXPECT_EQ(limits.take("b", start + 2s), 0U);
    EXPECT_EQ(limits.take("c", start + 2s), 0U);  // in the place of all others
    EXPECT_EQ(limits.take("d", start + 3s), std::nullopt);
    EXPECT_EQ(limits.take("d", start + 11s), 0U) << "a's place is free";
    EXPECT_EQ(limits.take("b", start + 12s), 0U);
}

}  // namespace
}  // namespace weft::observe
