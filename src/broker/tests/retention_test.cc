#include "broker/retention.h"

#include <gtest/gtest.h>

namespace weft::broker {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

// A topic that grows by 1,000 entries of 10 MiB in all each minute.
struct Growing {
    SteadyTime start = SteadyTime{} + 1h;
    RetentionMarks marks;
    RetentionInput input;

    explicit Growing(int minutes) {
        for (int minute = 0; minute <= minutes; ++minute) {
            input.now = start + std::chrono::minutes(minute);
            input.end = 1000U * static_cast<unsigned>(minute);
            input.bytes = 10 * kMiB * static_cast<unsigned>(minute);
            marks.note(input.now, input.end, input.bytes);
        }
    }
};

TEST(Retention, unread_topic_keeps_ten_minutes_or_64_MiB) {
    EXPECT_EQ(trim_point(Growing(9).marks, Growing(9).input), 0U);
    const Growing topic(30);
    EXPECT_EQ(trim_point(topic.marks, topic.input), 20'000U) << "ten minutes are more than 64 MiB here";
    auto later = topic.input;
    later.now += 24h;
    EXPECT_EQ(trim_point(topic.marks, later), 23'000U) << "old, but the newest 64 MiB stay";
}

TEST(Retention, on_a_full_disk_what_all_have_acked_goes_at_once) {
    Growing topic(9);
    topic.input.acked_by_all = 8'900;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 2'000U) << "the newest 64 MiB stay";
    topic.input.disk_is_full = true;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 8'900U);
    topic.input.policy = {.minutes = -1, .megabytes = -1};
    EXPECT_EQ(trim_point(topic.marks, topic.input), 0U) << "a policy holds";
    topic.input = Growing(9).input;
    topic.input.disk_is_full = true;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 0U) << "nobody has read it";
}

TEST(Retention, what_a_subscription_has_not_acked_stays) {
    Growing topic(60);
    topic.input.acked_by_all = 1234;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 1234U);
}

TEST(Retention, acked_entries_go_when_old_or_beyond_64_MiB) {
    Growing topic(30);
    topic.input.acked_by_all = topic.input.end;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 23'000U);
    topic.input.now += 10min;
    EXPECT_EQ(trim_point(topic.marks, topic.input), 30'000U);
}

TEST(Retention, policy_keeps_more) {
    Growing topic(60);
    topic.input.acked_by_all = topic.input.end;
    topic.input.policy = {-1, -1};
    EXPECT_EQ(trim_point(topic.marks, topic.input), 0U) << "no limit";
    topic.input.policy = {30, -1};
    EXPECT_EQ(trim_point(topic.marks, topic.input), 30'000U);
    topic.input.policy = {-1, 200};
    EXPECT_EQ(trim_point(topic.marks, topic.input), 40'000U);
    topic.input.policy = {30, 200};
    EXPECT_EQ(trim_point(topic.marks, topic.input), 40'000U) << "beyond either limit";
}

TEST(Retention, marks_are_bounded) {
    RetentionMarks marks;
    auto now = SteadyTime{} + 1h;
    for (unsigned i = 0; i < 100'000; ++i) marks.note(now += 1min, i, i);
    EXPECT_GT(marks.older_than(now, 10min), 90'000U) << "the newer half stays fine";
    EXPECT_LE(marks.older_than(now, 10min), 99'990U);
}

}  // namespace
}  // namespace weft::broker
