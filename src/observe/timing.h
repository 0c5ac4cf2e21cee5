#pragma once
// Timing: how long something took, each time it was done.

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace weft::observe {

/// Any thread.
class Timing {
  public:
    static constexpr std::size_t kNewestKept = 512;  // for the quantiles

    struct Values {
        std::uint64_t count = 0;
        double sum_ms = 0;
        std::vector<double> newest_ms;  // sorted
        /// Of the newest; nothing if there are none. `q` is in (0, 1].
        std::optional<double> quantile(double q) const;
    };

    void add(Duration time);
    Values values() const;

  private:
    mutable std::mutex mutex_;  // guards what follows
    std::uint64_t count_ = 0;
    double sum_ms_ = 0;
    std::vector<double> newest_;  // a ring
};

/// Adds the time from its making to its end.
class Timed {
  public:
    /// Null: nothing is counted.
    explicit Timed(Timing* timing) : timing_(timing), begin_(steady_now()) {}
    ~Timed() {
        if (timing_ != nullptr) timing_->add(steady_now() - begin_);
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

  private:
    Timing* const timing_;
    const SteadyTime begin_;
};

}  // namespace weft::observe
