#include "runtime/start_gate.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace weft::runtime {
namespace {

class StartGateTest : public ::testing::Test {
  protected:
    template <class Work>
    void on_loop(Work work) {
        std::promise<void> done;
        thread_.loop().post([&] { work(), done.set_value(); });
        done.get_future().wait();
    }
    /// Enters; what begins later writes down its number.
    std::unique_ptr<StartGate::Turn> enter(StartGate& gate, int number) {
        return gate.enter([this, number] { begun_.push_back(number); });
    }
    async::LoopThread thread_{"gate"};
    std::vector<int> begun_;
};

TEST_F(StartGateTest, so_many_begin_at_once_and_the_others_in_their_order) {
    on_loop([&] {
        StartGate gate(thread_.loop(), 2, 1h);
        auto first = enter(gate, 1), second = enter(gate, 2), third = enter(gate, 3), fourth = enter(gate, 4);
        EXPECT_TRUE(first->has_begun() && second->has_begun());
        EXPECT_FALSE(third->has_begun() || fourth->has_begun());
        second.reset();
        EXPECT_EQ(begun_, (std::vector{3}));
        EXPECT_TRUE(third->has_begun());
        first.reset();
        EXPECT_EQ(begun_, (std::vector{3, 4}));
        third.reset();
        EXPECT_TRUE(enter(gate, 5)->has_begun()) << "its place is free again";
        EXPECT_EQ(begun_, (std::vector{3, 4})) << "who begins at once isn't called";
    });
}

TEST_F(StartGateTest, who_gives_up_waiting_never_begins) {
    on_loop([&] {
        StartGate gate(thread_.loop(), 1, 1h);
        auto first = enter(gate, 1), second = enter(gate, 2), third = enter(gate, 3);
        second.reset();
        first.reset();
        EXPECT_EQ(begun_, (std::vector{3}));
    });
}

TEST_F(StartGateTest, a_turn_that_ends_as_it_begins_lets_the_next_begin) {
    on_loop([&] {
        StartGate gate(thread_.loop(), 1, 1h);
        auto first = enter(gate, 1);
        std::unique_ptr<StartGate::Turn> second;
        second = gate.enter([&] { second.reset(); });
        auto third = enter(gate, 3);
        first.reset();
        EXPECT_EQ(second, nullptr);
        EXPECT_TRUE(third->has_begun());
    });
}

TEST_F(StartGateTest, a_turn_that_takes_too_long_holds_no_place) {
    std::promise<void> begun;
    std::unique_ptr<StartGate> gate;
    std::vector<std::unique_ptr<StartGate::Turn>> turns;
    on_loop([&] {
        gate = std::make_unique<StartGate>(thread_.loop(), 1, 1ms);
        turns.push_back(enter(*gate, 1));
        turns.push_back(gate->enter([&] { begun.set_value(); }));
    });
    begun.get_future().wait();
    on_loop([&] { turns.clear(); });
}

}  // namespace
}  // namespace weft::runtime
