#pragma once
// FunctionRunner: brings the instances of one function on this worker to what is wanted, step by step, on a
// JobPool.
//
// Level-triggered: want() and retire() only say what shall be; one step at a time stops what is too much,
// cleans up after a deleted incarnation, and starts what is missing. A start that fails is tried again, with
// back-off.

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "package/packages.h"
#include "runtime/java_runtime.h"
#include "security/client_security.h"
#include "security/secrets.h"
#include "worker/deps.h"
#include "worker/internal_topics.h"
#include "worker/job_pool.h"
#include "worker/worker_metrics.h"

namespace proto {
class FunctionStatus;
class MetricsData;
}  // namespace proto

namespace weft::worker {

class FunctionCredentials;

/// The bytes of a function's package, from where Pulsar's own workers keep what is uploaded to them.
using ForeignFetch = std::function<Result<std::string>(const ::proto::FunctionMetaData&, Deadline)>;

/// What all runners share; outlives them.
struct RunnerContext {
    JobPool& pool;
    InstanceStarter& starter;
    BrokerAdmin& admin;
    package::Packages& packages;
    std::filesystem::path instances_dir;
    std::string worker_id, cluster_name, python;
    std::string service_url, web_url;
    WorkerMetrics* metrics = nullptr;             // null: nothing is counted
    Duration stop_grace = 10s;                    // an instance's time to drain
    Duration retry_min = 250ms, retry_max = 30s;  // between attempts to start an instance or to clean up
    /// Brings a package of another worker into the store; empty: there are no others.
    std::function<Result<>(const std::string& digest, Deadline)> fetch_package = {};
    security::ClientSettings broker_security = {};  // who instances are towards the broker
    runtime::JavaOptions java = {};                 // what runs Java functions
    std::shared_ptr<const security::SecretsProvider> secrets = security::clear_text_secrets();
    std::shared_ptr<const FunctionCredentials> credentials = {};  // null: functions are what the worker is
    containment::Settings containment = {};                       // of all instances that are processes
    runtime::UserSource users = {};                               // and who they are
    /// Asks each of `from` to let go of an instance, and calls `admit` when they have, or can't be running
    /// it. Must not block. Empty: there are no others.
    std::function<void(const std::vector<Member>& from, const model::InstanceKey&,
                       std::function<void()> admit)>
        take_over = {};
    /// Finds out whether an instance that was away from the broker is still this worker's: calls `admit`
    /// then, else `lost`. Must not block. Empty: it is.
    std::function<void(const model::InstanceKey&, runtime::Language, std::function<void()> admit,
                       std::function<void()> lost)>
        confirm = {};
    Duration leaving_max = 10s;       // how long an instance that has moved waits to be asked for
    ForeignFetch fetch_foreign = {};  // packages that no Weft worker keeps; empty: refused
};

/// What a runner does next; pure.
struct RunnerState {
    struct Instance {
        std::string fingerprint;  // of the metadata it was started with
        bool running = false;     // false: its start failed
        bool due = false;         // failed, and its time to be tried again has come
        bool restart = false;     // somebody asked for it
    };
    std::map<std::int32_t, Instance> instances;
    std::set<std::int32_t> wanted;
    std::set<std::int32_t> leaving;  // run on as they are
    std::string wanted_fingerprint;
};
struct RunnerPlan {
    std::vector<std::int32_t> stop, start;  // stops come first
};
RunnerPlan plan_instances(const RunnerState& state);

/// The digest in there; empty: another worker keeps it.
std::string_view digest_of(const ::proto::FunctionMetaData& meta);

class FunctionRunner final
    : public std::enable_shared_from_this<FunctionRunner> {  // its steps on the pool share it
  public:
    FunctionRunner(model::FunctionName name, const RunnerContext& context);
    ~FunctionRunner();

    /// These instances of this version shall run here, no others but those that are leaving. Any thread.
    void want(MetaPtr meta, std::set<std::int32_t> instances, Moves moves = {});
    /// Who has the instance now asks for it: waits until it has ended here; false if the deadline came first.
    /// Any thread.
    bool let_go(std::int32_t instance_id, Deadline deadline);
    /// Another worker has the instance: it ends, and if it is wanted here again begins anew. Any thread.
    void lose(std::int32_t instance_id);
    /// What is leaving ends.
    void end_leaving();
    /// Waits until no instance is leaving.
    bool wait_until_left(Deadline deadline) const;
    /// The function was deleted: stop everything, delete its subscriptions if it asked for that, then call
    /// `done` (on the pool). A want() that comes later is served after that.
    void retire(MetaPtr meta, std::function<void()> done);
    /// Stops the instance (or all: -1) and starts it again; false if there is no such instance here.
    bool restart(std::int32_t instance_id);

    /// What the instance says, or why it doesn't run. Any thread.
    void status(std::int32_t instance_id, ::proto::FunctionStatus& status, Deadline deadline) const;
    /// The package that it was started with; empty: it doesn't run. Any thread.
    std::string package_digest(std::int32_t instance_id) const;
    /// `unavailable` if the instance doesn't run.
    Result<> metrics(std::int32_t instance_id, ::proto::MetricsData& metrics, Deadline deadline) const;
    /// Waits until nothing is left to be done; false if the deadline came first.
    bool wait_settled(Deadline deadline) const;
    /// Nothing wanted, nothing running, nothing to clean up.
    bool is_done() const;
    /// Stops all instances for good, in parallel; later calls to want() start nothing.
    void shut_down(Deadline deadline);

  private:
    struct Slot {
        std::shared_ptr<runtime::Supervisor>
            supervisor;  // shared with status() calls that are under way; null: not running
        std::shared_ptr<const package::Environment> environment;  // held while it runs; null: needs none
        std::shared_ptr<package::PackageStore::Pin> pin;  // of a package that no metadata names by its digest
        std::string fingerprint, digest;
        std::string error;
        Duration backoff{};
        SteadyTime retry_at;
        bool restart = false;
    };
    struct Retirement {
        MetaPtr meta;
        std::function<void()> done;
        int attempts = 0;
        Duration backoff{};
        SteadyTime retry_at;
    };

    void wake();                      // with mutex_ held
    void wake_after(Duration delay);  // with mutex_ held
    void step();
    void run_steps(std::unique_lock<std::mutex>& lock);
    RunnerState state_now() const;       // with mutex_ held
    std::optional<Duration> next_due();  // with mutex_ held
    void stop_instances(const std::vector<std::int32_t>& ids, Deadline deadline);
    void start_instance(std::int32_t id, const ::proto::FunctionMetaData& meta,
                        const std::string& fingerprint);
    Result<Slot> launch(std::int32_t id, const ::proto::FunctionMetaData& meta,
                        const std::vector<Member>& from);
    void let_it_ask(runtime::InstanceSpec& spec, const std::vector<Member>& from);
    bool is_leaving(std::int32_t id) const;  // with mutex_ held
    Result<> place_program(const ::proto::FunctionMetaData& meta, const std::filesystem::path& folder,
                           runtime::InstanceSpec& spec, Slot& slot) const;
    Result<> bring_foreign_package(const ::proto::FunctionMetaData& meta, Slot& slot) const;
    void clean_up();
    Result<> delete_subscriptions(const ::proto::FunctionMetaData& meta);
    std::filesystem::path folder() const;
    std::filesystem::path token_folder(std::int32_t id) const;
    std::filesystem::path copies_folder(std::int32_t id) const;

    const model::FunctionName name_;
    const RunnerContext& context_;

    mutable std::mutex mutex_;  // guards what follows
    mutable std::condition_variable settled_;
    MetaPtr wanted_meta_;
    std::set<std::int32_t> wanted_;
    std::map<std::int32_t, SteadyTime> leaving_;        // until then at most
    std::map<std::int32_t, std::vector<Member>> from_;  // of those that were not started yet
    std::multiset<std::int32_t> asked_for_;             // let_go() waits
    std::set<std::int32_t> starting_;
    std::vector<Retirement> retirements_;
    std::map<std::int32_t, Slot> slots_;
    bool running_ = false;                // a step runs
    bool again_ = false;                  // something changed while it ran
    std::uint32_t posted_ = 0;            // steps on the pool that wait for their turn
    std::uint32_t timers_ = 0;            // and for their time
    std::optional<SteadyTime> timer_at_;  // the earliest of these
    bool shut_down_ = false;
};

/// A name as one part of a path: anything but letters, digits, '-', '_' and '=' is percent-encoded.
std::string path_part(std::string_view name);

}  // namespace weft::worker
