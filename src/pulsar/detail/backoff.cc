#include "pulsar/detail/backoff.h"

#include <algorithm>

namespace weft::pulsar::detail {

Backoff::Backoff(Duration min, Duration max, std::uint64_t seed)
    : min_(std::max<Duration>(min, 1ms)), max_(std::max(max, min_)), current_(min_), random_(seed | 1U) {}

Duration Backoff::next() {
    const Duration full = current_;
    current_ = full > max_ / 2 ? max_ : full * 2;
    random_ ^= random_ << 13U;  // xorshift
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    const auto fifth = static_cast<std::uint64_t>(full.count() / 5);
    return full - Duration(static_cast<std::int64_t>(random_ % (fifth + 1)));
}

}  // namespace weft::pulsar::detail
