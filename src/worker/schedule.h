#pragma once
// Which worker runs which instance: pure decisions. An instance stays where it is as long as that can be.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "worker/function_tables.h"

namespace weft::worker {

/// The workers as the scheduler sees them.
struct Workforce {
    struct Worker {
        std::uint64_t load = 0;  // of its instances, see weight_of(); counted up and down as they are planned
        bool is_weft = true;
    };
    std::map<std::string, Worker> takers;  // who instances may go to
    std::set<std::string> waited_for;      // away for a moment: what they have stays theirs
};

/// What has to be written so that every instance of a function is assigned, with its latest metadata: what is
/// assigned to a taker or to one that is waited for stays there, the others go to the least loaded, where
/// that is equal to the one with fewest instances of this function. Java and Go functions go to workers that
/// run them, if there are any. `meta` null: the function is gone and its assignments are removed.
std::vector<AssignmentEvent> plan_assignments(const model::FunctionName& name, const MetaPtr& meta,
                                              const InstanceAssignments& current, Workforce& workforce);

using Assignments = std::map<model::FunctionName, InstanceAssignments>;

/// The moves, each from a worker to one that is less loaded also with the instance on it, after which there
/// are no more such (with instances of one weight: no taker has two more than another that could take them).
/// Each instance moves once at most.
std::vector<AssignmentEvent> plan_rebalance(const Assignments& all, Workforce workforce);

}  // namespace weft::worker
