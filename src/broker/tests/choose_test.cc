#include "broker/choose.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::broker {
namespace {

TEST(Murmur3, gives_the_published_values) {  // seed 0, without the sign bit
    EXPECT_EQ(murmur3_32(""), 0U);
    EXPECT_EQ(murmur3_32("hello"), 0x248bfa47U);
    EXPECT_EQ(murmur3_32("hello, world"), 0x149bbb7fU);
    EXPECT_EQ(murmur3_32("The quick brown fox jumps over the lazy dog"), 0x2e4ff723U);
}

TEST(ChooseActive, partition_number_decides_among_the_sorted_names) {
    const FailoverCandidate candidates[] = {{"c", 0}, {"a", 0}, {"b", 0}};
    EXPECT_EQ(choose_active(candidates, "t-partition-0", 0), 1U);
    EXPECT_EQ(choose_active(candidates, "t-partition-1", 1), 2U);
    EXPECT_EQ(choose_active(candidates, "t-partition-2", 2), 0U);
    EXPECT_EQ(choose_active(candidates, "t-partition-3", 3), 1U);
}

TEST(ChooseActive, better_priority_comes_first) {
    const FailoverCandidate candidates[] = {{"a", 1}, {"z", 0}, {"b", 1}};
    for (std::uint32_t partition = 0; partition < 4; ++partition) {
        EXPECT_EQ(choose_active(candidates, "t", partition), 1U);
    }
    EXPECT_EQ(choose_active(candidates, "t", std::nullopt), 1U);
}

TEST(ChooseActive, ring_doesnt_depend_on_the_order_of_arrival) {
    const FailoverCandidate one[] = {{"w1", 0}, {"w2", 0}, {"w3", 0}};
    const FailoverCandidate other[] = {{"w3", 0}, {"w1", 0}, {"w2", 0}};
    for (const char* topic : {"persistent://public/functions/coordinate", "persistent://a/b/c", "x"}) {
        EXPECT_EQ(one[choose_active(one, topic, std::nullopt)].name,
                  other[choose_active(other, topic, std::nullopt)].name);
    }
}

TEST(ChooseActive, ring_keeps_its_choice_when_another_leaves) {
    const std::vector<FailoverCandidate> all{{"w1", 0}, {"w2", 0}, {"w3", 0}};
    const std::string topic = "persistent://public/functions/coordinate";
    const auto chosen = all[choose_active(all, topic, std::nullopt)];
    for (const auto& leaver : all) {
        if (leaver.name == chosen.name) continue;
        std::vector<FailoverCandidate> left;
        for (const auto& candidate : all) {
            if (candidate.name != leaver.name) left.push_back(candidate);
        }
        EXPECT_EQ(left[choose_active(left, topic, std::nullopt)].name, chosen.name);
    }
}

TEST(ChooseNext, goes_round_the_ready_ones) {
    std::vector<SharedCandidate> candidates{{0, true}, {0, false}, {0, true}};
    EXPECT_EQ(choose_next(candidates, 0), 2U);
    EXPECT_EQ(choose_next(candidates, 2), 0U);
    candidates[0].ready = candidates[2].ready = false;
    EXPECT_EQ(choose_next(candidates, 0), std::nullopt);
    EXPECT_EQ(choose_next({}, 5), std::nullopt);
}

TEST(ChooseNext, worse_priority_waits_until_the_better_are_full) {
    std::vector<SharedCandidate> candidates{{1, true}, {0, true}, {0, true}};
    EXPECT_EQ(choose_next(candidates, 1), 2U);
    EXPECT_EQ(choose_next(candidates, 2), 1U);
    candidates[1].ready = candidates[2].ready = false;
    EXPECT_EQ(choose_next(candidates, 2), 0U);
}

}  // namespace
}  // namespace weft::broker
