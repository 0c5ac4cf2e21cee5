#include "broker/producer.h"

#include <gtest/gtest.h>

namespace weft::broker {
namespace {

class Sink final : public ProducerSink {
  public:
    void send_receipt(const Producer&, std::uint64_t, store::LedgerId, store::EntryId) override {}
    void publish_failed(Producer&, std::uint64_t, const Refusal&) override {}
    void publishes_done(Producer&) override {}
    void producer_ready(const Producer&) override {}
    void close_producer(Producer&) override {}
    void fence_producer(Producer&) override {}
    void check_alive() override {}
};

struct ProducerSetTest : testing::Test {
    Sink here, there;
    ProducerSet set;
    ProducerSet::Ptr make(std::string name, AccessMode access = AccessMode::shared, std::uint64_t id = 1) {
        auto producer = std::make_shared<Producer>();
        producer->id = id;
        producer->name = std::move(name);
        producer->access = access;
        producer->sink = &here;
        return producer;
    }
};

TEST_F(ProducerSetTest, refuses_a_name_that_is_taken) {
    ASSERT_TRUE(set.add(make("p"), "t"));
    const auto second = set.add(make("p", AccessMode::shared, 2), "t");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().error, ServerError::producer_busy);
    EXPECT_EQ(second.error().message, "Producer with name 'p' is already connected to topic 't'");
}

TEST_F(ProducerSetTest, newer_epoch_of_the_same_producer_takes_its_place) {
    const auto old = make("p");
    ASSERT_TRUE(set.add(old, "t"));
    const auto next = make("p");
    next->epoch = 1;
    const auto admitted = set.add(next, "t");
    ASSERT_TRUE(admitted);
    EXPECT_EQ(admitted->put_out, std::vector{old});
    EXPECT_EQ(set.all().at("p"), next);
    const auto elsewhere = make("p");
    elsewhere->epoch = 2;
    elsewhere->sink = &there;
    EXPECT_FALSE(set.add(elsewhere, "t")) << "another connection";
}

TEST_F(ProducerSetTest, exclusive_producer_is_alone) {
    ASSERT_TRUE(set.add(make("a", AccessMode::exclusive), "t"));
    EXPECT_EQ(set.epoch, 0U);
    EXPECT_EQ(set.add(make("b"), "t").error().error, ServerError::producer_busy);
    EXPECT_EQ(set.add(make("b", AccessMode::exclusive), "t").error().error, ServerError::producer_fenced);
}

TEST_F(ProducerSetTest, exclusive_is_refused_where_others_are) {
    ASSERT_TRUE(set.add(make("a"), "t"));
    EXPECT_EQ(set.add(make("b", AccessMode::exclusive), "t").error().message,
              "Topic has existing shared producers");
}

TEST_F(ProducerSetTest, waiting_producer_gets_its_turn) {
    const auto first = make("a", AccessMode::exclusive);
    const auto second = make("b", AccessMode::wait_for_exclusive);
    ASSERT_TRUE(set.add(first, "t"));
    ASSERT_TRUE(set.add(second, "t"));
    EXPECT_TRUE(second->waiting);
    EXPECT_EQ(set.waiting_count(), 1U);
    EXPECT_EQ(set.remove(*first), second);
    EXPECT_FALSE(second->waiting);
    EXPECT_EQ(set.epoch, 1U);
    EXPECT_EQ(set.add(make("c"), "t").error().error, ServerError::producer_busy);
}

TEST_F(ProducerSetTest, producer_that_was_overtaken_is_fenced) {
    const auto first = make("a", AccessMode::exclusive);
    ASSERT_TRUE(set.add(first, "t"));
    const auto epoch = first->topic_epoch;
    set.remove(*first);
    const auto second = make("b", AccessMode::exclusive);
    ASSERT_TRUE(set.add(second, "t"));
    set.remove(*second);
    const auto back = make("a", AccessMode::exclusive);
    back->topic_epoch = epoch;
    EXPECT_EQ(set.add(back, "t").error().error, ServerError::producer_fenced);
}

TEST_F(ProducerSetTest, overtaken_one_that_fences_or_waits_disturbs_nobody) {
    const auto first = make("a", AccessMode::exclusive_with_fencing);
    ASSERT_TRUE(set.add(first, "t"));
    const auto second = make("b", AccessMode::exclusive_with_fencing);
    ASSERT_TRUE(set.add(second, "t"));
    for (const auto mode : {AccessMode::exclusive_with_fencing, AccessMode::wait_for_exclusive}) {
        const auto back = make("a", mode);
        back->topic_epoch = first->topic_epoch;
        EXPECT_EQ(set.add(back, "t").error().error, ServerError::producer_fenced);
        EXPECT_EQ(set.all().begin()->second, second);
        EXPECT_EQ(set.waiting_count(), 0U);
    }
    EXPECT_EQ(set.add(make("c", AccessMode::exclusive), "t").error().error, ServerError::producer_fenced);
}

TEST_F(ProducerSetTest, fencing_puts_the_others_out) {
    const auto first = make("a", AccessMode::exclusive);
    ASSERT_TRUE(set.add(first, "t"));
    const auto admitted = set.add(make("b", AccessMode::exclusive_with_fencing), "t");
    ASSERT_TRUE(admitted);
    EXPECT_EQ(admitted->put_out, std::vector{first});
    EXPECT_TRUE(admitted->epoch_changed);
    EXPECT_EQ(set.size(), 1U);
}

}  // namespace
}  // namespace weft::broker
