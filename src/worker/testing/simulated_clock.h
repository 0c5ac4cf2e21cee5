#pragma once
// Virtual time for a simulation in one thread: a clock, what is to happen when, and dice of a seed that fall
// the same on every machine.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace weft::worker::testing {

class SimulatedClock {
  public:
    static constexpr SteadyTime kNever = SteadyTime::max();

    SteadyTime now() const { return now_; }
    void after(Duration delay, std::function<void()> what) {
        events_.push_back({now_ + std::max(delay, Duration::zero()), ++made_, std::move(what)});
        std::ranges::push_heap(events_, later);
    }
    SteadyTime next() const { return events_.empty() ? kNever : events_.front().when; }
    /// Goes on to the next event and lets it happen.
    void run_next() {
        std::ranges::pop_heap(events_, later);
        const Event event = std::move(events_.back());
        events_.pop_back();
        advance(event.when);
        event.what();
    }
    /// Time never goes back: an event that somebody slept through happens late.
    void advance(SteadyTime to) { now_ = std::max(now_, to); }

  private:
    struct Event {
        SteadyTime when;
        std::uint64_t order;  // of those of one time the first made comes first
        std::function<void()> what;
    };
    static bool later(const Event& a, const Event& b) {
        return a.when != b.when ? a.when > b.when : a.order > b.order;
    }
    SteadyTime now_{};
    std::vector<Event> events_;  // a heap
    std::uint64_t made_ = 0;
};

/// The distributions of the standard library differ between its implementations; these don't.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}
    std::size_t below(std::size_t sides) { return static_cast<std::size_t>(random_() % sides); }
    bool chance(double probability) { return unit() < probability; }
    Duration between(Duration from, Duration to) {
        return from + Duration(static_cast<std::int64_t>(unit() * static_cast<double>((to - from).count())));
    }
    /// Short ones are as likely as long ones, decade by decade.
    Duration magnitude(Duration from, Duration to) {
        const double decades = std::log(static_cast<double>(to.count()) / static_cast<double>(from.count()));
        const double stretch = std::exp(unit() * decades);
        return Duration(static_cast<std::int64_t>(static_cast<double>(from.count()) * stretch));
    }
    /// Until the next of what happens independently, once in `mean`.
    Duration exponential(Duration mean) {
        return Duration(static_cast<std::int64_t>(-std::log(1 - unit()) * static_cast<double>(mean.count())));
    }

  private:
    double unit() { return static_cast<double>(random_() >> 11U) * 0x1p-53; }
    std::mt19937_64 random_;
};

}  // namespace weft::worker::testing
