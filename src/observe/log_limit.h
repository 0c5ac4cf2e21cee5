#pragma once
// LogLimit: what comes again and again is logged once in a while, with how often it was not.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/clock.h"

namespace weft::observe {

/// One thread at a time.
class LogLimit {
  public:
    explicit LogLimit(Duration every) : every_(every) {}

    /// Whether to write a line now: how many were left out since the last.
    std::optional<std::uint64_t> take(SteadyTime now) {
        if (last_ && now - *last_ < every_) return ++left_out_, std::nullopt;
        last_ = now;
        return std::exchange(left_out_, 0);
    }
    bool is_over(SteadyTime now) const { return !last_ || now - *last_ >= every_; }

  private:
    Duration every_;
    std::optional<SteadyTime> last_;
    std::uint64_t left_out_ = 0;
};

/// One for each address, so that none hides another; one for all others where there are too many. Any thread.
class LogLimits {
  public:
    LogLimits(Duration every, std::size_t addresses_max)
        : every_(every), addresses_max_(addresses_max), others_(every) {}

    std::optional<std::uint64_t> take(const std::string& address, SteadyTime now) {
        const std::lock_guard lock(mutex_);
        const auto known = limits_.find(address);
        if (known != limits_.end()) return known->second.take(now);
        if (limits_.size() >= addresses_max_) {
            // What was left out of these is told by nobody any more.
            std::erase_if(limits_, [now](const auto& each) { return each.second.is_over(now); });
            if (limits_.size() >= addresses_max_) return others_.take(now);
        }
        return limits_.emplace(address, LogLimit(every_)).first->second.take(now);
    }

  private:
    const Duration every_;
    const std::size_t addresses_max_;

    std::mutex mutex_;
    // guarded by mutex_
    std::unordered_map<std::string, LogLimit> limits_;
    LogLimit others_;
};

}  // namespace weft::observe
