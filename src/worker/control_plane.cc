#include "worker/control_plane.h"

#include <pthread.h>

#include <algorithm>

#include "http/client.h"
#include "model/function_details.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/trouble.h"

namespace weft::worker {
namespace {

constexpr Duration kLookPatience = 2s;  // for one look at who is there
constexpr Duration kTrailLasts = 15s;   // longer than an instance that has moved waits to be asked for
constexpr Duration kDrainAgain = 300ms;
constexpr std::string_view kNotLeader = "Leader not yet ready. Please retry again";

}  // namespace

ControlPlane::ControlPlane(PlaneOptions options, InternalTopics& topics, BrokerAdmin& admin,
                           WorkerPeers& peers, LocalInstances& runners)
    : options_(std::move(options)), topics_(topics), admin_(admin), peers_(peers), runners_(runners) {}

ControlPlane::~ControlPlane() { stop(); }

void ControlPlane::start() {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "weft-plane");
}

void ControlPlane::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        leading_ = false;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    const std::lock_guard writing(writing_);
    metadata_writer_.reset();
    assignment_writer_.reset();
    metadata_reader_.reset();
    assignment_reader_.reset();
    membership_.reset();
}

bool ControlPlane::initialized() const {
    const std::lock_guard lock(mutex_);
    return initialized_;
}

bool ControlPlane::wait_until_initialized(Deadline deadline) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline.time(), [this] { return initialized_; });
}

bool ControlPlane::is_leader() const {
    const std::lock_guard lock(mutex_);
    return leading_;
}

bool ControlPlane::wait_until_leader(Deadline deadline) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, deadline.time(), [this] { return leading_; });
}

MetaPtr ControlPlane::find(const model::FunctionName& name) const {
    const std::lock_guard lock(mutex_);
    return metadata_.find(name);
}

std::vector<MetaPtr> ControlPlane::functions_of(const std::string& tenant, const std::string& ns) const {
    const std::lock_guard lock(mutex_);
    std::vector<MetaPtr> found;
    for (auto it = metadata_.all().lower_bound({tenant, ns, ""}); it != metadata_.all().end(); ++it) {
        if (it->first.tenant != tenant || it->first.ns != ns) break;
        found.push_back(it->second);
    }
    return found;
}

std::vector<MetaPtr> ControlPlane::functions() const {
    const std::lock_guard lock(mutex_);
    std::vector<MetaPtr> all;
    for (const auto& [name, meta] : metadata_.all()) all.push_back(meta);
    return all;
}

InstanceAssignments ControlPlane::assignments_of(const model::FunctionName& name) const {
    const std::lock_guard lock(mutex_);
    return assignments_.of(name);
}

bool ControlPlane::has_instance(const model::InstanceKey& instance) const {
    const std::lock_guard lock(mutex_);
    const auto& assigned = assignments_.of(instance.function);
    const auto found = assigned.find(instance.instance_id);
    return found != assigned.end() && found->second.worker_id == options_.worker_id;
}

std::vector<AssignmentEvent> ControlPlane::assignments() const {
    const std::lock_guard lock(mutex_);
    std::vector<AssignmentEvent> all;
    for (const auto& [name, instances] : assignments_.all()) {
        for (const auto& [id, assigned] : instances)
            all.push_back({{name, id}, assigned.worker_id, assigned.meta});
    }
    return all;
}

Result<Participants> ControlPlane::participants(Deadline deadline) const {
    WEFT_TRY(auto seen, admin_.participants(options_.topics.coordinate, deadline.at_most(kLookPatience)));
    for (auto& member : seen.members) {
        if (!member.is_weft) member.tls = options_.tls;  // they don't say; nor do they ask each other
    }
    return seen;
}

// The control thread.

