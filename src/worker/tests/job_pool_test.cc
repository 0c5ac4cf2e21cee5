#include "worker/job_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

namespace weft::worker {
namespace {

TEST(JobPool, runs_jobs_on_several_threads) {
    JobPool pool("test", 3);
    std::latch together(3);
    std::latch done(3);
    for (int i = 0; i < 3; ++i) {
        pool.post([&] {
            together.arrive_and_wait();  // passes only if three run at once
            done.count_down();
        });
    }
    done.wait();
}

TEST(JobPool, keeps_times) {
    JobPool pool("test", 1);
    std::promise<void> late;
    std::atomic<int> order{0};
    int first = 0, second = 0;
    pool.post(
        [&] {
            second = ++order;
            late.set_value();
        },
        20ms);
    pool.post([&] { first = ++order; });
    late.get_future().wait();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
}

TEST(JobPool, stop_drops_what_has_not_run) {
    std::atomic<int> ran{0};
    JobPool pool("test", 2);
    pool.post([&] { ++ran; }, 1h);
    pool.stop();
    pool.post([&] { ++ran; });
    pool.stop();
    EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace weft::worker
