#include "async/loop.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/short_turns.h"

namespace weft::async {

namespace asio = boost::asio;

namespace {
struct TimerEntry {
    SteadyTime at;
    TimerId id;
};
// The heap keeps its largest in front: the largest is the earliest, and of equal times the one set first.
bool is_later(const TimerEntry& a, const TimerEntry& b) { return a.at != b.at ? a.at > b.at : a.id > b.id; }
constexpr std::size_t kQueueCapacityKept = 4096;  // a burst's memory is not kept for ever
constexpr int kNicerBy = 10;

// Of the calling thread alone: on Linux each has its own. What the kernel does not take it goes without.
void make_light() {
    ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + kNicerBy);
    // However nice it is, who wakes up waits for the end of its turn, unless his own is shorter.
    take_long_turns();
}
}  // namespace

struct Loop::State {
    std::mutex mutex;
    // guarded by mutex
    std::vector<Action> posted;
    bool awake = false;  // a drain is under way or will be: posting needs no wake-up
    bool closing = false;

    // on the loop
    std::vector<Action> running;   // the batch that drain() works on
    std::size_t next = 0;          // its first action that has not run
    std::vector<TimerEntry> heap;  // also of cancelled timers, until they come up or are half of all
    std::unordered_map<TimerId, Action> timers;
    TimerId last_timer = 0;
    SteadyTime armed_for = SteadyTime::max();

    std::atomic<std::thread::id> runner;
    std::atomic<bool> stopped = false;

    // Destroyed first: sockets and handlers that die with it may still call post().
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    asio::steady_timer alarm{io};

    void drain();
    void arm();
    void run_due_timers();
    void forget_cancelled();
};

// Runs what was posted so far, then lets sockets have their turn before the next batch.
void Loop::State::drain() {
    if (next == running.size()) {
        running.clear();
        if (running.capacity() > kQueueCapacityKept) running.shrink_to_fit();
        next = 0;
        const std::lock_guard lock(mutex);
        std::swap(posted, running);
    }
    while (next < running.size() && !stopped.load(std::memory_order_relaxed)) {
        Action action = std::move(running[next++]);
        action();
    }
    const std::lock_guard lock(mutex);
    awake = !posted.empty();
    if (awake) asio::post(io, [this] { drain(); });
}

void Loop::State::arm() {
    if (heap.empty() || heap.front().at >= armed_for) return;
    armed_for = heap.front().at;
    alarm.expires_at(armed_for);
    alarm.async_wait([this](const boost::system::error_code& error) {
        if (error) return;  // set anew for an earlier timer
        armed_for = SteadyTime::max();
        run_due_timers();
    });
}

void Loop::State::run_due_timers() {
    const SteadyTime now = steady_now();
    while (!heap.empty() && heap.front().at <= now && !stopped.load(std::memory_order_relaxed)) {
        const TimerId id = heap.front().id;
        std::ranges::pop_heap(heap, is_later);
        heap.pop_back();
        auto timer = timers.extract(id);
        if (timer) timer.mapped()();
    }
    arm();
}

void Loop::State::forget_cancelled() {
    if (heap.size() < 64 || heap.size() < 2 * timers.size()) return;
    std::erase_if(heap, [&](const TimerEntry& entry) { return !timers.contains(entry.id); });
    std::ranges::make_heap(heap, is_later);
}

Loop::Loop() : state_(std::make_unique<State>()) {}

Loop::~Loop() {
    std::vector<Action> left;
    {
        const std::lock_guard lock(state_->mutex);
        state_->closing = true;
        left.swap(state_->posted);
    }
    left.clear();
    state_->running.clear();
    // What a timer's action owns may cancel other timers as it dies: give it an empty map to look into.
    const auto timers = std::exchange(state_->timers, {});
}

void Loop::post(Action action) {
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    if (state.closing) return;
    state.posted.push_back(std::move(action));
    if (std::exchange(state.awake, true)) return;
    asio::post(state.io, [&state] { state.drain(); });
}

TimerId Loop::after(Duration delay, Action action) {
    State& state = *state_;
    const TimerId id = ++state.last_timer;
    const SteadyTime now = steady_now();
    const SteadyTime at =
        delay < SteadyTime::max() - now ? now + std::max(delay, Duration::zero()) : SteadyTime::max() - 1ns;
    state.timers.emplace(id, std::move(action));
    state.heap.push_back({at, id});
    std::ranges::push_heap(state.heap, is_later);
    state.arm();
    return id;
}

void Loop::cancel(TimerId id) {
    const auto timer = state_->timers.extract(id);  // dies last: what it owns may cancel others
    if (timer) state_->forget_cancelled();
}

void Loop::run() {
    state_->runner = std::this_thread::get_id();
    state_->io.run();
    state_->runner = std::thread::id();
}

void Loop::stop() {
    state_->stopped = true;
    state_->io.stop();
}

bool Loop::on_loop() const { return state_->runner.load() == std::this_thread::get_id(); }

asio::io_context& Loop::context() { return state_->io; }

struct LoopThread::Thread {
    std::thread thread;
};

LoopThread::LoopThread(const char* name, Weight weight) : thread_(std::make_unique<Thread>()) {
    thread_->thread = std::thread([this, weight] {
        if (weight == Weight::light) make_light();
        loop_.run();
    });
    pthread_setname_np(thread_->thread.native_handle(), std::string(name).substr(0, 15).c_str());
}

LoopThread::~LoopThread() { stop(); }

void LoopThread::stop() {
    loop_.stop();
    if (thread_->thread.joinable()) thread_->thread.join();
}

}  // namespace weft::async
