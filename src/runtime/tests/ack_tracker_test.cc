#include "runtime/ack_tracker.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "base/str_cat.h"

namespace weft::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Outcome = AckTracker::Outcome;

ReceivedEntry entry_of(std::uint64_t entry, std::uint32_t messages) {
    return {.consumer = 1,
            .id = {7, entry, -1, -1},
            .num_messages = messages,
            .payload_bytes = 10,
            .ack_set = {}};
}

std::vector<std::string> text_of(const std::vector<AckAction>& actions) {
    std::vector<std::string> lines;
    for (const AckAction& a : actions) {
        const char* kind = a.kind == AckAction::Kind::ack_entry     ? "ack "
                           : a.kind == AckAction::Kind::ack_message ? "ack one "
                                                                    : "again ";
        lines.push_back(a.id.batch_index < 0 ? str_cat(kind, a.id.entry)
                                             : str_cat(kind, a.id.entry, "/", a.id.batch_index));
    }
    return lines;
}

class AckTrackerTest : public testing::Test {
  protected:
    std::vector<std::string> release(std::uint32_t slot) {
        std::vector<AckAction> actions;
        tracker_.release(slot, actions);
        return text_of(actions);
    }
    std::vector<std::string> receipt(std::vector<InputRange> ranges, Outcome outcome = Outcome::stored) {
        std::vector<AckAction> actions;
        tracker_.release(ranges, outcome, actions);
        return text_of(actions);
    }
    AckTracker tracker_;
};

TEST_F(AckTrackerTest, acks_an_entry_without_outputs_when_the_function_is_done) {
    const auto slot = tracker_.open(entry_of(1, 10)).slot;
    EXPECT_EQ(tracker_.load().messages, 10);
    EXPECT_THAT(release(slot), ElementsAre("ack 1"));
    EXPECT_EQ(tracker_.load().messages, 0);
    EXPECT_EQ(tracker_.load().entries, 0);
}

TEST_F(AckTrackerTest, acks_only_after_each_output_was_stored_in_whatever_order) {
    const auto a = tracker_.open(entry_of(1, 4)).slot, b = tracker_.open(entry_of(2, 4)).slot;
    tracker_.hold(a);  // batch one: a[0..4) b[0..2)
    tracker_.hold(b);
    tracker_.hold(b);  // batch two: b[2..4)
    EXPECT_THAT(release(a), IsEmpty());
    EXPECT_THAT(release(b), IsEmpty());
    EXPECT_THAT(receipt({{b, 2, 2}}), IsEmpty());
    EXPECT_THAT(receipt({{a, 0, 4}, {b, 0, 2}}), ElementsAre("ack 1", "ack 2"));
}

TEST_F(AckTrackerTest, a_receipt_before_the_function_is_done_acks_nothing) {
    const auto a = tracker_.open(entry_of(1, 4)).slot;
    tracker_.hold(a);
    EXPECT_THAT(receipt({{a, 0, 1}}), IsEmpty());
    EXPECT_THAT(release(a), ElementsAre("ack 1"));
}

TEST_F(AckTrackerTest, a_failed_message_is_asked_for_again_and_the_others_are_acked_singly) {
    const auto a = tracker_.open(entry_of(1, 4)).slot;
    tracker_.fail(a, 2);
    EXPECT_THAT(release(a), ElementsAre("ack one 1/0", "ack one 1/1", "ack one 1/3", "again 1"));
}

TEST_F(AckTrackerTest, a_failed_receipt_brings_back_its_messages_only) {
    const auto a = tracker_.open(entry_of(1, 4)).slot;
    tracker_.hold(a);
    tracker_.hold(a);
    EXPECT_THAT(release(a), IsEmpty());
    EXPECT_THAT(receipt({{a, 0, 2}}, Outcome::failed), IsEmpty());
    EXPECT_THAT(receipt({{a, 2, 2}}), ElementsAre("ack one 1/2", "ack one 1/3", "again 1"));
}

TEST_F(AckTrackerTest, what_was_acked_singly_is_not_processed_again) {
    auto opened = tracker_.open(entry_of(1, 70));
    tracker_.fail(opened.slot, 65);
    release(opened.slot);
    opened = tracker_.open(entry_of(1, 70));  // the broker keeps no single acks
    EXPECT_EQ(opened.num_pending, 1);
    EXPECT_TRUE(bit_of(*opened.pending, 65));
    EXPECT_FALSE(bit_of(*opened.pending, 64));
    EXPECT_THAT(release(opened.slot), ElementsAre("ack 1"));
    EXPECT_EQ(tracker_.open(entry_of(1, 70)).num_pending, 70) << "forgotten once it was acked whole";
}

