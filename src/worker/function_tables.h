#pragma once
// What a control plane knows: every function's latest metadata and every instance's assignment; and the pure
// decisions on them. No locks here: the plane guards them.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "worker/internal_topics.h"

namespace weft::worker {

/// Pulsar's FunctionMetaDataManager without its topic: the latest version of each function.
class MetadataTable {
  public:
    /// Applies what the topic says; false if it is out of date (the known version is the same or newer) or
    /// removes the unknown.
    bool apply(const MetadataEvent& event);
    /// Whether a leader may write this: `invalid_argument` with Pulsar's text if it is out of date (the known
    /// version is the same or newer, or the function was deleted and made again meanwhile), `not_found` for
    /// the removal of what is gone.
    Result<> check_current(MetadataChange change, const ::proto::FunctionMetaData& next) const;
    MetaPtr find(const model::FunctionName& name) const;  // null: unknown
    const std::map<model::FunctionName, MetaPtr>& all() const { return functions_; }

  private:
    std::map<model::FunctionName, MetaPtr> functions_;
};

/// What an instance weighs in scheduling: its cpu or its ram, whichever is the larger part of an ordinary
/// one's (1 core, 1 GiB: what Pulsar fills in, and what stands for none), in thousandths.
std::uint64_t weight_of(const ::proto::FunctionMetaData& meta);
inline constexpr std::uint64_t kWeightMax = 1'000'000;

struct AssignedInstance {
    std::string worker_id;
    MetaPtr meta;  // as written in the assignment
    bool operator==(const AssignedInstance&) const = default;
};
using InstanceAssignments = std::map<std::int32_t, AssignedInstance>;

class AssignmentTable {
  public:
    void apply(const AssignmentEvent& event);
    const InstanceAssignments& of(const model::FunctionName& name) const;  // empty: none
    const std::map<model::FunctionName, InstanceAssignments>& all() const { return functions_; }
    /// The workers that have instances, and what these weigh.
    struct Held {
        std::size_t instances = 0;
        std::uint64_t weight = 0;
        bool operator==(const Held&) const = default;
    };
    const std::map<std::string, Held>& holders() const { return held_by_worker_; }

  private:
    std::map<model::FunctionName, InstanceAssignments> functions_;
    std::map<std::string, Held> held_by_worker_;
};

/// The instances of a function that are meant to run on a worker. What is assigned for an earlier life of the
/// function is not: its past is still cleaned up.
std::set<std::int32_t> instances_to_run(const MetaPtr& meta, const InstanceAssignments& assigned,
                                        const std::string& worker_id);

/// Which metadata differ for a running instance: equal texts mean that nothing has to be restarted (only a
/// version or the wanted states of instances changed).
std::string program_fingerprint(const ::proto::FunctionMetaData& meta);

}  // namespace weft::worker