void ControlPlane::run() {
    const observe::Logger log("worker", options_.label);
    Duration backoff = options_.backoff_min;
    std::string last_trouble;
    std::optional<bool> told;  // the role that was logged last
    while (true) {
        const auto up = step(Deadline::after(options_.bring_up_patience));
        const bool leads = is_leader();
        Duration pause = leads ? next_look() : options_.check_every;
        if (up) {
            if (told != leads)
                log.info(leads ? "ready, leading" : "ready, following", {{"functions", functions().size()}});
            told = leads;
            backoff = options_.backoff_min;
            last_trouble.clear();
        } else {
            if (up.error().message != last_trouble)
                log.info("not ready yet", {{"because", with_cure(up.error().message)}});
            last_trouble = up.error().message;
            pause = backoff;
            backoff = std::min(backoff * 2, options_.backoff_max);
            told.reset();
        }
        if (!wait_for_call(pause)) return;
    }
}

/// How long until a leader looks who is there: not long if it has somebody to look after, and no longer than
/// it waits for one that is away.
Duration ControlPlane::next_look() {
    const std::lock_guard writing(writing_);
    if (roster_.members.size() <= 1 && planned_waiting_.empty()) return options_.check_every;
    const SteadyTime now = options_.now();
    const auto end = absences_.next_end(now, options_.reschedule_after);
    return end ? std::clamp<Duration>(*end - now, 1ms, options_.look_every) : options_.look_every;
}

/// Waits until somebody asks for another look, or for the patience; false: stop.
bool ControlPlane::wait_for_call(Duration patience) {
    std::unique_lock lock(mutex_);
    const bool called = changed_.wait_for(lock, patience, [&] { return stopping_ || look_again_; });
    look_again_ = false;
    if (stopping_) return false;
    lock.unlock();
    if (!called) {  // nobody said anything: asks the broker where the topics end
        const std::lock_guard writing(writing_);
        behind_ = true;
    }
    return true;
}

/// Nothing is written any more until the plane was brought up again: memory may be behind the topics.
void ControlPlane::distrust() {
    const std::lock_guard lock(mutex_);
    leading_ = false;
}

void ControlPlane::look_again() {
    const std::lock_guard lock(mutex_);
    look_again_ = true;
    changed_.notify_all();
}

Result<> ControlPlane::step(Deadline deadline) {
    auto done = turn(deadline);
    if (!done) distrust();
    return done;
}

Result<> ControlPlane::catch_up(Deadline deadline) {
    {
        const std::lock_guard writing(writing_);
        behind_ = true;
    }
    distrust();  // somebody else may lead now
    return step(deadline);
}

Result<> ControlPlane::make_sure(Deadline deadline) {
    WEFT_TRY(const auto seen, participants(deadline));
    if (!seen.find(options_.worker_id))
        return fail(ErrorCode::unavailable, options_.worker_id, " is not in the cluster now");
    {
        const std::lock_guard lock(mutex_);
        // Without a break: nobody else has written.
        if (leading_ && !role_changed_ && seen.leader == options_.worker_id) return {};
    }
    return catch_up(deadline);
}

Result<> ControlPlane::turn(Deadline deadline) {
    std::optional<Participants> seen;
    if (is_leader()) {  // asked before anybody has to wait for it
        if (auto looked = participants(deadline)) seen = std::move(*looked);
    }
    const std::lock_guard writing(writing_);
    WEFT_TRY_VOID(join(deadline));
    doubt_role();
    WEFT_TRY_VOID(follow(deadline));
    WEFT_TRY_VOID(lead(std::move(seen), deadline));
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::cancelled, "stopping");
    return {};
}

Result<> ControlPlane::join(Deadline deadline) {
    if (membership_) return {};
    WEFT_TRY_VOID(admin_.ensure_namespace(options_.tenant, options_.ns, deadline));
    // Who is a member gets instances, and must know then who has had them.
    if (!has_followed_) WEFT_TRY_VOID(read_on(deadline));
    WEFT_TRY_VOID(be_forgotten(deadline));
    const auto changed = [this] {
        const std::lock_guard lock(mutex_);
        role_changed_ = look_again_ = true;
        changed_.notify_all();
    };
    WEFT_TRY(membership_, topics_.join(options_.topics.coordinate, options_.participant, changed, deadline));
    behind_ = true;
    return {};
}

