#include <algorithm>

#include "http/detail/address_rates.h"

namespace weft::http {

namespace {

using Seconds = std::chrono::duration<double>;
constexpr auto kSweepEvery = 1s;

}  // namespace

double AddressRates::left_at(const Left& left, SteadyTime now) const {
    return std::min(most(), left.requests + Seconds(now - left.at).count() * per_second_);
}

// Looking at all of them costs, and somebody may use more addresses than there is room for.
void AddressRates::forget(SteadyTime now) {
    if (now - swept_ >= kSweepEvery) {
        swept_ = now;
        std::erase_if(left_, [&](const auto& each) { return left_at(each.second, now) >= most(); });
    }
    if (left_.size() >= kAddressesMax) left_.erase(left_.begin());
}

AddressRates::Left& AddressRates::of(const std::string& address, SteadyTime now) {
    const auto found = left_.find(address);
    if (found != left_.end()) return found->second;
    if (left_.size() >= kAddressesMax) forget(now);
    return left_.emplace(address, Left{most(), now}).first->second;
}

Duration AddressRates::take(const std::string& address, SteadyTime now) {
    Left& left = of(address, now);
    const double there = left_at(left, now);
    if (there < 1) return std::chrono::ceil<Duration>(Seconds((1 - there) / per_second_));
    left = {there - 1, now};
    return Duration::zero();
}

Duration AddressRates::charge(const std::string& address, SteadyTime now) {
    Left& left = of(address, now);
    left = {std::max(left_at(left, now) - 1, -per_second_), now};
    return left.requests >= 0 ? Duration::zero()
                              : std::chrono::ceil<Duration>(Seconds(-left.requests / per_second_));
}

}  // namespace weft::http
