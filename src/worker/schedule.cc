#include "worker/schedule.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <ranges>
#include <tuple>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "worker/package_source.h"

namespace weft::worker {
namespace {

using Details = ::proto::FunctionDetails;

/// Compares unknown fields too: what a newer worker wrote is a difference like any other.
bool same(const MetaPtr& a, const MetaPtr& b) {
    return a == b || (a && b && google::protobuf::util::MessageDifferencer::Equals(*a, *b));
}

/// Pulsar's heartbeat functions have the name of the one worker that runs them.
bool is_pinned(const model::FunctionName& name) {
    return name.tenant == "pulsar-function" && name.ns == "heartbeat";
}

bool wants_java_worker(const MetaPtr& meta) {
    const auto runtime = meta->functiondetails().runtime();
    if (package_home(meta->packagelocation().packagepath()) == PackageHome::distributed_log) return true;
    return runtime == Details::JAVA || runtime == Details::GO;
}

/// Whether another worker suits it better: Java and Go functions, and packages in DistributedLog, are at home
/// on Pulsar's own workers, and those can't fetch what a Weft worker keeps.
bool is_out_of_place(const MetaPtr& meta, const Workforce::Worker& worker) {
    return worker.is_weft ? wants_java_worker(meta)
                          : meta->packagelocation().packagepath().starts_with(kPackageScheme);
}

using Counts = std::map<std::string, std::size_t>;

std::size_t count_in(const Counts& counts, const std::string& worker) {
    const auto found = counts.find(worker);
    return found == counts.end() ? 0 : found->second;
}

/// Who gets the next instance of a function that has `own` instances on the workers already; null: nobody.
Workforce::Worker* choose(const model::FunctionName& name, const MetaPtr& meta, const Counts& own,
                          Workforce& workforce, std::string& chosen) {
    auto& takers = workforce.takers;
    if (is_pinned(name)) {
        const auto found = takers.find(name.name);
        if (found == takers.end()) return nullptr;
        chosen = found->first;
        return &found->second;
    }
    Workforce::Worker* best = nullptr;
    std::tuple<bool, std::uint64_t, std::size_t> best_rank;
    for (auto& [id, worker] : takers) {
        const std::tuple rank{is_out_of_place(meta, worker), worker.load, count_in(own, id)};
        if (best && best_rank <= rank) continue;
        best = &worker;
        best_rank = rank;
        chosen = id;
    }
    return best;
}

struct Instance {
    model::InstanceKey key;
    MetaPtr meta;
    std::uint64_t weight = 0;
};

/// State of plan_rebalance.
class Balance {
  public:
    Balance(const Assignments& all, Workforce workforce) : workforce_(std::move(workforce)) {
        for (const auto& [name, instances] : all) {
            for (const auto& [id, assigned] : instances) {
                ++own_[name][assigned.worker_id];
                if (!is_pinned(name) && id >= 0) {
                    movable_[assigned.worker_id].push_back(
                        {{name, id}, assigned.meta, weight_of(*assigned.meta)});
                }
            }
        }
    }
    std::vector<AssignmentEvent> plan() {
        while (move_one()) {
        }
        return std::move(moves_);
    }

  private:
    /// From the most loaded worker that has something another can take; false: nothing more to gain.
    bool move_one() {
        std::vector<std::pair<std::uint64_t, std::string>> by_load;
        for (const auto& [id, worker] : workforce_.takers) by_load.emplace_back(worker.load, id);
        std::ranges::sort(by_load);
        for (const auto& source : by_load | std::views::reverse) {
            for (const auto& target : by_load) {
                if (source.first <= target.first) break;
                if (move(source.second, target.second, source.first - target.first)) return true;
            }
        }
        return false;
    }
    /// One that weighs less than the `gap` between the two, of a function that the other has few of.
    bool move(const std::string& from, const std::string& to, std::uint64_t gap) {
        auto& candidates = movable_[from];
        const auto &here = workforce_.takers.at(from), &there = workforce_.takers.at(to);
        auto best = candidates.end();
        std::size_t best_count = 0;
        for (auto it = candidates.begin(); it != candidates.end(); ++it) {
            if (it->weight >= gap) continue;
            if (is_out_of_place(it->meta, there) && !is_out_of_place(it->meta, here)) continue;
            const std::size_t count = count_in(own_[it->key.function], to);
            if (best != candidates.end() && count >= best_count) continue;
            best = it;
            best_count = count;
            if (count == 0) break;
        }
        if (best == candidates.end()) return false;
        ++own_[best->key.function][to];
        --own_[best->key.function][from];
        workforce_.takers.at(from).load -= best->weight;
        workforce_.takers.at(to).load += best->weight;
        moves_.push_back({best->key, to, best->meta});
        candidates.erase(best);
        return true;
    }

    Workforce workforce_;
    std::map<model::FunctionName, Counts> own_;
    std::map<std::string, std::vector<Instance>> movable_;  // that have not moved yet
    std::vector<AssignmentEvent> moves_;
};

}  // namespace

std::vector<AssignmentEvent> plan_assignments(const model::FunctionName& name, const MetaPtr& meta,
                                              const InstanceAssignments& current, Workforce& workforce) {
    std::vector<AssignmentEvent> changes;
    const std::int32_t instances = meta ? model::instances_of(meta->functiondetails()) : 0;
    Counts own;
    const auto stays = [&](const std::string& worker) {
        return workforce.takers.contains(worker) || workforce.waited_for.contains(worker);
    };
    for (const auto& [id, assigned] : current) {
        if (id < 0 || id >= instances) {
            changes.push_back({{name, id}, "", nullptr});
        } else if (stays(assigned.worker_id)) {
            ++own[assigned.worker_id];
        }
    }
    for (std::int32_t id = 0; id < instances; ++id) {
        const auto found = current.find(id);
        std::string worker = found == current.end() ? "" : found->second.worker_id;
        if (!worker.empty() && stays(worker)) {
            if (!same(found->second.meta, meta)) changes.push_back({{name, id}, std::move(worker), meta});
            continue;
        }
        Workforce::Worker* const chosen = choose(name, meta, own, workforce, worker);
        if (!chosen) continue;  // nobody to run it
        chosen->load += weight_of(*meta);
        ++own[worker];
        changes.push_back({{name, id}, std::move(worker), meta});
    }
    return changes;
}

std::vector<AssignmentEvent> plan_rebalance(const Assignments& all, Workforce workforce) {
    return Balance(all, std::move(workforce)).plan();
}

}  // namespace weft::worker
