#include "runtime/restart_policy.h"

#include <algorithm>

namespace weft::runtime {

Duration RestartSchedule::next(Duration ran) {
    if (ran >= policy_.healthy_after) pause_ = Duration::zero();
    const Duration now = pause_;
    pause_ = std::clamp(pause_ * 2, policy_.backoff_min, policy_.backoff_max);
    return now;
}

}  // namespace weft::runtime
