#pragma once
// FunctionsApi: Pulsar's Functions REST V3 and Worker REST V2, on the two control planes.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "http/server.h"
#include "model/function_details.h"
#include "package/packages.h"
#include "runtime/java_runtime.h"
#include "security/secrets.h"
#include "worker/control_plane.h"
#include "worker/function_runners.h"
#include "worker/package_source.h"
#include "worker/packages_api.h"
#include "worker/rest_guard.h"
#include "worker/worker_metrics.h"

namespace weft::worker {

class FunctionCredentials;

struct ApiOptions {
    std::string worker_id, hostname;
    std::uint16_t web_port = 0;
    bool web_tls = false;           // it is of https
    Duration delete_patience = 3s;  // how long a DELETE waits for the instances to be gone before it answers
    Duration status_patience = 5s;  // how long an instance may take to say how it is
    Duration start_patience = 1s;   // how long a request waits for a worker that has just started
    Duration trigger_patience = 10s;     // how long a trigger waits for the function's output
    FunctionTrigger* trigger = nullptr;  // outlives the API; null: refused
    std::string cluster_name = "standalone";
    const WorkerMetrics* metrics = nullptr;  // outlives the API
    PackageUrlPolicy package_urls = {};
    runtime::JavaOptions java = {};
    std::shared_ptr<const security::SecretsProvider> secrets = security::clear_text_secrets();
    std::shared_ptr<const FunctionCredentials> credentials = {};  // null: functions are what the worker is
    WorkerPeers* peers = nullptr;     // outlives the API; null: there are no other workers to ask
    Duration let_go_patience = 11s;   // of another worker that gets an instance which has to end here first
    ForeignFetch fetch_foreign = {};  // for downloads of packages that no Weft worker keeps
    /// Puts an uploaded package where Pulsar's own workers find it, under that name; empty: it stays here.
    std::function<Result<>(const std::string& name, std::string_view bytes, Deadline)> store_foreign = {};
};

struct StatusReport;
struct StatsReport;

/// Handlers run on the HTTP server's threads, several at once.
class FunctionsApi final {
  public:
    /// What is referred to must outlive the API and the requests.
    FunctionsApi(ApiOptions options, ControlPlane& java_plane, ControlPlane& native_plane,
                 FunctionRunners& runners, package::Packages& packages, BrokerAdmin& admin);

    bool initialized() const;
    /// Waits for it, within ApiOptions::start_patience: a request right after the start needn't be sent
    /// twice.
    bool wait_until_initialized() const;
    /// Deletes packages that no function and no name in the package service stands for.
    void collect_packages();

    PackagesApi& packages() { return packages_api_; }

    // One per route; params are tenant, namespace, name and instanceId where the route has them.
    using Answer = Result<http::Response>;
    Answer create(const http::Request& request);
    Answer update(const http::Request& request);
    Answer remove(const http::Request& request);
    Answer get(const http::Request& request);
    Answer list(const http::Request& request);
    Answer start(const http::Request& request);
    Answer stop(const http::Request& request);
    Answer restart(const http::Request& request);
    Answer download(const http::Request& request);
    Answer status(const http::Request& request);
    Answer instance_status(const http::Request& request);
    Answer stats(const http::Request& request);
    Answer instance_stats(const http::Request& request);
    Answer trigger(const http::Request& request);
    Answer cluster(const http::Request& request);
    Answer leader(const http::Request& request);
    Answer leader_ready(const http::Request& request);
    Answer write_for_other(const http::Request& request);
    Answer rebalance(const http::Request& request);
    Answer drain(const http::Request& request);
    Answer drain_status(const http::Request& request);
    Answer let_go(const http::Request& request);
    Answer encrypt_credentials(const http::Request& request);
    Answer assignments(const http::Request& request);
    Answer functions_metrics(const http::Request& request);
    // Functions V2: protobuf's JSON.
    Answer legacy_get(const http::Request& request);
    Answer legacy_status(const http::Request& request);
    Answer legacy_instance_status(const http::Request& request);
    /// Of the worker and of the instances on it, in Prometheus' text format.
    std::string metrics_text(Deadline deadline) const;

  private:
    struct Found {
        ControlPlane* plane = nullptr;
        MetaPtr meta;
    };
    struct Upload;
    class Reservation;
    Result<Upload> read_upload(const http::Request& request) const;
    Result<> read_package_url(const http::Request& request, Upload& upload) const;
    Result<> read_named_package(Upload& upload) const;
    Answer create_connector(const http::Request& request);
    Answer update_connector(const http::Request& request);
    Found look_up(const model::FunctionName& name) const;
    Result<Found> find_function(const http::Request& request) const;
    /// Of every instance that is assigned, in the order of their ids.
    std::vector<StatusReport> statuses_of(const http::Request& request, const Found& found) const;
    std::vector<StatsReport> stats_of(const http::Request& request, const Found& found) const;
    InstanceAssignments assigned_in(const http::Request& request, const Found& found) const;
    struct Asked;
    void ask_owners(const http::Request& request, const Found& found, const Asked& asked) const;
    void ask_worker(const http::Request& request, const Member& worker, const std::vector<std::size_t>& which,
                    const Asked& asked, Deadline deadline) const;
    Duration patience_with(const http::Request& request) const;
    Result<std::optional<http::Response>> to_owner(const http::Request& request, const Found& found,
                                                   const std::string& worker) const;
    Result<> restart_all(const http::Request& request, const Found& found);
    Result<std::int32_t> instance_of(const http::Request& request, const Found& found) const;
    Result<> check_namespace(const model::FunctionName& name, Deadline deadline);
    bool is_package_of(const ::proto::FunctionMetaData& meta, std::string_view digest,
                       Deadline deadline) const;
    Result<std::optional<package::PackageStore::Pin>> store_package(const Upload& upload,
                                                                    const model::FunctionConfig& config,
                                                                    ::proto::FunctionMetaData& meta,
                                                                    Deadline deadline);
    Answer change_state(const http::Request& request, model::StateChange change);
    Result<> put(ControlPlane& plane, std::shared_ptr<::proto::FunctionMetaData> next,
                 Deadline deadline) const;
    Result<bool> encrypt_anew(ControlPlane& plane, const model::FunctionName& name, Deadline deadline) const;
    static bool is_for_native_plane(const http::Request& request);
    std::string worker_in(const http::Request& request) const;

    const ApiOptions options_;
    ControlPlane& java_plane_;
    ControlPlane& native_plane_;
    FunctionRunners& runners_;
    package::Packages& packages_;
    BrokerAdmin& admin_;
    PackagesApi packages_api_;

    std::mutex mutex_;                      // guards what follows
    std::set<model::FunctionName> making_;  // by requests that are under way
};

/// What an instance that doesn't run has counted is not known: all zero.
void ask_metrics(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                 ::proto::MetricsData& metrics, Deadline deadline);

/// Adds all routes, for those whom `guard` lets pass (null: for all); it outlives the router. `api` gives the
/// API, or null as long as the worker isn't ready (answered 503 with Pulsar's text).
void add_function_routes(http::Router& router, std::function<FunctionsApi*()> api,
                         RestGuard* guard = nullptr);

}  // namespace weft::worker
