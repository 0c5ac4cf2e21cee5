#pragma once
// Rate: how many per second, for statistics; sampled when someone looks, so that counting costs one addition.

#include <cstdint>

#include "base/clock.h"

namespace weft::broker {

class Rate {
  public:
    void add(std::uint64_t count) { total_ += count; }
    std::uint64_t total() const { return total_; }
    /// Per second since the last look that was at least a second ago (Pulsar's look is once a minute).
    double per_second() {
        const auto now = steady_now();
        const std::chrono::duration<double> passed = now - since_;
        if (passed.count() >= 1) {
            rate_ = static_cast<double>(total_ - counted_) / passed.count();
            counted_ = total_;
            since_ = now;
        }
        return rate_;
    }

  private:
    std::uint64_t total_ = 0;
    std::uint64_t counted_ = 0;
    SteadyTime since_ = steady_now();
    double rate_ = 0;
};

}  // namespace weft::broker
