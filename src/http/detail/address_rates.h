#pragma once
// AddressRates: how many requests of an address there may be in a second.

#include <cstddef>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace weft::http {

/// One thread's. What an address has not used it keeps, for up to a second.
class AddressRates {
  public:
    /// At most so many addresses are remembered. Where there are more, those that keep a whole second's worth
    /// are forgotten, which changes nothing for them; if there are none, any of them.
    static constexpr std::size_t kAddressesMax = 4096;

    explicit AddressRates(double per_second) : per_second_(per_second) {}
    /// Zero: the request may be taken, and is counted; else how long it would have to wait.
    Duration take(const std::string& address, SteadyTime now);
    /// Counts one that was taken anyhow: how long to wait before the next, up to a second. Each waits behind
    /// the ones before.
    Duration charge(const std::string& address, SteadyTime now);
    std::size_t addresses() const { return left_.size(); }

  private:
    struct Left {
        double requests;  // less than 0: owed
        SteadyTime at;
    };
    double most() const { return per_second_ < 1 ? 1 : per_second_; }
    Left& of(const std::string& address, SteadyTime now);
    double left_at(const Left& left, SteadyTime now) const;
    void forget(SteadyTime now);

    const double per_second_;
    std::unordered_map<std::string, Left> left_;
    SteadyTime swept_{};
};

}  // namespace weft::http
