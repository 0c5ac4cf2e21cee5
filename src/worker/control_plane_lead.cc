// The part of ControlPlane that leads.

#include <algorithm>

#include "http/client.h"
#include "model/function_details.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/control_plane.h"
#include "worker/detail/gather.h"

namespace weft::worker {
namespace {

const observe::Logger kLog("worker");

constexpr Duration kCompactAgain = 60s, kCompactPatience = 5s;
constexpr Duration kAnswerAgain = 50ms;
constexpr Duration kAssignPatience = 10s;     // for assignments that the control thread writes
constexpr std::size_t kRecordsAtOnce = 1000;  // of assignments under way to the broker

}  // namespace

Result<> ControlPlane::lead(std::optional<Participants> seen, Deadline deadline) {
    if (!membership_->is_leader()) {
        const bool led = is_leader();
        {
            const std::lock_guard lock(mutex_);
            leading_ = false;
            drains_.clear();  // they are the memory of the one who leads
        }
        return led ? follow(deadline) : Result<>{};
    }
    if (!is_leader()) return take_the_lead(deadline);
    if (seen) return look_after(std::move(*seen), deadline);
    return {};
}

Result<> ControlPlane::take_the_lead(Deadline deadline) {
    // Writers first: once they are open nobody else writes, so what is read then is all there is.
    WEFT_TRY(metadata_writer_,
             topics_.open_writer(options_.topics.metadata, options_.worker_id + "-leader", deadline));
    WEFT_TRY(assignment_writer_, topics_.open_writer(options_.topics.assignments,
                                                     options_.worker_id + "-scheduler-manager", deadline));
    WEFT_TRY_VOID(read_topics(true, deadline));
    act_on_changes();
    WEFT_TRY(roster_, participants(deadline));
    absences_ = {};  // what an earlier reign saw is over
    rebalanced_at_ = compacted_at_ = options_.now();
    assigned_since_ = true;  // for all that is known
    WEFT_TRY_VOID(assign_all(deadline));
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::cancelled, "stopping");
    leading_ = true;
    look_again_ = true;  // whoever's thread this is: the control thread looks after them all from now on
    changed_.notify_all();
    return {};
}

/// A worker that has left, also one that is back already, is drained no more.
void ControlPlane::note_who_is_there(Participants seen) {
    const bool was_alone = roster_.members.size() <= 1;
    roster_ = std::move(seen);
    if (was_alone && roster_.members.size() > 1) look_again();  // it sleeps for longer while it is alone
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(drains_, [&](const auto& drain) {
            const Member* const member = roster_.find(drain.first);
            return !member || member->life != drain.second.life;
        });
    }
}

/// Assigns anew if workers have come, or have been gone for too long.
Result<> ControlPlane::look_after(Participants seen, Deadline deadline) {
    note_who_is_there(std::move(seen));
    const Workforce now = workforce();
    std::set<std::string> takers;
    for (const auto& [id, worker] : now.takers) takers.insert(id);
    if (takers != planned_for_ || now.waited_for != planned_waiting_)
        WEFT_TRY_VOID(assign_all(deadline.at_most(kAssignPatience)));
    const bool rebalances = options_.rebalance_every > Duration::zero();
    if (rebalances && options_.now() - rebalanced_at_ >= options_.rebalance_every && now.takers.size() > 1)
        WEFT_TRY_VOID(rebalance_now(deadline.at_most(kAssignPatience)));
    have_compacted(deadline.at_most(kCompactPatience));
    return {};
}

/// Of the assignments only the newest of each instance counts. The metadata in Pulsar's format can't be
/// compacted: its messages have no keys.
void ControlPlane::have_compacted(Deadline deadline) {
    if (options_.compact_every <= Duration::zero() || !assigned_since_) return;
    if (options_.now() - compacted_at_ < options_.compact_every) return;
    compacted_at_ = options_.now();
    const auto compacting = admin_.compact(options_.topics.assignments, deadline);
    if (compacting) {
        assigned_since_ = false;
        return;
    }
    compacted_at_ -= options_.compact_every - std::min(options_.compact_every, kCompactAgain);
    kLog.warn("the broker does not compact the assignments",
              {{"topic", options_.topics.assignments}, {"error", compacting.error().message}});
}

/// Who can take instances, with what they have.
Workforce ControlPlane::workforce() {
    Workforce force;
    std::set<std::string> present{options_.worker_id};
    for (const auto& member : roster_.members) present.insert(member.worker_id);
    const std::lock_guard lock(mutex_);
    std::set<std::string> holders;
    for (const auto& [id, held] : assignments_.holders()) holders.insert(id);
    std::set<std::string> takers = present;
    std::erase_if(takers, [this](const auto& id) { return is_drained(id); });
    for (const auto& id : takers.empty() ? present : takers) {  // those that are left have to do
        const Member* const member = roster_.find(id);
        const auto held = assignments_.holders().find(id);
        force.takers[id] = {held == assignments_.holders().end() ? 0 : held->second.weight,
                            !member || member->is_weft};
    }
    force.waited_for = absences_.waited_for(holders, present, options_.now(), options_.reschedule_after);
    return force;
}

