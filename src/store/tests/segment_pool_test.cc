// Segments are made, and filled with zeros, before anyone waits for them.

#include <gtest/gtest.h>

#include "store/directory.h"
#include "store/testing/sim_file_system.h"
#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

using Call = SimFileSystem::Call;

constexpr std::uint64_t kSegmentBytes = 2U << 20;
const StoreOptions kOptions{.directory = "/data", .segment_bytes = kSegmentBytes, .tail_cache_bytes = 1000};

class SegmentPoolTest : public testing::Test {
  protected:
    SegmentPoolTest() { EXPECT_TRUE(files_.make_directories("/data")); }

    SimFileSystem files_;
    Directory directory_{files_, "/data", 0};
    SegmentPool pool_{directory_, kSegmentBytes, 4};
};

TEST_F(SegmentPoolTest, what_is_prepared_is_filled_part_by_part_and_synced) {
    pool_.prepare(1);
    std::size_t parts = 0;
    while (pool_.fill_prepared()) ++parts;
    EXPECT_EQ(parts, 4U);
    const auto taken = pool_.take(1);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written_to, kSegmentBytes);
    EXPECT_EQ(files_.durable_only()->content("/data/" + segment_name(1)), std::string(kSegmentBytes, '\0'));
    EXPECT_FALSE(pool_.fill_prepared());  // it is in use: nothing of ours goes there any more
}

TEST_F(SegmentPoolTest, what_is_taken_early_says_how_far_it_was_written) {
    pool_.prepare(1);
    EXPECT_TRUE(pool_.fill_prepared());
    const auto taken = pool_.take(1);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written_to, kSegmentBytes / 4);
}

TEST_F(SegmentPoolTest, a_file_that_is_used_again_is_not_filled) {
    ASSERT_TRUE(pool_.take(1));
    ASSERT_TRUE(pool_.give(segment_name(1)));
    pool_.prepare(2);
    EXPECT_FALSE(pool_.fill_prepared());
    const auto taken = pool_.take(2);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written_to, kSegmentBytes);
}

TEST_F(SegmentPoolTest, a_write_that_fails_ends_the_filling) {
    for (const Call call : {Call::write, Call::sync}) {
        files_.fail(call, 1, ErrorCode::io);
        pool_.prepare(1);
        EXPECT_FALSE(pool_.fill_prepared());
    }
    const auto taken = pool_.take(1);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->written_to, 0U);
}

// The first write to the second segment is not a group's: it is made to fail, and no group does.
TEST(SegmentPool, the_store_fills_the_next_segment_from_half_of_this_one) {
    SimFileSystem files;
    StoreOnLoop opened(files, kOptions);
    const LedgerId ledger = opened.create_ledger();
    files.fail(Call::write, 1, ErrorCode::io, 1, segment_name(2));
    const std::string text(100'000, 't');
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(opened.append(ledger, text));
    ASSERT_EQ(opened.read(ledger, 0, 1)->size(), 1U);  // behind the filling in the worker's queue
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(opened.append(ledger, text));
    EXPECT_EQ(opened.read_all(ledger).size(), 24U);
}

}  // namespace
}  // namespace weft::store
