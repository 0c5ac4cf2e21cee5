#pragma once
// FunctionRunners: the runners of all functions that have something to do on this worker.

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "worker/function_runner.h"

namespace weft::worker {

/// Any thread.
class FunctionRunners final : public LocalInstances {
  public:
    explicit FunctionRunners(RunnerContext context) : context_(std::move(context)) {}

    /// What shall run of a function here; makes its runner only if there is something to run or to stop.
    void want(const model::FunctionName& name, MetaPtr meta, std::set<std::int32_t> instances,
              Moves moves) override;
    /// Stops a deleted function, cleans up behind it, then calls `done` (on the pool).
    void retire(const model::FunctionName& name, MetaPtr meta, std::function<void()> done) override;
    /// Null: nothing of this function is or was wanted here.
    std::shared_ptr<FunctionRunner> find(const model::FunctionName& name) const;
    /// Waits until no runner has anything left to do; false if the deadline came first.
    bool wait_settled(Deadline deadline) const;
    /// See FunctionRunner.
    bool let_go(const model::InstanceKey& instance, Deadline deadline) const;
    bool wait_until_left(Deadline deadline) const;
    void end_leaving();
    /// Stops everything for good: in parallel, each instance within the deadline.
    void shut_down(Deadline deadline);

  private:
    std::shared_ptr<FunctionRunner> at(const model::FunctionName& name);
    void forget_done();  // with mutex_ held
    std::vector<std::shared_ptr<FunctionRunner>> all() const;

    const RunnerContext context_;
    mutable std::mutex mutex_;  // guards what follows; taken before a runner's own
    std::map<model::FunctionName, std::shared_ptr<FunctionRunner>> runners_;
};

}  // namespace weft::worker