/// Pulsar's own leader gives nothing to a worker that was drained (this one was, if it left in order) before
/// it has not seen it at one of its looks, every workerListProbeIntervalSec: who joins sooner never gets
/// anything.
Result<> ControlPlane::be_forgotten(Deadline deadline) {
    const auto seen = participants(deadline);
    const Member* const leader = seen ? seen->find(seen->leader) : nullptr;
    if (!leader || leader->is_weft) return {};
    const std::string path =
        str_cat("/admin/v2/worker/leader/drain?workerId=", http::url_encode(options_.worker_id));
    const auto known = peers_.ask(*leader, "GET", path, deadline.at_most(kLookPatience));
    if (!known || !(known->contains("SUCCESS") || known->contains("RUNNING"))) return {};
    if (!unwelcome_since_) unwelcome_since_ = options_.now();
    if (options_.now() - *unwelcome_since_ > options_.forget_patience) return {};
    return fail(ErrorCode::unavailable, leader->worker_id, " leads, a worker of Pulsar's own, and has ",
                options_.worker_id, " as drained until its workerListProbeIntervalSec (60 s) is over");
}

/// Between two looks this worker may have lost the lead and got it back: others may have written meanwhile,
/// and its producers may be fenced.
void ControlPlane::doubt_role() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(role_changed_, false)) leading_ = false;
}

// Following.

/// Applies what the topics say, and makes what runs here follow. A leader knows already: it wrote it.
Result<> ControlPlane::follow(Deadline deadline) {
    if (is_leader()) return {};
    if (metadata_writer_ || assignment_writer_) {  // led until now: memory may be behind what others wrote
        metadata_writer_.reset();
        assignment_writer_.reset();
        behind_ = true;
        reads_again_ = true;
    }
    WEFT_TRY_VOID(read_on(deadline));
    act_on_changes();
    const std::lock_guard lock(mutex_);
    initialized_ = true;
    changed_.notify_all();
    return {};
}

/// What has come since the last time; to the end, if something may have been missed.
Result<> ControlPlane::read_on(Deadline deadline) {
    WEFT_TRY_VOID(open_readers(deadline));
    if (auto read = read_topics(behind_, deadline); !read) {
        metadata_reader_.reset();  // the next attempt goes on from where these stood
        assignment_reader_.reset();
        behind_ = true;
        return read;
    }
    if (reads_again_) note_moves_in_the_end();
    behind_ = false;
    has_followed_ = true;
    return {};
}

Result<> ControlPlane::open_readers(Deadline deadline) {
    const auto arrived = [this] {
        if (!is_leader()) look_again();
    };
    if (!metadata_reader_) {
        // Not compacted: its messages have no keys, and Pulsar's compaction would leave nothing of them.
        // Weft's own broker knows their keys, and gives what is newest from the beginning on.
        WEFT_TRY(metadata_reader_, topics_.open_reader(options_.topics.metadata,
                                                       options_.worker_id + "-function-metadata-tailer",
                                                       {.after = metadata_end_}, arrived, deadline));
        behind_ = true;
    }
    if (!assignment_reader_) {
        // Who knows something already must see what was removed since: compaction may have dropped that.
        const bool knows_nothing = !has_followed_ && assignments_end_ == wire::MessageId::earliest();
        WEFT_TRY(assignment_reader_,
                 topics_.open_reader(
                     options_.topics.assignments, options_.worker_id + "-function-assignment-tailer",
                     {.after = assignments_end_, .compacted = knows_nothing}, arrived, deadline));
        behind_ = true;
    }
    return {};
}

Result<> ControlPlane::read_topics(bool to_the_end, Deadline deadline) {
    const auto read = [&](TopicReader& reader, wire::MessageId& end, const TopicReader::Take& take) {
        auto done = to_the_end ? reader.catch_up(take, deadline) : reader.take_arrived(take, deadline);
        end = reader.position();
        return done;
    };
    WEFT_TRY_VOID(read(*metadata_reader_, metadata_end_, [this](const Record& r) { take_metadata(r); }));
    return read(*assignment_reader_, assignments_end_, [this](const Record& r) { take_assignment(r); });
}

