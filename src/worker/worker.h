#pragma once
// Worker: takes functions over REST, keeps them in Pulsar's internal topics, and runs their instances.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "containment/containment.h"
#include "runtime/java_runtime.h"
#include "security/client_security.h"
#include "security/credential_keys.h"
#include "security/secrets.h"
#include "worker/package_source.h"
#include "worker/rest_guard.h"

namespace weft::http {
class Router;
}

namespace weft::worker {

/// Where the broker is that keeps the worker's topics.
enum class BrokerPlace : std::uint8_t {
    this_process,  // its admin REST is in the router that add_routes() gets: asked directly, not over the
                   // network
    elsewhere,     // asked over HTTP at Endpoints::web_url
};

/// What an instance is. Threads are for C++ functions; functions of other languages are processes always.
enum class FunctionRuntime : std::uint8_t { process, thread };

/// The words by which a cluster of workers calls its topics.
struct TopicWords {
    std::string metadata = "metadata", assignments = "assignments", coordinate = "coordinate";
};

struct WorkerOptions {
    std::filesystem::path data_dir;  // packages and instances live below it
    std::string cluster_name = "standalone";
    std::string hostname = "localhost";  // what other workers and clients are told
    // Empty: c-<cluster>-fw-<hostname>-<web port>; of a worker without a broker <hostname>-<web port>.
    std::string worker_id;
    std::string python = "python3";  // interpreter whose packages Python functions see
    // Indexes for the requirements of Python packages; empty: none, everything is offline.
    std::string python_dependency_repository, python_extra_dependency_repository;
    runtime::JavaOptions java;                             // what runs Java functions
    std::string functions_namespace = "public/functions";  // where the internal topics live
    TopicWords topic_words;
    std::uint32_t instances_starting_max = 16;     // instances started at once
    std::uint64_t package_bytes_max = 256U << 20;  // one uploaded package; 0: as large as a request may be
    BrokerPlace broker = BrokerPlace::this_process;
    security::ClientSettings broker_security;  // who the worker and its instances are towards the broker
    std::shared_ptr<const security::SecretsProvider> secrets = security::clear_text_secrets();
    std::map<std::string, std::string> secrets_files;  // of its own, by setting: functions must not read them
    // functionAuthProviderClassName: a function is to the broker who made it. Empty: it is what the worker
    // is.
    security::CredentialKeySource credential_keys = {};
    std::string credential_key_file;
    FunctionRuntime function_runtime = FunctionRuntime::process;
    PackageUrlPolicy package_urls;
    bool package_management = false;  // uploads go to the broker's package service, for Java workers too
    // A worker of a cluster: how often a leader that has others looks who is there; how long one that is gone
    // may take to come back to its instances (none given: 2 s, and none at all where the broker is in this
    // process, which starts with it); how often instances are spread anew (0: when asked).
    Duration look_every = 250ms;
    std::optional<Duration> reschedule_after = {};
    Duration rebalance_every = 0s;
    Duration compact_every = 30min;  // on a broker elsewhere; 0: never
    // The fence: instances end when this process has been asleep for so long (0: never). Not needed where no
    // other worker can take them over.
    Duration lease = 1500ms;
    // What the code of functions is kept from. The kernel is looked at by create().
    containment::Settings containment = {
        .level = containment::Level::basic, .readable = {}, .writable = {}, .kernel = {}};
    Duration call_limit = 300s;  // a call of a function that lasts longer hangs; 0: may last for ever
    RestAccess access = {};      // who may do what over REST; nothing said: everybody everything
};

/// Where the broker and this worker's own REST listen: known once they are bound.
struct Endpoints {
    std::string service_url;     // pulsar://host:port
    std::string web_url;         // http://host:port
    std::uint16_t web_port = 0;  // that other workers are told
    bool web_tls = false;        // it is of https
};

/// Order of calls: create, add_routes (before the HTTP server starts), start, stop. Until it has read its
/// topics every REST call is answered 503. A broker that isn't there yet, or goes away, is waited for:
/// nothing here ends because of it.
class Worker {
  public:
    /// Makes its folders; fails only if it can't (`io`, `disk_full`) or an option is wrong.
    static Result<std::unique_ptr<Worker>> create(WorkerOptions options);
    virtual ~Worker() = default;  // stops without grace if stop() wasn't called

    /// Functions V3, worker V2, /initialized and /version. The router must stay where it is and outlive the
    /// worker.
    virtual void add_routes(http::Router& router) = 0;
    /// Returns at once; the work is done on threads of its own. Once.
    virtual void start(Endpoints endpoints) = 0;
    /// Drains and ends all instances, then leaves the topics. Idempotent, allowed before start(). Any thread.
    virtual void stop(Deadline deadline) = 0;
    /// Threads of functions that did not end in stop(), and still run: the process can't end in order.
    virtual std::uint32_t threads_left_behind() const = 0;
    /// Whether it serves (what /initialized says). Any thread.
    virtual bool initialized() const = 0;
};

}  // namespace weft::worker
