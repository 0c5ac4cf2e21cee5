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

Duration AddressRates::take(const std::string& address, SteadyTime now) {
    auto found = left_.find(address);
    if (found == left_.end()) {
        if (left_.size() >= kAddressesMax) forget(now);
        found = left_.emplace(address, Left{most(), now}).first;
    }
    const double there = left_at(found->second, now);
    if (there < 1) return std::chrono::ceil<Duration>(Seconds((1 - there) / per_second_));
    found->second = {there - 1, now};
    return Duration::zero();
}

}  // namespace weft::http
