#pragma once
// HealthWatch: finds an instance that hangs from what it says of its progress, look by look. Pure.

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/supervisor.h"

namespace weft::runtime {

/// The function's timeoutMs; 0: none.
Duration timeout_of(const InstanceSpec& spec);

class HealthWatch {
  public:
    /// `timeout`: the function's own timeoutMs; 0: none.
    HealthWatch(HealthPolicy policy, Duration timeout);

    bool on() const { return policy_.call_limit > Duration::zero(); }
    /// How long to wait between two looks.
    Duration interval() const;

    /// Another instance begins.
    void restart();
    /// A look: the instance is asked, and has (or has not yet) answered what stands in the last answer.
    void asked(SteadyTime now);
    void answered(std::uint64_t steps, bool in_user_code, std::string about, SteadyTime now);

    /// Why the instance is taken for hung; nothing: it is not.
    std::optional<std::string> hung(SteadyTime now) const;
    /// What an operator may want to know before that.
    std::optional<std::string> concern(SteadyTime now) const;

  private:
    std::string no_progress(SteadyTime now) const;

    const HealthPolicy policy_;              // with the function's timeout in call_limit
    std::optional<SteadyTime> asked_;        // and not yet answered
    std::optional<SteadyTime> stuck_since_;  // in user code, and no progress since
    std::uint64_t stuck_since_ms_ = 0;       // the same by the clock on the wall
    std::uint64_t steps_ = 0;
    std::string about_;
};

}  // namespace weft::runtime
