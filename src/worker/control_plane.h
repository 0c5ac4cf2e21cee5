#pragma once
// ControlPlane: one set of internal topics and the managers on it: membership and leadership, metadata,
// assignments, scheduling.
//
// A thread of its own keeps the plane up: joins, follows both topics, and, when this worker is the active
// participant, opens the exclusive writers, reads both topics to their end, and assigns. After anything that
// leaves its memory in doubt (lost leadership, a write whose outcome is unknown) it does so again. Writes are
// done by the caller's thread, one at a time, or sent to the leader; reads come from memory.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "worker/function_tables.h"
#include "worker/schedule.h"
#include "worker/worker_peers.h"

namespace weft::worker {

struct PlaneOptions {
    std::string label;  // for logs: "functions", "native functions"
    TopicNames topics;
    std::string worker_id;
    std::string participant;           // workerId:host:port
    std::string tenant, ns;            // of the topics' namespace, made if missing
    bool tls = false;                  // our REST is https; then that of Pulsar's own workers is, too
    bool weft_only = false;            // topics that only Weft workers know: their leader may be another
    Duration bring_up_patience = 60s;  // one attempt
    Duration write_patience = 30s;     // for one write, whatever deadline its caller has
    Duration leader_patience = 3s;     // of which a write waits for somebody who leads
    Duration backoff_min = 50ms, backoff_max = 5s;  // between attempts
    Duration look_every = 250ms;                    // a leader: who is there?
    Duration forget_patience = 150s;   // for a Java leader that this worker was drained; Pulsar's takes 60 s
    Duration answer_patience = 300ms;  // for a sign of life of one that is to get what others had
    Duration check_every = 5s;         // a follower: was nothing missed?
    Duration reschedule_after =
        1500ms;                     // how long a worker that is gone may take to come back to its instances
    Duration rebalance_every = 0s;  // 0: only when asked
    Duration compact_every = 0s;    // a leader has the broker compact the assignments; 0: never
    std::function<SteadyTime()> now = steady_now;
};

/// What became of a drain.
struct DrainStatus {
    enum class State : std::uint8_t { running, done, failed } state = State::running;
    std::string error = {};
};

class ControlPlane final {
  public:
    /// All that is referred to must outlive the plane.
    ControlPlane(PlaneOptions options, InternalTopics& topics, BrokerAdmin& admin, WorkerPeers& peers,
                 LocalInstances& runners);
    ~ControlPlane();  // stop()
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    /// Called, on any thread, when a function's version became known here, and when an assignment that named
    /// another package than the one that holds now, or none, is gone. Must not block. Set before start().
    void on_update(std::function<void(const MetaPtr&)> updated) { updated_ = std::move(updated); }
    void on_packages_freed(std::function<void()> freed) { packages_freed_ = std::move(freed); }
    void start();
    /// What the thread does at each turn; for tests that have no thread.
    Result<> step(Deadline deadline);
    /// Reads both topics to their end, and makes what runs here follow: what was known may be old. Any
    /// thread.
    Result<> catch_up(Deadline deadline);
    /// Whether what is known here of this worker's instances holds at this time: it is a member, and leads or
    /// has read what there is.
    Result<> make_sure(Deadline deadline);
    /// Gives this worker's instances to others, if there are any; waits until that is decided.
    void hand_over(Deadline deadline);
    /// Leaves the topics and joins the thread; running instances are left alone. May be called twice.
    void stop();

    /// Whether memory holds what the topics held: true once and for good.
    const std::string& worker_id() const { return options_.worker_id; }
    bool initialized() const;
    bool wait_until_initialized(Deadline deadline) const;
    /// Whether this worker leads, and takes writes.
    bool is_leader() const;
    /// Waits until is_leader(); false if the deadline came first.
    bool wait_until_leader(Deadline deadline) const;

    // Reads, from memory.
    MetaPtr find(const model::FunctionName& name) const;
    std::vector<MetaPtr> functions_of(const std::string& tenant, const std::string& ns) const;
    std::vector<MetaPtr> functions() const;
    InstanceAssignments assignments_of(const model::FunctionName& name) const;
    bool has_instance(const model::InstanceKey& instance) const;  // whether it is assigned to this worker
    std::vector<AssignmentEvent> assignments() const;             // in the order of their keys

    /// Who is in the cluster and who leads it: asks the broker.
    Result<Participants> participants(Deadline deadline) const;

    /// Writes a version and, when it is stored, has its instances assigned and started. When it fails nothing
    /// was changed, except after `unknown_outcome`, which says so. On a follower the leader is asked, and it
    /// returns when the change has come back.
    Result<> put(MetaPtr next, Deadline deadline);
    /// Writes the removal; instances are then stopped and cleaned up behind it. `done` is called once that is
    /// done.
    Result<> remove(MetaPtr last, std::function<void()> done, Deadline deadline);

    // Done by the leader: another one is asked.
    /// `invalid_argument` with Pulsar's text if there are fewer than two workers.
    Result<> rebalance(Deadline deadline);
    /// Gives a worker's instances to the others, and it no more, until it has left.
    Result<> drain(const std::string& worker_id, Deadline deadline);
    /// What this worker knows of it while it leads.
    std::optional<DrainStatus> drain_status(const std::string& worker_id) const;

