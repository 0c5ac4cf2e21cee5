#include "base/clock.h"

#include <algorithm>

namespace weft {

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

std::uint64_t wall_clock_ms() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

Duration Deadline::left() const {
    if (is_never()) return std::chrono::hours(24 * 365);
    return std::max(Duration::zero(), std::chrono::duration_cast<Duration>(at_ - steady_now()));
}

Deadline Deadline::at_most(Duration d) const { return Deadline(std::min(at_, steady_now() + d)); }

}  // namespace weft