void ControlPlane::take_metadata(const Record& record) {
    const auto event = read_metadata(record);
    if (!event) {
        observe::Logger("worker", options_.label)
            .warn("a message is skipped", {{"why", event.error().message}});
        return;
    }
    if (!*event) return;
    {
        const std::lock_guard lock(mutex_);
        if (!metadata_.apply(**event)) return;
    }
    changed_functions_.insert(model::name_of((*event)->meta->functiondetails()));
    if (updated_ && (*event)->change == MetadataChange::update) updated_((*event)->meta);
}

void ControlPlane::take_assignment(const Record& record) {
    const auto event = read_assignment(record);
    if (!event) {
        observe::Logger("worker", options_.label)
            .warn("a message is skipped", {{"why", event.error().message}});
        return;
    }
    apply(*event);
}

void ControlPlane::apply(const AssignmentEvent& event) {
    const std::lock_guard lock(mutex_);
    const auto& known = assignments_.of(event.key.function);
    const auto before = known.find(event.key.instance_id);
    if (before != known.end() && before->second.meta) {
        const auto package = [](const MetaPtr& meta) { return meta->packagelocation().packagepath(); };
        freed_ = freed_ || !event.meta || package(before->second.meta) != package(event.meta);
    }
    const std::string owner = before == known.end() ? "" : before->second.worker_id;
    if (reads_again_) {
        owners_before_[event.key.function].try_emplace(event.key.instance_id, owner);
    } else {
        note_move(event, owner);
    }
    assignments_.apply(event);
    changed_functions_.insert(event.key.function);
}

/// Who gets an instance asks who has had it to let go. What is learnt of the past, at the first reading, asks
/// nobody.
void ControlPlane::note_move(const AssignmentEvent& event, const std::string& before) {
    const auto& [function, id] = event.key;
    if (event.worker_id == before) return;
    if (!has_followed_ || before.empty() || event.worker_id.empty()) {
        const auto found = trails_.find(function);
        if (found != trails_.end() && found->second.erase(id) > 0 && found->second.empty())
            trails_.erase(found);
        return;
    }
    Trail& trail = trails_[function][id];
    const SteadyTime now = options_.now();
    if (now - trail.moved > kTrailLasts) trail.workers.clear();
    std::erase(trail.workers, before);
    std::erase(trail.workers, event.worker_id);
    trail.workers.insert(trail.workers.begin(), before);
    trail.moved = now;
    trail.is_new = true;
}

void ControlPlane::note_moves_in_the_end() {
    for (const auto& [function, owners] : std::exchange(owners_before_, {})) {
        const InstanceAssignments assigned = assignments_of(function);
        for (const auto& [id, owner] : owners) {
            const auto found = assigned.find(id);
            note_move({{function, id}, found == assigned.end() ? "" : found->second.worker_id, nullptr},
                      owner);
        }
    }
    reads_again_ = false;
}

/// Of those whose other side is there, and knows of this. `here`: the instances that run here.
Moves ControlPlane::moves_of(const model::FunctionName& name, const std::set<std::int32_t>& here) {
    Moves moves;
    const auto trails = trails_.find(name);
    if (trails == trails_.end()) return moves;
    const InstanceAssignments assigned = assignments_of(name);
    const auto there = [this](const std::string& worker) {
        const Member* const member = who_is_there().find(worker);
        return member && member->is_weft ? member : nullptr;
    };
    for (auto& [id, trail] : trails->second) {
        const auto owner = assigned.find(id);
        const bool was_here = std::ranges::find(trail.workers, options_.worker_id) != trail.workers.end();
        if (here.contains(id)) {
            if (!std::exchange(trail.is_new, false)) continue;
            for (const auto& worker : trail.workers) {
                if (const Member* const from = there(worker)) moves.from[id].push_back(*from);
            }
        } else if (was_here && owner != assigned.end() && there(owner->second.worker_id)) {
            moves.leaving.insert(id);
        }
    }
    return moves;
}

