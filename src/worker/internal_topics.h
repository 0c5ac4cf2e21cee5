#pragma once
// The messages of the metadata and assignment topics, as Pulsar's workers write them (bytes in, values out;
// pure).

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/function_name.h"
#include "worker/deps.h"
#include "worker/worker.h"

namespace proto {
class FunctionMetaData;
}

namespace weft::worker {

/// One version of a function; shared by the tables and the instances that run it, never changed.
using MetaPtr = std::shared_ptr<const ::proto::FunctionMetaData>;

/// How the metadata names a package that Weft workers keep: "weft-package://<digest>".
inline constexpr std::string_view kPackageScheme = "weft-package://";

/// Full names of the three topics of one control plane, below "persistent://<functions namespace>/".
struct TopicNames {
    std::string metadata, assignments, coordinate;
    static TopicNames of_java_workers(std::string_view functions_namespace, const TopicWords& words = {});
    static TopicNames of_weft_workers(std::string_view functions_namespace,
                                      const TopicWords& words = {});  // weft-metadata, ...
};

/// Instances of one function that change workers in order.
struct Moves {
    /// That come: who may still run them, and lets go when it is asked; the latest first.
    std::map<std::int32_t, std::vector<Member>> from;
    std::set<std::int32_t> leaving;  // that go: they run on until who has them now asks for them
};

/// What runs on this worker. Any thread.
class LocalInstances {
  public:
    virtual ~LocalInstances() = default;
    /// These instances of this version shall run here, no others but, for a while, those that are leaving.
    virtual void want(const model::FunctionName& name, MetaPtr meta, std::set<std::int32_t> instances,
                      Moves moves) = 0;
    /// Stops a deleted function, cleans up behind it, then calls `done`, on a thread of its own.
    virtual void retire(const model::FunctionName& name, MetaPtr meta, std::function<void()> done) = 0;
};

enum class MetadataChange : std::uint8_t { update, remove };

/// A ServiceRequest with the property `version`; no key.
Record metadata_record(MetadataChange change, const ::proto::FunctionMetaData& meta,
                       const std::string& worker_id);
struct MetadataEvent {
    MetadataChange change = MetadataChange::update;
    MetaPtr meta;
};
/// Takes both of Pulsar's formats: ServiceRequest without a key, FunctionMetaData with one (empty: removed).
/// Nothing for a message that means nothing (INITIALIZE); `corrupt` for one that doesn't parse or lacks a
/// name.
Result<std::optional<MetadataEvent>> read_metadata(const Record& record);

/// The assignment of one instance, with its function's whole metadata; a removal without a worker.
Record assignment_record(const ::proto::FunctionMetaData& meta, std::int32_t instance_id,
                         const std::string& worker_id);
Record assignment_removal(const model::FunctionName& function, std::int32_t instance_id);
struct AssignmentEvent {
    model::InstanceKey key;
    std::string worker_id;  // empty: removed
    MetaPtr meta;           // of an assignment
};
Result<AssignmentEvent> read_assignment(const Record& record);

}  // namespace weft::worker
