#pragma once
// Whether a worker may join a cluster that is there: what of its functions it could not run. Before an
// operator replaces one of Pulsar's own workers.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "worker/participants.h"
#include "worker/worker.h"

namespace proto {
class FunctionMetaData;
}

namespace weft::worker {

/// What the cluster's topics say.
struct ClusterView {
    Participants participants;
    std::vector<std::shared_ptr<const ::proto::FunctionMetaData>> functions;  // sources and sinks too
    // Java workers, without the one that is replaced, that give a package of DistributedLog to who asks:
    // 4.0.8 sends nothing where its functionsWorkerEnablePackageManagement is true.
    std::set<std::string> log_readers;
};
/// Looks, and leaves nothing behind. A cluster that has no topics yet is an empty one; `unavailable` and
/// the like if it can't be reached in time.
Result<ClusterView> look_at_cluster(const WorkerOptions& options, const Endpoints& endpoints,
                                    Deadline deadline);

struct SwapFinding {
    enum class Kind : std::uint8_t {
        stops,           // with the worker in its place, what it names does not run
        until_the_last,  // runs as long as one of Pulsar's own workers is there
        beside_java,     // what it names does not run on Pulsar's own workers
    };
    Kind kind = Kind::stops;
    std::string text;  // names the function, what is wrong and what to do
    bool operator==(const SwapFinding&) const = default;
};
/// Pure, but for looking for Java and for the files that URLs name. The worker joins under its id: one of
/// Pulsar's own that has it now is gone by then.
std::vector<SwapFinding> examine_swap(const ClusterView& view, const WorkerOptions& options);
/// "java: a, b; Weft: c; 3 functions", as it is before the worker joins.
std::string summary_of(const ClusterView& view);

}  // namespace weft::worker
