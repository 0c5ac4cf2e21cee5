#include "async/loop.h"

#include <gtest/gtest.h>

#include <ctime>
#include <future>
#include <thread>
#include <vector>

#include "async/call.h"

namespace weft::async {
namespace {

// Waits until the loop has run what was posted before.
void settle(Loop& loop) {
    std::promise<void> done;
    loop.post([&] { done.set_value(); });
    done.get_future().wait();
}

TEST(LoopTest, runs_what_one_thread_posts_in_order) {
    LoopThread thread("test");
    std::vector<int> seen;
    for (int i = 0; i < 10'000; ++i) thread.loop().post([&seen, i] { seen.push_back(i); });
    settle(thread.loop());
    ASSERT_EQ(seen.size(), 10'000U);
    for (int i = 0; i < 10'000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(LoopTest, keeps_the_order_of_each_of_many_threads) {
    LoopThread thread("test");
    constexpr int kThreads = 4, kPosts = 5'000;
    std::vector<int> last(kThreads, -1);
    int out_of_order = 0, ran = 0;
    std::vector<std::thread> posters;
    for (int t = 0; t < kThreads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < kPosts; ++i) {
                thread.loop().post([&, t, i] {
                    int& before = last[static_cast<std::size_t>(t)];
                    if (before != i - 1) ++out_of_order;
                    before = i;
                    ++ran;
                });
            }
        });
    }
    for (auto& poster : posters) poster.join();
    settle(thread.loop());
    EXPECT_EQ(ran, kThreads * kPosts);
    EXPECT_EQ(out_of_order, 0);
}

TEST(LoopTest, an_action_may_post_and_knows_its_loop) {
    LoopThread thread("test");
    EXPECT_FALSE(thread.loop().on_loop());
    std::promise<bool> inside;
    thread.loop().post([&] { thread.loop().post([&] { inside.set_value(thread.loop().on_loop()); }); });
    EXPECT_TRUE(inside.get_future().get());
}

TEST(LoopTest, timers_run_by_time_and_then_by_order_of_setting) {
    LoopThread thread("test");
    std::vector<int> seen;
    std::promise<void> done;
    thread.loop().post([&] {
        Loop& loop = thread.loop();
        loop.after(30ms, [&] { seen.push_back(3), done.set_value(); });
        loop.after(10ms, [&] { seen.push_back(1); });
        loop.after(10ms, [&] { seen.push_back(2); });
        loop.after(-5s, [&] { seen.push_back(0); });
        loop.after(Duration::max(), [&] { seen.push_back(99); });
    });
    done.get_future().wait();
    EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3}));
}

TEST(LoopTest, a_cancelled_timer_does_not_run) {
    LoopThread thread("test");
    std::promise<void> done;
    int ran = 0;
    thread.loop().post([&] {
        Loop& loop = thread.loop();
        std::vector<TimerId> ids;
        for (int i = 0; i < 5'000; ++i) ids.push_back(loop.after(1ms, [&] { ++ran; }));
        for (const TimerId id : ids) loop.cancel(id);
        const TimerId first = loop.after(5ms, [&] { ++ran; });
        loop.after(20ms, [&loop, &done, first] {
            loop.cancel(first);  // has run: nothing happens
            loop.cancel(123'456'789);
            done.set_value();
        });
    });
    done.get_future().wait();
    settle(thread.loop());
    EXPECT_EQ(ran, 1);
}

TEST(LoopTest, what_was_not_run_is_destroyed_with_the_loop) {
    auto alive = std::make_shared<int>(1);
    {
        Loop loop;
        loop.post([alive] { FAIL() << "ran without run()"; });
        // A destructor that posts and sets timers while the loop dies must find it safe.
        loop.post([guard = std::shared_ptr<int>(new int,
                                                [&loop](const int* p) { delete p, loop.post([] {}); })] {});
        loop.after(1h, [alive] {});
        EXPECT_EQ(alive.use_count(), 3);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST(LoopTest, stop_leaves_what_is_queued) {
    Loop loop;
    int ran = 0;
    loop.post([&] {
        ++ran;
        loop.stop();
        loop.stop();
    });
    loop.post([&] { ++ran; });
    loop.run();
    EXPECT_EQ(ran, 1);
}

TEST(LoopTest, an_idle_loop_uses_no_processor) {
    LoopThread thread("test");
    settle(thread.loop());
    clockid_t clock;
    std::promise<void> got;
    thread.loop().post([&] { pthread_getcpuclockid(pthread_self(), &clock), got.set_value(); });
    got.get_future().wait();
    const auto used_ns = [&] {
        timespec t{};
        clock_gettime(clock, &t);
        return t.tv_sec * 1'000'000'000L + t.tv_nsec;
    };
    const long before = used_ns();
    std::promise<void> done;
    thread.loop().post([&] { thread.loop().after(200ms, [&] { done.set_value(); }); });
    done.get_future().wait();
    EXPECT_LT(used_ns() - before, 2'000'000);
}

TEST(CallOnTest, answers_or_gives_up_at_the_deadline) {
    LoopThread thread("test");
    EXPECT_EQ(call_on<int>(thread.loop(), Deadline::never(), [](auto done) { done(42); }), 42);
    std::move_only_function<void(Result<int>)> late;
    const auto none =
        call_on<int>(thread.loop(), Deadline::after(10ms), [&](auto done) { late = std::move(done); });
    EXPECT_EQ(none.error().code, ErrorCode::deadline_exceeded);
    thread.loop().post([&] { late(1); });
    settle(thread.loop());
}

}  // namespace
}  // namespace weft::async