  private:
    void run();
    Result<> turn(Deadline deadline);
    Duration next_look();
    bool wait_for_call(Duration patience);
    void distrust();
    void look_again();
    // With writing_ held, following:
    Result<> join(Deadline deadline);
    Result<> be_forgotten(Deadline deadline);
    void doubt_role();
    Result<> follow(Deadline deadline);
    Result<> read_on(Deadline deadline);
    Result<> open_readers(Deadline deadline);
    Result<> read_topics(bool to_the_end, Deadline deadline);
    void take_metadata(const Record& record);
    void take_assignment(const Record& record);
    void apply(const AssignmentEvent& event);
    void act_on_changes();
    void run_locally(const model::FunctionName& name);
    void note_move(const AssignmentEvent& event, const std::string& before);
    void note_moves_in_the_end();
    Moves moves_of(const model::FunctionName& name, const std::set<std::int32_t>& here);
    const Participants& who_is_there();
    bool cleans_up_itself() const;
    // With writing_ held, leading:
    Result<> lead(std::optional<Participants> seen, Deadline deadline);
    Result<> take_the_lead(Deadline deadline);
    Result<> look_after(Participants seen, Deadline deadline);
    void note_who_is_there(Participants seen);
    Workforce workforce();
    void find_silent(const Workforce& force);
    bool is_drained(const std::string& worker_id) const;
    Result<> write(MetadataChange change, const MetaPtr& meta, Deadline deadline);
    Result<> assign(const model::FunctionName& name, Deadline deadline);
    Result<> assign_all(Deadline deadline);
    Result<> rebalance_now(Deadline deadline);
    void have_compacted(Deadline deadline);
    Result<> drain_now(const std::string& worker_id, Deadline deadline);
    Result<> write_assignments(const std::vector<AssignmentEvent>& changes, Deadline deadline);
    void retire(const MetaPtr& meta, std::function<void()> done);
    void finish_retirement(const model::FunctionName& name);
    Result<> let_java_workers_go(const model::FunctionName& name, Deadline deadline);
    // Writes of any worker:
    Result<bool> as_leader(const std::function<Result<>(Deadline)>& act, Deadline deadline);
    Result<> change(MetadataChange change, const MetaPtr& meta, const std::function<void()>& done,
                    Deadline deadline);
    Result<> forward(MetadataChange change, const ::proto::FunctionMetaData& meta, Deadline deadline);
    Result<Member> other_leader(Deadline deadline) const;
    Result<> lead_or_order(const std::function<Result<>(Deadline)>& act, std::string path, Deadline deadline);
    void call_when_gone(const model::FunctionName& name, std::function<void()> done);
    bool seen_here(MetadataChange change, const ::proto::FunctionMetaData& meta) const;

    const PlaneOptions options_;
    InternalTopics& topics_;
    BrokerAdmin& admin_;
    WorkerPeers& peers_;
    LocalInstances& runners_;
    std::function<void(const MetaPtr&)> updated_;
    std::function<void()> packages_freed_;

    std::timed_mutex writing_;  // one writer at a time; taken before mutex_; guards what follows
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<TopicReader> metadata_reader_, assignment_reader_;
    std::unique_ptr<TopicWriter> metadata_writer_, assignment_writer_;
    wire::MessageId metadata_end_ = wire::MessageId::earliest();
    wire::MessageId assignments_end_ = wire::MessageId::earliest();
    std::optional<SteadyTime> unwelcome_since_;        // drained, as a Java leader remembers
    bool has_followed_ = false;                        // to the end of the topics, once
    bool behind_ = true;                               // the topics have to be read to their end
    std::set<model::FunctionName> changed_functions_;  // since what runs here was looked at
    std::map<model::FunctionName, MetaPtr> here_;      // what was wanted here last
    bool freed_ = false;                               // packages, since then
    /// Who has had an instance that moved, the latest first, as far as they may still run it.
    struct Trail {
        std::vector<std::string> workers;
        SteadyTime moved{};   // the last time
        bool is_new = false;  // what runs here has not been told of it
    };
    std::map<model::FunctionName, std::map<std::int32_t, Trail>> trails_;
    // What is read after this worker has led it has applied already: only what comes of it in the end is a
    // move. Whose owners that reading may change, and who they were before.
    bool reads_again_ = false;
    std::map<model::FunctionName, std::map<std::int32_t, std::string>> owners_before_;
    std::optional<Participants> seen_now_;         // while acting on changes
    std::multiset<model::FunctionName> retiring_;  // deleted, and not cleaned up yet
    Participants roster_;                          // as a leader saw it last
    Absences absences_;
    std::set<std::string> silent_;  // of the members, while something of others has to be given away
    std::set<std::string> planned_for_, planned_waiting_;  // the workers that the assignments were made for
    SteadyTime rebalanced_at_{}, compacted_at_{};
    bool assigned_since_ = true;  // the last compaction

    mutable std::mutex mutex_;  // guards what follows
    mutable std::condition_variable changed_;
    MetadataTable metadata_;
    AssignmentTable assignments_;
    struct Drain {
        DrainStatus status;
        std::string life;  // Member::life
    };
    std::map<std::string, Drain> drains_;  // by worker id, until it has left
    std::multimap<model::FunctionName, std::function<void()>> when_gone_;
    bool initialized_ = false;
    bool leading_ = false;       // up: writes are taken
    bool role_changed_ = false;  // the broker has said something about who leads
    bool look_again_ = false;    // something happened: the thread shall look
    bool stopping_ = false;

    std::thread thread_;
};

}  // namespace weft::worker