/// While a worker is away whose instances may have to go to others: who of these doesn't answer. It may be
/// gone as well, and the broker has not missed it yet; what it got would lie there until it does. Who was
/// silent before has no long time to answer: it was asked when the other one was missed first.
void ControlPlane::find_silent(const Workforce& force) {
    std::vector<Member> others;
    {
        const std::lock_guard lock(mutex_);
        const bool anybody_is_away = std::ranges::any_of(assignments_.holders(), [&](const auto& holder) {
            return !roster_.find(holder.first) && holder.first != options_.worker_id;
        });
        if (!anybody_is_away) return silent_.clear();
    }
    for (const auto& member : roster_.members) {
        if (member.worker_id != options_.worker_id && force.takers.contains(member.worker_id))
            others.push_back(member);
    }
    std::vector<char> answered(others.size());  // not bool: each is written by a thread of its own
    gather(others.size(), [&](std::size_t at) {
        const bool again = silent_.contains(others[at].worker_id);
        const Deadline until = Deadline::after(again ? kAnswerAgain : options_.answer_patience);
        const auto answer = peers_.ask(others[at], "GET", "/version", until);
        answered[at] = answer || !answer.error().message.starts_with(others[at].url());  // any answer will do
    });
    const std::set<std::string> before = std::exchange(silent_, {});
    for (std::size_t at = 0; at < others.size(); ++at) {
        const std::string& id = others[at].worker_id;
        if (answered[at]) continue;
        silent_.insert(id);
        if (!before.contains(id)) {
            kLog.info("a worker does not answer; for now it gets nothing of what others had",
                      {{"worker", id}});
        }
    }
}

/// Assigns every function of either table.
Result<> ControlPlane::assign_all(Deadline deadline) {
    Workforce force = workforce();
    std::set<std::string> takers;
    for (const auto& [id, worker] : force.takers) takers.insert(id);
    std::set<std::string> waiting = force.waited_for;
    find_silent(force);
    if (silent_.size() < force.takers.size()) {  // else they have to do
        for (const auto& id : silent_) {
            force.takers.erase(id);
            force.waited_for.insert(id);
        }
    }
    std::set<model::FunctionName> names;
    std::vector<AssignmentEvent> changes;
    std::vector<MetaPtr> leftovers;  // deleted by somebody who didn't get to clean up
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, meta] : metadata_.all()) names.insert(name);
        for (const auto& [name, instances] : assignments_.all()) names.insert(name);
        for (const auto& name : names) {
            if (retiring_.contains(name)) continue;
            const MetaPtr meta = metadata_.find(name);
            const InstanceAssignments& current = assignments_.of(name);
            if (!meta) {
                leftovers.push_back(current.begin()->second.meta);
                continue;
            }
            std::ranges::move(plan_assignments(name, meta, current, force), std::back_inserter(changes));
        }
    }
    for (const auto& leftover : leftovers) retire(leftover, {});
    WEFT_TRY_VOID(write_assignments(changes, deadline));
    planned_for_ = std::move(takers);
    planned_waiting_ = std::move(waiting);
    return {};
}

Result<> ControlPlane::assign(const model::FunctionName& name, Deadline deadline) {
    if (retiring_.contains(name)) return {};  // its past is cleaned up first
    const MetaPtr meta = find(name);
    const bool grows = meta && assignments_of(name).size() <
                                   static_cast<std::size_t>(model::instances_of(meta->functiondetails()));
    if (grows) {  // also those who have just come may get some
        if (auto seen = participants(deadline)) note_who_is_there(std::move(*seen));
    }
    Workforce force = workforce();
    std::vector<AssignmentEvent> changes;
    {
        const std::lock_guard lock(mutex_);
        changes = plan_assignments(name, metadata_.find(name), assignments_.of(name), force);
    }
    WEFT_TRY_VOID(write_assignments(changes, deadline));
    run_locally(name);
    seen_now_.reset();
    return {};
}

/// Writes what is planned, by portions; what of it concerns this worker is done as soon as it is stored.
Result<> ControlPlane::write_assignments(const std::vector<AssignmentEvent>& changes, Deadline deadline) {
    for (std::size_t at = 0; at < changes.size(); at += kRecordsAtOnce) {
        const auto portion = std::span(changes).subspan(at, std::min(kRecordsAtOnce, changes.size() - at));
        std::vector<Record> records;
        for (const auto& change : portion) {
            records.push_back(
                change.worker_id.empty()
                    ? assignment_removal(change.key.function, change.key.instance_id)
                    : assignment_record(*change.meta, change.key.instance_id, change.worker_id));
        }
        if (auto stored = assignment_writer_->append(records, deadline); !stored) {
            distrust();  // any of them may stand in the topic
            return stored;
        }
        assigned_since_ = true;
        for (const auto& change : portion) apply(change);
        act_on_changes();
    }
    return {};
}

// Rebalance and drain.