/// Asked once for all changes that came together. Nobody, if that can't be found out now.
const Participants& ControlPlane::who_is_there() {
    if (!seen_now_) {
        auto seen = participants(Deadline::after(kLookPatience));
        seen_now_ = seen ? std::move(*seen) : Participants{};
    }
    return *seen_now_;
}

void ControlPlane::act_on_changes() {
    for (const auto& name : changed_functions_) run_locally(name);
    seen_now_.reset();
    std::vector<std::function<void()>> gone;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& name : changed_functions_) {
            if (metadata_.find(name) || !assignments_.of(name).empty()) continue;
            const auto [first, last] = when_gone_.equal_range(name);
            for (auto it = first; it != last; ++it) gone.push_back(std::move(it->second));
            when_gone_.erase(first, last);
        }
        changed_.notify_all();
    }
    changed_functions_.clear();
    for (const auto& call : gone) call();
    if (std::exchange(freed_, false) && packages_freed_) packages_freed_();
}

void ControlPlane::run_locally(const model::FunctionName& name) {
    MetaPtr meta;
    std::set<std::int32_t> ids;
    bool assigned_here = false;
    {
        const std::lock_guard lock(mutex_);
        meta = metadata_.find(name);
        const auto& assigned = assignments_.of(name);
        ids = instances_to_run(meta, assigned, options_.worker_id);
        for (const auto& [id, instance] : assigned)
            assigned_here = assigned_here || instance.worker_id == options_.worker_id;
    }
    if (retiring_.contains(name)) return;  // the runner has been told; what comes next is assigned then
    const auto here = here_.find(name);
    const MetaPtr before = here == here_.end() ? nullptr : here->second;
    if (!assigned_here && before) here_.erase(here);
    if (meta && assigned_here) here_.insert_or_assign(name, meta);
    if (!meta) trails_.erase(name);
    Moves moves = moves_of(name, ids);
    if (!meta && before && !assigned_here && cleans_up_itself()) return runners_.retire(name, before, {});
    if (meta || before) runners_.want(name, std::move(meta), std::move(ids), std::move(moves));
}

/// Pulsar's own leader leaves it to the workers that had instances of a deleted function to delete its
/// subscriptions; a Weft leader does it before it takes the assignments away.
bool ControlPlane::cleans_up_itself() const {
    if (is_leader()) return false;
    const auto seen = participants(Deadline::after(kLookPatience));
    const Member* const leader = seen ? seen->find(seen->leader) : nullptr;
    return leader && !leader->is_weft;
}

// Writes of any worker.

/// Does it with writing_ held if this worker leads; false: it doesn't.
Result<bool> ControlPlane::as_leader(const std::function<Result<>(Deadline)>& act, Deadline deadline) {
    if (!is_leader()) return false;
    const std::unique_lock writing(writing_, deadline.time());
    if (!writing.owns_lock()) return fail(ErrorCode::unavailable, kNotLeader);
    if (!is_leader()) return false;
    const auto done = act(deadline);
    if (!is_leader()) look_again();  // in doubt now: the control thread finds out
    WEFT_TRY_VOID(done);
    return true;
}

Result<> ControlPlane::put(MetaPtr next, Deadline deadline) {
    return change(MetadataChange::update, next, {}, deadline);
}

Result<> ControlPlane::remove(MetaPtr last, std::function<void()> done, Deadline deadline) {
    return change(MetadataChange::remove, last, done, deadline);
}

