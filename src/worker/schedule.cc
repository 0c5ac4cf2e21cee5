#include "worker/schedule.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <ranges>
#include <tuple>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"

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
    return runtime == Details::JAVA || runtime == Details::GO;
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
    const bool java = wants_java_worker(meta);
    Workforce::Worker* best = nullptr;
    std::tuple<bool, std::size_t, std::size_t> best_rank;
    for (auto& [id, worker] : takers) {
        const std::tuple rank{java && worker.is_weft, worker.instances, count_in(own, id)};
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
};

/// State of plan_rebalance.
class Balance {
  public:
    Balance(const Assignments& all, Workforce workforce) : workforce_(std::move(workforce)) {
        for (const auto& [name, instances] : all) {
            for (const auto& [id, assigned] : instances) {
                ++own_[name][assigned.worker_id];
                if (!is_pinned(name) && id >= 0)
                    movable_[assigned.worker_id].push_back({{name, id}, assigned.meta});
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
        std::vector<std::pair<std::size_t, std::string>> by_load;
        for (const auto& [id, worker] : workforce_.takers) by_load.emplace_back(worker.instances, id);
        std::ranges::sort(by_load);
        for (const auto& source : by_load | std::views::reverse) {
            for (const auto& target : by_load) {
                if (source.first < target.first + 2) break;
                if (move(source.second, target.second)) return true;
            }
        }
        return false;
    }
    bool move(const std::string& from, const std::string& to) {
        auto& candidates = movable_[from];
        const bool to_weft = workforce_.takers.at(to).is_weft;
        const bool from_weft = workforce_.takers.at(from).is_weft;
        auto best = candidates.end();
        std::size_t best_count = 0;
        for (auto it = candidates.begin(); it != candidates.end(); ++it) {
            if (to_weft && !from_weft && wants_java_worker(it->meta)) continue;
            const std::size_t count = count_in(own_[it->key.function], to);
            if (best != candidates.end() && count >= best_count) continue;
            best = it;
            best_count = count;
            if (count == 0) break;
        }
        if (best == candidates.end()) return false;
        ++own_[best->key.function][to];
        --own_[best->key.function][from];
        --workforce_.takers.at(from).instances;
        ++workforce_.takers.at(to).instances;
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
        ++chosen->instances;
        ++own[worker];
        changes.push_back({{name, id}, std::move(worker), meta});
    }
    return changes;
}

std::vector<AssignmentEvent> plan_rebalance(const Assignments& all, Workforce workforce) {
    return Balance(all, std::move(workforce)).plan();
}

}  // namespace weft::worker