TEST_F(AckTrackerTest, what_comes_again_while_it_is_open_is_a_duplicate) {
    const auto slot = tracker_.open(entry_of(1, 4)).slot;
    EXPECT_TRUE(tracker_.open(entry_of(1, 4)).duplicate);
    EXPECT_EQ(tracker_.load().entries, 1U);
    EXPECT_THAT(release(slot), ElementsAre("ack 1"));
    EXPECT_FALSE(tracker_.open(entry_of(1, 4)).duplicate);
}

TEST_F(AckTrackerTest, the_brokers_ack_set_counts) {
    const std::vector<std::int64_t> ack_set = {0b0110};
    ReceivedEntry entry = entry_of(1, 4);
    entry.ack_set = ack_set;
    const auto opened = tracker_.open(entry);
    EXPECT_EQ(opened.num_pending, 2);
    EXPECT_FALSE(bit_of(*opened.pending, 0));
    EXPECT_TRUE(bit_of(*opened.pending, 1));
    tracker_.fail(opened.slot, 1);
    EXPECT_THAT(release(opened.slot), ElementsAre("ack one 1/2", "again 1"));
}

TEST_F(AckTrackerTest, remembers_a_bounded_number_of_entries) {
    for (std::uint64_t e = 0; e <= AckTracker::kPartialEntriesMax; ++e) {
        const auto slot = tracker_.open(entry_of(e, 2)).slot;
        tracker_.fail(slot, 0);
        release(slot);
    }
    EXPECT_EQ(tracker_.open(entry_of(0, 2)).num_pending, 2);
    EXPECT_EQ(tracker_.open(entry_of(1, 2)).num_pending, 1);
}

// Random receipts, failures and orders: each message is acked exactly once or asked for again, never before
// its outputs.
TEST_F(AckTrackerTest, random_histories_ack_each_message_once_and_never_early) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        struct Flight {
            std::vector<InputRange> ranges;
        };
        std::vector<Flight> flights;
        std::set<std::pair<std::uint32_t, std::uint32_t>> unconfirmed;  // (entry, index)
        std::vector<std::uint32_t> slots, sizes;
        std::vector<AckAction> actions;
        for (std::uint32_t e = 0; e < 5; ++e) {
            sizes.push_back(1 + random() % 100);
            slots.push_back(
                tracker_
                    .open(entry_of(static_cast<std::uint64_t>(round * 10 + static_cast<int>(e)), sizes[e]))
                    .slot);
            Flight flight;
            for (std::uint32_t i = 0; i < sizes[e];) {
                const std::uint32_t count = std::min<std::uint32_t>(1 + random() % 9, sizes[e] - i);
                if (random() % 3 != 0) {
                    flight.ranges.push_back({slots[e], i, count});
                    tracker_.hold(slots[e]);
                    for (std::uint32_t k = i; k < i + count; ++k) unconfirmed.insert({e, k});
                }
                if (random() % 4 == 0) flights.push_back(std::exchange(flight, {}));
                i += count;
            }
            flights.push_back(flight);
        }
        for (const std::uint32_t slot : slots) tracker_.release(slot, actions);
        std::shuffle(flights.begin(), flights.end(), random);
        std::size_t acked = 0;
        for (std::size_t done = 0;; ++done) {
            for (const AckAction& a : actions) {
                const auto e = static_cast<std::uint32_t>(a.id.entry % 10);
                const bool one = a.kind == AckAction::Kind::ack_message;
                for (std::uint32_t i = 0; i < sizes[e]; ++i) {
                    if (one && static_cast<std::uint32_t>(a.id.batch_index) != i) continue;
                    EXPECT_FALSE(unconfirmed.contains({e, i})) << "acked early";
                }
                acked += a.kind == AckAction::Kind::redeliver ? 0 : (one ? 1 : sizes[e]);
            }
            actions.clear();
            if (done == flights.size()) break;
            for (const InputRange& range : flights[done].ranges) {
                const auto e =
                    static_cast<std::uint32_t>(std::ranges::find(slots, range.slot) - slots.begin());
                for (std::uint32_t k = range.first; k < range.first + range.count; ++k)
                    unconfirmed.erase({e, k});
            }
            tracker_.release(flights[done].ranges, Outcome::stored, actions);
        }
        EXPECT_EQ(acked, sizes[0] + sizes[1] + sizes[2] + sizes[3] + sizes[4]);
        EXPECT_EQ(tracker_.load().entries, 0);
    }
}

}  // namespace
}  // namespace weft::runtime
