#pragma once
// What the worker needs of the world: internal topics, the broker's admin functions, running instances. The
// adapters of the program stand in pulsar_topics.cc, broker_admin.cc and worker.cc; fakes in testing/.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/supervisor.h"
#include "wire/message_id.h"
#include "worker/participants.h"

namespace weft::worker {

/// A message of an internal topic.
struct Record {
    std::string key;      // empty: none
    std::string payload;  // empty: with a key, the key's removal
    std::map<std::string, std::string> properties;
};

/// Appends to one internal topic. One thread at a time.
class TopicWriter {
  public:
    virtual ~TopicWriter() = default;  // nothing that wasn't confirmed is written after this
    /// Appends all, in order; when it returns they are stored. After a failure any of them may have been
    /// (`unknown_outcome`, `deadline_exceeded`, ...): the caller reads the topic again with a new writer
    /// open.
    virtual Result<> append(std::span<const Record> records, Deadline deadline) = 0;
};

/// Membership in the coordination topic's Failover subscription; leaves when destroyed.
class Membership {
  public:
    virtual ~Membership() = default;
    virtual bool is_leader() const = 0;
};

/// Reads an internal topic, and stays. One thread at a time.
class TopicReader {
  public:
    using Take = std::function<void(const Record&)>;
    virtual ~TopicReader() = default;
    /// Hands over what has arrived, in order, without waiting for more.
    virtual Result<> take_arrived(const Take& take, Deadline deadline) = 0;
    /// Hands over everything that stands in the topic at the time of the call.
    virtual Result<> catch_up(const Take& take, Deadline deadline) = 0;
    /// The last record that was handed over, or where the reader began.
    virtual wire::MessageId position() const = 0;
};

/// Where a reader begins.
struct ReaderStart {
    wire::MessageId after;
    bool compacted = false;  // where the broker has compacted the topic, only what is newest of each key
};

class InternalTopics {
  public:
    virtual ~InternalTopics() = default;
    /// Makes the topic if it isn't there. `reader` names the subscription, which leaves nothing behind.
    /// `arrived` is called, on any thread, when there is something to take.
    virtual Result<std::unique_ptr<TopicReader>> open_reader(const std::string& topic,
                                                             const std::string& reader, ReaderStart start,
                                                             std::function<void()> arrived,
                                                             Deadline deadline) = 0;
    /// A producer of that name: no other of the same name writes while it lives.
    virtual Result<std::unique_ptr<TopicWriter>> open_writer(const std::string& topic,
                                                             const std::string& producer,
                                                             Deadline deadline) = 0;
    /// Joins as `participant` ("workerId:host:port"); `changed` is called, on any thread, when leadership may
    /// have changed.
    virtual Result<std::unique_ptr<Membership>> join(const std::string& topic, const std::string& participant,
                                                     std::function<void()> changed, Deadline deadline) = 0;
};

/// Who may do what in a namespace, besides super users.
struct NamespaceRights {
    std::vector<std::string> tenant_admins;
    std::map<std::string, std::set<std::string>> granted;  // role to actions: "functions", "produce", ...
};

/// The broker's admin functions. Several threads at once.
class BrokerAdmin {
  public:
    virtual ~BrokerAdmin() = default;
    virtual Result<bool> tenant_exists(const std::string& tenant, Deadline deadline) = 0;
    /// `ns` is the namespace's own name, without the tenant.
    virtual Result<bool> namespace_exists(const std::string& tenant, const std::string& ns,
                                          Deadline deadline) = 0;
    /// Makes the namespace if it isn't there.
    virtual Result<> ensure_namespace(const std::string& tenant, const std::string& ns,
                                      Deadline deadline) = 0;
    /// Deletes a subscription; fine if the topic or the subscription doesn't exist (any more).
    virtual Result<> delete_subscription(const std::string& topic, const std::string& subscription,
                                         Deadline deadline) = 0;
    /// None where there is no such tenant or namespace.
    virtual Result<NamespaceRights> rights_in(const std::string& tenant, const std::string& ns,
                                              Deadline deadline) = 0;
    /// Who is in the subscription of a coordination topic, and leads it.
    virtual Result<Participants> participants(const std::string& topic, Deadline deadline) = 0;
    /// Has the broker compact the topic, in its own time; fine if it does already.
    virtual Result<> compact(const std::string& topic, Deadline deadline) = 0;
};

/// One message for a function.
struct TriggerRequest {
    std::string client_name;   // who sends and reads, for those who look at the broker
    std::string input_topic;   // full names; either may be partitioned
    std::string output_topic;  // empty: the function has none
    std::string_view payload;
};

/// Several threads at once.
class FunctionTrigger {
  public:
    virtual ~FunctionTrigger() = default;
    /// Sends the message and waits for the first output that came of it; nothing if there is no output topic.
    /// `deadline_exceeded`: it was sent, and no output came in time.
    virtual Result<std::optional<std::string>> trigger(const TriggerRequest& request, Deadline deadline) = 0;
};

/// Starts instances. Several threads at once.
class InstanceStarter {
  public:
    virtual ~InstanceStarter() = default;
    virtual Result<std::unique_ptr<runtime::Supervisor>> start(runtime::InstanceSpec spec) = 0;
};

}  // namespace weft::worker