Result<> ControlPlane::change(MetadataChange change, const MetaPtr& meta, const std::function<void()>& done,
                              Deadline deadline) {
    deadline = deadline.at_most(options_.write_patience);
    const auto name = model::name_of(meta->functiondetails());
    const auto here = [&](Deadline until) -> Result<> {
        WEFT_TRY_VOID(write(change, meta, until));
        if (change == MetadataChange::remove) {
            (void)let_java_workers_go(name, until);
            retire(meta, done);
        } else {
            (void)assign(name, until);
        }
        return {};  // the change is stored; what could not be assigned is left to the control thread
    };
    const Deadline for_leader = deadline.at_most(options_.leader_patience);
    while (true) {
        WEFT_TRY(const bool led, as_leader(here, deadline));
        if (led) return {};
        const auto sent = forward(change, *meta, deadline);
        if (sent) break;
        // `unavailable` is sure: nothing was written. Somebody else may lead in a moment.
        if (sent.error().code != ErrorCode::unavailable || for_leader.passed()) return sent;
        std::unique_lock lock(mutex_);
        if (stopping_) return sent;
        changed_.wait_until(lock, for_leader.at_most(options_.backoff_min).time(),
                            [this] { return leading_ || stopping_; });
    }
    if (change == MetadataChange::remove && done) call_when_gone(name, done);
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline.time(), [&] { return stopping_ || seen_here(change, *meta); });
    return {};  // also if it didn't come back in time: it is stored
}

Result<> ControlPlane::forward(MetadataChange change, const ::proto::FunctionMetaData& meta,
                               Deadline deadline) {
    WEFT_TRY(const Member leader, other_leader(deadline));
    return peers_.write(leader, change, meta, deadline);
}

Result<Member> ControlPlane::other_leader(Deadline deadline) const {
    const auto seen = participants(deadline);
    const Member* const leader = seen ? seen->find(seen->leader) : nullptr;
    if (!leader || leader->worker_id == options_.worker_id) return fail(ErrorCode::unavailable, kNotLeader);
    return *leader;
}

Result<> ControlPlane::lead_or_order(const std::function<Result<>(Deadline)>& act, std::string path,
                                     Deadline deadline) {
    deadline = deadline.at_most(options_.write_patience);
    WEFT_TRY(const bool led, as_leader(act, deadline));
    if (led) return {};
    WEFT_TRY(const Member leader, other_leader(deadline));
    if (options_.weft_only) path += path.contains('?') ? "&plane=native" : "?plane=native";
    return peers_.order(leader, path, deadline);
}

/// Whether the change, or one after it, has come back. With mutex_ held.
bool ControlPlane::seen_here(MetadataChange change, const ::proto::FunctionMetaData& meta) const {
    const MetaPtr known = metadata_.find(model::name_of(meta.functiondetails()));
    const bool this_life = known && known->createtime() == meta.createtime();
    if (change == MetadataChange::remove) return !this_life;
    return this_life && known->version() >= meta.version();
}

void ControlPlane::call_when_gone(const model::FunctionName& name, std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        if (metadata_.find(name) || !assignments_.of(name).empty()) {
            when_gone_.emplace(name, std::move(done));
            return;
        }
    }
    done();
}

void ControlPlane::hand_over(Deadline deadline) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || !initialized_) return;
    }
    while (true) {
        const auto seen = participants(deadline);
        if (!seen || seen->members.size() < 2) return;
        // Who leads may be leaving, too, or somebody else may lead by now, who has not been told. If nobody
        // can be asked in time, a leader notices that this one is gone.
        const auto drained = drain(options_.worker_id, deadline);
        const ErrorCode why = drained ? ErrorCode{} : drained.error().code;
        if (!drained && why != ErrorCode::unavailable && why != ErrorCode::precondition_failed) return;
        std::unique_lock lock(mutex_);
        const auto is_done = [&] {
            return stopping_ ||
                   (why != ErrorCode::unavailable && !assignments_.holders().contains(options_.worker_id));
        };
        const Duration patience = why == ErrorCode::unavailable ? options_.backoff_min : kDrainAgain;
        if (changed_.wait_until(lock, deadline.at_most(patience).time(), is_done) || deadline.passed())
            return;
    }
}

}  // namespace weft::worker
