#include "broker/cursor.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weft::broker {
namespace {

TEST(Cursor, moves_its_position_over_acks_in_order) {
    Cursor cursor(5);
    EXPECT_TRUE(cursor.ack(5));
    EXPECT_TRUE(cursor.ack(6));
    EXPECT_EQ(cursor.position(), 7U);
    EXPECT_FALSE(cursor.ack(6)) << "acked before";
    EXPECT_FALSE(cursor.ack(2)) << "below the start";
    EXPECT_EQ(cursor.range_count(), 0U);
}

TEST(Cursor, keeps_ranges_and_joins_them) {
    Cursor cursor;
    cursor.ack(2);
    cursor.ack(4);
    EXPECT_EQ(cursor.range_count(), 2U);
    EXPECT_EQ(cursor.backlog(10), 8U);
    cursor.ack(3);
    EXPECT_EQ(cursor.range_count(), 1U);
    EXPECT_EQ(cursor.next_unacked(0), 0U);
    EXPECT_EQ(cursor.next_unacked(2), 5U);
    cursor.ack(0);
    cursor.ack(1);
    EXPECT_EQ(cursor.position(), 5U);
    EXPECT_EQ(cursor.range_count(), 0U);
    EXPECT_EQ(cursor.backlog(10), 5U);
}

TEST(Cursor, cumulative_ack_swallows_ranges) {
    Cursor cursor;
    cursor.ack_range(3, 6);
    cursor.ack_range(8, 12);
    cursor.ack_below(9);
    EXPECT_EQ(cursor.position(), 12U);
    EXPECT_EQ(cursor.backlog(12), 0U);
    cursor.ack_below(4);
    EXPECT_EQ(cursor.position(), 12U) << "never backwards";
}

TEST(Cursor, acks_messages_of_a_batch_bit_by_bit) {
    Cursor cursor;
    const std::int64_t without_first[] = {0b1110};
    EXPECT_EQ(cursor.ack_bits(0, without_first), 3U);
    EXPECT_FALSE(cursor.is_acked(0));
    EXPECT_EQ(cursor.pending_bits(0).size(), 1U);
    const std::int64_t without_last[] = {0b0111};
    EXPECT_EQ(cursor.ack_bits(0, without_last), 2U) << "acks add up";
    const std::int64_t only_first[] = {0b0001};
    EXPECT_EQ(cursor.ack_bits(0, only_first), 0U);
    EXPECT_TRUE(cursor.is_acked(0));
    EXPECT_EQ(cursor.position(), 1U);
    EXPECT_TRUE(cursor.pending_bits(0).empty());
}

TEST(Cursor, whole_ack_forgets_the_bits) {
    Cursor cursor;
    const std::int64_t some[] = {0b10};
    cursor.ack_bits(1, some);
    cursor.ack(1);
    EXPECT_TRUE(cursor.pending_bits(1).empty());
    EXPECT_EQ(cursor.ack_bits(1, some), 0U) << "acked already";
}

TEST(Cursor, bounds_the_bits_it_keeps) {
    Cursor cursor;
    const std::int64_t some[] = {0b10};
    for (EntryId entry = 0; entry < Cursor::kPartialEntriesMax + 10; ++entry)
        cursor.ack_bits(entry * 2, some);
    EXPECT_TRUE(cursor.pending_bits(2 * (Cursor::kPartialEntriesMax + 5)).empty());
    const std::vector<std::int64_t> huge(Cursor::kPartialWordsMax + 1, -1);
    cursor.ack_bits(1, huge);
    EXPECT_TRUE(cursor.pending_bits(1).empty());
}

TEST(Cursor, record_brings_everything_back) {
    Cursor cursor(1000);
    cursor.ack_range(1005, 1010);
    cursor.ack(1'000'000'000'000);
    const std::int64_t bits[] = {-2, 7};
    cursor.ack_bits(1003, bits);
    const auto read = Cursor::parse(cursor.serialize());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, cursor);
}

TEST(Cursor, record_is_bounded_and_loses_acks_only) {
    Cursor cursor;
    for (EntryId entry = 1; entry < 3 * Cursor::kRecordRangesMax; ++entry) cursor.ack(entry * 2);
    const auto record = cursor.serialize();
    EXPECT_LT(record.size(), 1U << 20);
    const auto read = Cursor::parse(record);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->range_count(), Cursor::kRecordRangesMax);
    EXPECT_TRUE(read->is_acked(2));
    EXPECT_FALSE(read->is_acked(3));
}

TEST(Cursor, refuses_every_cut_record_and_survives_every_damaged_one) {
    Cursor cursor(300);
    cursor.ack_range(305, 310);
    const std::int64_t bits[] = {6};
    cursor.ack_bits(303, bits);
    const auto record = cursor.serialize();
    for (std::size_t size = 0; size < record.size(); ++size) {
        EXPECT_FALSE(Cursor::parse(std::string_view(record).substr(0, size))) << size;
    }
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        auto damaged = record;
        for (int hits = 0; hits < 3; ++hits) damaged[random() % damaged.size()] = static_cast<char>(random());
        const auto read = Cursor::parse(damaged);  // any answer will do, but an answer
        if (read) EXPECT_GE(read->position() + 1, 1U);
    }
}

// Against the simplest thing that could be right.
TEST(Cursor, agrees_with_a_set_of_entries) {
    constexpr EntryId kEntries = 200;
    for (unsigned seed = 0; seed < 50; ++seed) {
        std::mt19937 random(seed);
        Cursor cursor;
        std::set<EntryId> acked;
        for (int step = 0; step < 300; ++step) {
            const EntryId from = random() % kEntries;
            switch (random() % 4) {
                case 0: {
                    const EntryId end = std::min<EntryId>(from + random() % 20, kEntries);
                    std::uint64_t fresh = 0;
                    for (auto entry = from; entry < end; ++entry) fresh += acked.insert(entry).second ? 1 : 0;
                    ASSERT_EQ(cursor.ack_range(from, end), fresh) << "seed " << seed;
                    break;
                }
                case 1:
                    if (random() % 10 == 0) {
                        for (EntryId entry = 0; entry < from; ++entry) acked.insert(entry);
                        cursor.ack_below(from);
                    }
                    break;
                default:
                    ASSERT_EQ(cursor.ack(from), acked.insert(from).second) << "seed " << seed;
            }
            ASSERT_EQ(cursor.backlog(kEntries), kEntries - acked.size()) << "seed " << seed;
            const EntryId probe = random() % kEntries;
            ASSERT_EQ(cursor.is_acked(probe), acked.contains(probe)) << "seed " << seed;
            auto next = probe;
            while (acked.contains(next)) ++next;
            ASSERT_EQ(cursor.next_unacked(probe), next) << "seed " << seed;
        }
        const auto read = Cursor::parse(cursor.serialize());
        ASSERT_TRUE(read);
        ASSERT_EQ(*read, cursor);
    }
}

}  // namespace
}  // namespace weft::broker