Result<> ControlPlane::rebalance_now(Deadline deadline) {
    if (auto seen = participants(deadline)) note_who_is_there(std::move(*seen));
    Workforce force = workforce();
    if (force.takers.size() < 2)
        return fail(ErrorCode::invalid_argument, "Too few workers (need at least 2)");
    std::vector<AssignmentEvent> moves;
    {
        const std::lock_guard lock(mutex_);
        moves = plan_rebalance(assignments_.all(), std::move(force));
    }
    rebalanced_at_ = options_.now();
    return write_assignments(moves, deadline);
}

Result<> ControlPlane::rebalance(Deadline deadline) {
    return lead_or_order([this](Deadline until) { return rebalance_now(until); },
                         "/admin/v2/worker/rebalance", deadline);
}

/// With mutex_ held.
bool ControlPlane::is_drained(const std::string& worker_id) const {
    const auto drain = drains_.find(worker_id);
    return drain != drains_.end() && drain->second.status.state != DrainStatus::State::failed;
}

Result<> ControlPlane::drain_now(const std::string& worker_id, Deadline deadline) {
    WEFT_TRY(auto seen, participants(deadline));
    note_who_is_there(std::move(seen));
    if (roster_.members.size() < 2)
        return fail(ErrorCode::invalid_argument, "Too few workers (need at least 2)");
    const Member* const leaver = roster_.find(worker_id);
    if (!leaver) {
        return fail(ErrorCode::invalid_argument, "Worker ", worker_id,
                    " is not in the cluster: see functions-worker get-cluster");
    }
    {
        const std::lock_guard lock(mutex_);
        const bool others = std::ranges::any_of(roster_.members, [&](const Member& member) {
            return member.worker_id != worker_id && !is_drained(member.worker_id);
        });
        if (!others) return fail(ErrorCode::invalid_argument, "Too few workers (need at least 2)");
        const auto [drain, is_new] = drains_.try_emplace(worker_id);
        if (!is_new && drain->second.status.state != DrainStatus::State::failed) {
            return fail(ErrorCode::precondition_failed, "Worker ", worker_id,
                        " was not yet removed after a prior drain op; try later");
        }
        drain->second = {{}, leaver->life};
    }
    const auto moved = assign_all(deadline);
    const std::lock_guard lock(mutex_);
    auto& status = drains_[worker_id].status;
    status.state = moved ? DrainStatus::State::done : DrainStatus::State::failed;
    if (!moved) status.error = moved.error().message;
    return moved;
}

Result<> ControlPlane::drain(const std::string& worker_id, Deadline deadline) {
    return lead_or_order([&](Deadline until) { return drain_now(worker_id, until); },
                         str_cat("/admin/v2/worker/leader/drain?workerId=", http::url_encode(worker_id)),
                         deadline);
}

std::optional<DrainStatus> ControlPlane::drain_status(const std::string& worker_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = drains_.find(worker_id);
    return found == drains_.end() ? std::nullopt : std::optional(found->second.status);
}

// Metadata.

Result<> ControlPlane::write(MetadataChange change, const MetaPtr& meta, Deadline deadline) {
    {
        const std::lock_guard lock(mutex_);
        WEFT_TRY_VOID(metadata_.check_current(change, *meta));
    }
    const Record record = metadata_record(change, *meta, options_.worker_id);
    if (auto stored = metadata_writer_->append({&record, 1}, deadline); !stored) {
        distrust();
        return std::unexpected(
            std::move(stored).error().context("The function's metadata may not have been stored"));
    }
    {
        const std::lock_guard lock(mutex_);
        metadata_.apply({change, meta});
    }
    if (updated_ && change == MetadataChange::update) updated_(meta);
    return {};
}

/// Pulsar's own workers stop the instances of a deleted function when their assignments go, and clean up
/// themselves.
Result<> ControlPlane::let_java_workers_go(const model::FunctionName& name, Deadline deadline) {
    std::vector<AssignmentEvent> removals;
    for (const auto& [id, assigned] : assignments_of(name)) {
        const Member* const owner = roster_.find(assigned.worker_id);
        if (owner && !owner->is_weft) removals.push_back({{name, id}, "", nullptr});
    }
    return write_assignments(removals, deadline);
}

/// Stops and cleans up a deleted function, then removes its assignments: until then they tell a worker that
/// leads after a crash what is left to be cleaned up.
void ControlPlane::retire(const MetaPtr& meta, std::function<void()> done) {
    const auto name = model::name_of(meta->functiondetails());
    retiring_.insert(name);
    here_.erase(name);
    runners_.retire(name, meta, [this, name, done = std::move(done)] {
        finish_retirement(name);
        if (done) done();
    });
}

void ControlPlane::finish_retirement(const model::FunctionName& name) {
    const std::lock_guard writing(writing_);
    retiring_.erase(retiring_.find(name));
    if (retiring_.contains(name)) return;
    if (!is_leader()) {
        run_locally(name);
        seen_now_.reset();
        return;
    }
    if (!assign(name, Deadline::after(kAssignPatience)))
        look_again();  // which finds the assignments without a function, and cleans up once more
}

}  // namespace weft::worker
