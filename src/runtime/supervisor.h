#pragma once
// Supervisor: runs one function instance as a child process (`weft instance`) and keeps it running.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "containment/containment.h"
#include "security/client_security.h"

namespace proto {  // generated from wire/proto/*.proto (package proto)
class FunctionDetails;
class FunctionStatus;
class MetricsData;
}  // namespace proto

namespace weft::runtime {

enum class Language : std::uint8_t { native, python, java, go };

/// What runs Java functions: Apache Pulsar's java-instance.jar.
struct JavaSettings {
    std::string program;             // java
    std::string instance_jar;        // java-instance.jar
    std::string class_path;          // of Pulsar's own classes in it: DIRECTORY/*, or jars with ':' between
    std::string extra_dependencies;  // a folder of jars that functions see besides; empty: none
    std::vector<std::string> arguments;  // of the JVM, in front of the function's runtimeFlags
};

/// What an instance asks its worker before it subscribes: the fence of a cluster of workers. `first`: for the
/// first time in its life; `again`: it was away from the broker, and others may have its work by now.
enum class Subscribing : std::uint8_t { first, again };
/// Which of them it does ask.
enum class Asks : std::uint8_t { nothing, to_return, always };

class InstanceUsers;

/// Where an instance gets a user of its own from.
struct UserSource {
    std::shared_ptr<InstanceUsers> pool;  // null: it runs as its worker's
    std::string why_none;                 // where one would be expected
};

/// Everything an instance needs to know; handed to the child over its control channel, never on the command
/// line.
struct InstanceSpec {
    std::string function_details;  // serialized proto::FunctionDetails
    std::int32_t instance_id = 0;
    std::string function_id;       // stable for the life of the function
    std::string function_version;  // changes when the program or its configuration does
    Language language = Language::native;
    std::string package_path;  // the .so, .py, .jar or Go program, or a folder of Python modules
    std::string service_url;   // pulsar://...
    std::string web_service_url;
    security::ClientSettings security = {};  // who the instance is towards the broker
    std::string cluster_name;
    std::string worker_id;
    std::string python;             // interpreter whose packages a Python function sees
    std::string scratch_directory;  // writable, this instance's own
    JavaSettings java = {};         // of a Java function
    containment::Settings containment = {};
    std::uint32_t user = 0;                  // its own, which the supervisor gives it; 0: its worker's
    std::string credentials_directory = {};  // where a user of its own has its credentials; empty: nowhere
    UserSource users = {};                   // stays in this process
    Asks asks = Asks::nothing;               // Java and Go functions: nothing, whatever stands here
    /// Called on the supervisors' thread when it asks; must not block. It waits until `admit` is called, on
    /// any thread. Stays in this process.
    std::function<void(Subscribing what, std::function<void()> admit)> on_ask = {};
};

/// How a child that ends by itself is started again: at once the first time, then after backoff_min, doubled
/// each time, up to backoff_max; a run of `healthy_after` resets it.
struct RestartPolicy {
    Duration backoff_min = 100ms, backoff_max = 30s, healthy_after = 60s;
};

/// When an instance is taken for hung, and is killed and started again with back-off. Health is progress: an
/// instance that waits for messages or for the broker is healthy.
struct HealthPolicy {
    /// One call of the function; a function whose timeoutMs is longer has that long. 0: nothing is looked at.
    Duration call_limit = 300s;
    Duration answer_limit = 60s;  // the instance's answer to its supervisor
};

class Lease;

/// Owns one child at a time. The child dies with this process (PR_SET_PDEATHSIG and the end of its control
/// channel). Any thread.
class Supervisor {
  public:
    virtual ~Supervisor() = default;  // kills without grace
    /// Starts the child and returns; whether it runs is told by status(). Fails only if a process can't be
    /// made at all. With a lease, which must outlive the supervisor, a child runs only while it is held.
    static Result<std::unique_ptr<Supervisor>> start(InstanceSpec spec, RestartPolicy policy,
                                                     HealthPolicy health = {}, Lease* lease = nullptr);

    /// What the instance says of itself; when it isn't running: running=false, numRestarts and
    /// failureException (why). That stands there too while an instance that was started again has not yet
    /// processed a message, and while one makes no progress.
    virtual Result<void> status(::proto::FunctionStatus& status, Deadline deadline) = 0;
    virtual Result<void> metrics(::proto::MetricsData& metrics, Deadline deadline) = 0;
    /// Drains and ends the child: asks, waits until the deadline, then SIGKILL. No restart afterwards. May be
    /// called twice.
    virtual Result<void> stop(Deadline deadline) = 0;
    virtual std::int32_t pid() const = 0;  // -1: not running now
};

}  // namespace weft::runtime
