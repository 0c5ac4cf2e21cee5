#pragma once
// Admissions: lets instances subscribe again that were away from the broker, once it is sure that they are
// still this worker's. Others may have taken them over while the worker was away too.

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "worker/control_plane.h"
#include "worker/job_pool.h"

namespace weft::worker {

/// Of the instances of one plane. Any thread.
class Admissions final {
  public:
    /// Both outlive it; the pool is stopped before it ends.
    Admissions(ControlPlane& plane, JobPool& pool) : plane_(plane), pool_(pool) {}
    /// Calls `admit`, on the pool, when that is sure, or `lost` when it is sure that another has the
    /// instance. Of what is asked for one instance the latest is kept.
    void ask(model::InstanceKey instance, std::function<void()> admit, std::function<void()> lost);

  private:
    struct Waiting {
        model::InstanceKey instance;
        std::function<void()> admit, lost;
    };
    void find_out();

    ControlPlane& plane_;
    JobPool& pool_;
    std::mutex mutex_;                        // guards what follows
    std::map<std::string, Waiting> waiting_;  // by their keys
    bool working_ = false;
};

}  // namespace weft::worker
