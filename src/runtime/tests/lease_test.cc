#include "runtime/lease.h"

#include <gtest/gtest.h>

#include <future>

namespace weft::runtime {
namespace {

/// A steady clock that can be moved, of this process alone.
class Clock {
  public:
    SteadyTime now() const { return SteadyTime(Duration(now_.load())); }
    void move(Duration by) { now_ += by.count(); }

  private:
    std::atomic<Duration::rep> now_{steady_now().time_since_epoch().count()};
};

TEST(LeaseTest, one_that_is_renewed_is_held) {
    Clock clock;
    int lapses = 0;
    auto lease = Lease::start(800ms, [&] { ++lapses; }, [&] { return clock.now(); });
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE((*lease)->held());
    EXPECT_EQ((*lease)->duration(), 800ms);
    (*lease)->reinstate();  // nothing to do
    EXPECT_TRUE((*lease)->held());
    lease->reset();
    EXPECT_EQ(lapses, 0);
}

TEST(LeaseTest, after_a_late_awakening_it_is_held_only_when_reinstated) {
    Clock clock;
    std::promise<void> lapsed;
    auto lease = Lease::start(100ms, [&] { lapsed.set_value(); }, [&] { return clock.now(); });
    ASSERT_TRUE(lease) << lease.error().message;
    clock.move(100ms);
    EXPECT_FALSE((*lease)->held()) << "whether the thread has noticed or not";
    ASSERT_EQ(lapsed.get_future().wait_for(20s), std::future_status::ready);
    EXPECT_FALSE((*lease)->held());
    clock.move(1s);
    EXPECT_FALSE((*lease)->held());
    (*lease)->reinstate();
    EXPECT_TRUE((*lease)->held());
}

}  // namespace
}  // namespace weft::runtime
