#include "runtime/health_watch.h"

#include <gmock/gmock.h>

namespace weft::runtime {
namespace {

using testing::HasSubstr;
using testing::Optional;

const SteadyTime kStart{};

TEST(HealthWatchTest, only_user_code_without_progress_is_a_hang) {
    HealthWatch watch({.call_limit = 10s, .answer_limit = 60s}, 0s);
    watch.answered(5, false, "message 1", kStart);
    watch.answered(5, false, "message 1", kStart + 1h);
    EXPECT_FALSE(watch.hung(kStart + 1h)) << "idle";
    watch.answered(6, true, "message 2", kStart + 1h);
    watch.answered(7, true, "message 3", kStart + 1h + 9s);
    EXPECT_FALSE(watch.hung(kStart + 1h + 18s)) << "slow, and goes on";
    EXPECT_THAT(watch.concern(kStart + 1h + 18s), Optional(HasSubstr("no progress for 9 s")));
    watch.answered(7, true, "message 3", kStart + 1h + 18s);
    EXPECT_THAT(watch.hung(kStart + 1h + 19s), Optional(HasSubstr("on message 3; one call may last 10 s")));
    watch.restart();
    EXPECT_FALSE(watch.hung(kStart + 2h));
    EXPECT_FALSE(watch.concern(kStart + 2h));
}

TEST(HealthWatchTest, a_functions_own_timeout_gives_it_longer) {
    HealthWatch watch({.call_limit = 10s, .answer_limit = 60s}, 30s);
    watch.answered(1, true, "message", kStart);
    EXPECT_FALSE(watch.hung(kStart + 29s));
    EXPECT_TRUE(watch.hung(kStart + 30s));
}

TEST(HealthWatchTest, no_answer_is_a_hang) {
    HealthWatch watch({.call_limit = 10s, .answer_limit = 60s}, 0s);
    watch.asked(kStart);
    watch.asked(kStart + 30s);
    EXPECT_FALSE(watch.hung(kStart + 59s));
    EXPECT_THAT(watch.hung(kStart + 60s), Optional(HasSubstr("not answered its supervisor for 60 s")));
    watch.answered(1, false, "", kStart + 61s);
    EXPECT_FALSE(watch.hung(kStart + 1h));
}

TEST(HealthWatchTest, can_be_off) {
    HealthWatch watch({.call_limit = 0s, .answer_limit = 60s}, 30s);
    EXPECT_FALSE(watch.on());
    watch.asked(kStart);
    watch.answered(1, true, "message", kStart);
    EXPECT_FALSE(watch.hung(kStart + 24h));
}

}  // namespace
}  // namespace weft::runtime
