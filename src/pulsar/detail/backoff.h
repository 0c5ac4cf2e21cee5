#pragma once
// Backoff: how long to wait before the next attempt. Pure: it only counts.

#include <cstdint>

#include "base/clock.h"

namespace weft::pulsar::detail {

/// Doubles from min to max; each delay is shortened by up to a fifth, so that many clients don't come back
/// together.
class Backoff {
  public:
    /// `seed` chooses the jitter's sequence.
    Backoff(Duration min, Duration max, std::uint64_t seed);
    Duration next();
    void reset() { current_ = min_; }

  private:
    Duration min_, max_, current_;
    std::uint64_t random_;
};

}  // namespace weft::pulsar::detail
