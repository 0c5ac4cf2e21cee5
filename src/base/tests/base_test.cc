#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace weft {
namespace {

Result<int> half_of(int number) {
    if (number % 2 != 0) return fail(ErrorCode::invalid_argument, "not even: ", number);
    return number / 2;
}
Result<int> quarter_of(int number) {
    WEFT_TRY(const int half, half_of(number));
    return half_of(half);
}

TEST(ResultTest, try_hands_on_value_and_error) {
    EXPECT_EQ(quarter_of(8), 2);
    EXPECT_EQ(quarter_of(6).error(), (Error{ErrorCode::invalid_argument, "not even: 3"}));
}

TEST(ResultTest, the_table_gives_status_and_name) {
    EXPECT_EQ(http_status_of(ErrorCode::not_found), 404);
    EXPECT_EQ(name_of(ErrorCode::disk_full), "disk_full");
    EXPECT_TRUE(is_retriable(ErrorCode::unavailable));
}

TEST(BytesTest, a_slice_keeps_its_block_alive) {
    Bytes part;
    {
        const Bytes whole = Bytes::from("a block of text");
        part = whole.slice(2, 5);
    }
    EXPECT_EQ(part.view(), "block");
    EXPECT_EQ(part.slice(3).view(), "ck");
}

TEST(DeadlineTest, a_shorter_limit_wins) {
    EXPECT_LE(Deadline::never().at_most(1s).left(), 1s);
    EXPECT_TRUE(Deadline::after(-1s).passed());
    EXPECT_EQ(Deadline::after(-1s).left(), Duration::zero());
}

}  // namespace
}  // namespace weft
