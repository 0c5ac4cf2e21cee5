#pragma once
// When a child that ended by itself is started again. Pure.

#include "runtime/supervisor.h"

namespace weft::runtime {

class RestartSchedule {
  public:
    explicit RestartSchedule(RestartPolicy policy) : policy_(policy) {}
    /// How long to wait before the next start, after a child that ran for `ran`.
    Duration next(Duration ran);

  private:
    const RestartPolicy policy_;
    Duration pause_ = Duration::zero();
};

}  // namespace weft::runtime
