#pragma once
// ControlPlane: one set of internal topics and the managers on it: membership and leadership, metadata,
// assignments.
//
// A thread of its own brings the plane up (join, lead, open writers, read both topics to their end, assign)
// and brings it up again after anything that leaves its memory in doubt: lost leadership, a write whose
// outcome is unknown. Writes are done by the caller's thread, one at a time; reads come from memory.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "worker/function_runners.h"
#include "worker/function_tables.h"

namespace weft::worker {

struct PlaneOptions {
    std::string label;  // for logs: "functions", "native functions"
    TopicNames topics;
    std::string worker_id;
    std::string participant;                        // workerId:host:port
    std::string tenant, ns;                         // of the topics' namespace, made if missing
    Duration bring_up_patience = 60s;               // one attempt
    Duration write_patience = 30s;                  // for one write, whatever deadline its caller has
    Duration backoff_min = 50ms, backoff_max = 5s;  // between attempts
};

class ControlPlane final {
  public:
    /// All that is referred to must outlive the plane.
    ControlPlane(PlaneOptions options, InternalTopics& topics, BrokerAdmin& admin, FunctionRunners& runners);
    ~ControlPlane();  // stop()
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    void start();
    /// Leaves the topics and joins the thread; running instances are left alone. May be called twice.
    void stop();

    /// Whether memory holds what the topics held: true once and for good.
    bool initialized() const;
    bool wait_until_initialized(Deadline deadline) const;
    /// Whether writes are taken now.
    bool is_leader() const;
    /// Waits until is_leader(); false if the deadline came first.
    bool wait_until_leader(Deadline deadline) const;

    // Reads, from memory.
    MetaPtr find(const model::FunctionName& name) const;
    std::vector<MetaPtr> functions_of(const std::string& tenant, const std::string& ns) const;
    std::vector<MetaPtr> functions() const;
    InstanceAssignments assignments_of(const model::FunctionName& name) const;
    std::vector<AssignmentEvent> assignments() const;  // in the order of their keys

    /// Writes a version and, when it is stored, assigns and starts its instances. When it fails nothing was
    /// changed, except after `unknown_outcome`, which says so.
    Result<> put(MetaPtr next, Deadline deadline);
    /// Writes the removal; instances are then stopped and cleaned up behind it. `done` is called once that is
    /// done.
    Result<> remove(MetaPtr last, std::function<void()> done, Deadline deadline);

  private:
    void run();
    bool wait_for_call(std::optional<Duration> patience);
    void distrust();
    void look_again();
    Result<> bring_up(Deadline deadline);
    // With writing_ held:
    Result<> replay(Deadline deadline);
    Result<> write(MetadataChange change, const MetaPtr& meta, Deadline deadline);
    Result<> assign(const model::FunctionName& name, Deadline deadline);
    Result<> assign_all(Deadline deadline);
    Result<> write_assignments(const std::vector<AssignmentEvent>& changes, Deadline deadline);
    void run_locally(const model::FunctionName& name);
    void retire(const MetaPtr& meta, std::function<void()> done);
    void finish_retirement(const model::FunctionName& name);

    const PlaneOptions options_;
    InternalTopics& topics_;
    BrokerAdmin& admin_;
    FunctionRunners& runners_;

    std::timed_mutex writing_;  // one writer at a time; taken before mutex_; guards what follows
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<TopicWriter> metadata_writer_, assignment_writer_;
    wire::MessageId metadata_end_ = wire::MessageId::earliest();
    wire::MessageId assignments_end_ = wire::MessageId::earliest();
    std::multiset<model::FunctionName> retiring_;  // deleted, and not cleaned up yet

    mutable std::mutex mutex_;  // guards what follows
    mutable std::condition_variable changed_;
    MetadataTable metadata_;
    AssignmentTable assignments_;
    bool initialized_ = false;
    bool leading_ = false;     // up: writes are taken
    bool look_again_ = false;  // the thread shall look whether it still leads
    bool stopping_ = false;

    std::thread thread_;
};

}  // namespace weft::worker
