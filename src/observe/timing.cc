#include "observe/timing.h"

#include <algorithm>
#include <cmath>

namespace weft::observe {

std::optional<double> Timing::Values::quantile(double q) const {
    if (newest_ms.empty()) return std::nullopt;
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(newest_ms.size())));
    return newest_ms[std::clamp<std::size_t>(rank, 1, newest_ms.size()) - 1];
}

void Timing::add(Duration time) {
    const double ms = std::chrono::duration<double, std::milli>(time).count();
    const std::lock_guard lock(mutex_);
    if (newest_.size() < kNewestKept) {
        newest_.push_back(ms);
    } else {
        newest_[count_ % kNewestKept] = ms;
    }
    ++count_;
    sum_ms_ += ms;
}

Timing::Values Timing::values() const {
    Values out;
    {
        const std::lock_guard lock(mutex_);
        out = {count_, sum_ms_, newest_};
    }
    std::ranges::sort(out.newest_ms);
    return out;
}

}  // namespace weft::observe
