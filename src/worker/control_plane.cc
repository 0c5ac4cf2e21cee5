#include "worker/control_plane.h"

#include <pthread.h>

#include "model/function_details.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/trouble.h"

namespace weft::worker {
namespace {

constexpr Duration kAssignPatience = 10s;  // for assignments that the control thread writes
constexpr std::string_view kNotLeader = "Leader not yet ready. Please retry again";

}  // namespace

ControlPlane::ControlPlane(PlaneOptions options, InternalTopics& topics, BrokerAdmin& admin,
                           FunctionRunners& runners)
    : options_(std::move(options)), topics_(topics), admin_(admin), runners_(runners) {}

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

std::vector<AssignmentEvent> ControlPlane::assignments() const {
    const std::lock_guard lock(mutex_);
    std::vector<AssignmentEvent> all;
    for (const auto& [name, instances] : assignments_.all()) {
        for (const auto& [id, assigned] : instances)
            all.push_back({{name, id}, assigned.worker_id, assigned.meta});
    }
    return all;
}

// The control thread.

void ControlPlane::run() {
    const observe::Logger log("worker", options_.label);
    Duration backoff = options_.backoff_min;
    std::string last_trouble;
    while (true) {
        const bool was_leader = is_leader();
        const auto up = bring_up(Deadline::after(options_.bring_up_patience));
        if (up) {
            if (!was_leader) log.info("ready", {{"functions", functions().size()}});
            backoff = options_.backoff_min;
            last_trouble.clear();
        } else {
            distrust();
            if (up.error().message != last_trouble)
                log.info("not ready yet", {{"because", with_cure(up.error().message)}});
            last_trouble = up.error().message;
        }
        if (!wait_for_call(up ? std::nullopt : std::optional(backoff))) return;
        if (!up) backoff = std::min(backoff * 2, options_.backoff_max);
    }
}

/// Waits until somebody asks for another look, or for the patience; false: stop.
bool ControlPlane::wait_for_call(std::optional<Duration> patience) {
    std::unique_lock lock(mutex_);
    const auto called = [&] { return stopping_ || look_again_; };
    if (patience) {
        changed_.wait_for(lock, *patience, called);
    } else {
        changed_.wait(lock, called);
    }
    look_again_ = false;
    return !stopping_;
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

Result<> ControlPlane::bring_up(Deadline deadline) {
    const std::lock_guard writing(writing_);
    if (!membership_) {
        WEFT_TRY_VOID(admin_.ensure_namespace(options_.tenant, options_.ns, deadline));
        WEFT_TRY(membership_,
                 topics_.join(
                     options_.topics.coordinate, options_.participant, [this] { look_again(); }, deadline));
    }
    if (membership_->is_leader() && is_leader()) return {};  // somebody looked, nothing had changed
    distrust();
    metadata_writer_.reset();
    assignment_writer_.reset();
    if (!membership_->is_leader()) {
        return fail(ErrorCode::unavailable, "another worker leads on ", options_.topics.coordinate);
    }
    // Writers first: once they are open nobody else writes, so what is read then is all there is.
    WEFT_TRY(metadata_writer_,
             topics_.open_writer(options_.topics.metadata, options_.worker_id + "-leader", deadline));
    WEFT_TRY(assignment_writer_, topics_.open_writer(options_.topics.assignments,
                                                     options_.worker_id + "-scheduler-manager", deadline));
    WEFT_TRY_VOID(replay(deadline));
    WEFT_TRY_VOID(assign_all(deadline));
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::cancelled, "stopping");
    initialized_ = true;
    leading_ = true;
    changed_.notify_all();
    return {};
}

Result<> ControlPlane::replay(Deadline deadline) {
    const observe::Logger log("worker", options_.label);
    const auto skip = [&](const Error& error) { log.warn("a message is skipped", {{"why", error.message}}); };
    const auto take_metadata = [&](const Record& record) {
        auto event = read_metadata(record);
        if (!event) return skip(event.error());
        if (!*event) return;
        const std::lock_guard lock(mutex_);
        metadata_.apply(**event);
    };
    const auto take_assignment = [&](const Record& record) {
        const auto event = read_assignment(record);
        if (!event) return skip(event.error());
        const std::lock_guard lock(mutex_);
        assignments_.apply(*event);
    };
    WEFT_TRY(metadata_end_,
             topics_.replay(options_.topics.metadata, options_.worker_id + "-function-metadata-tailer",
                            metadata_end_, take_metadata, deadline));
    WEFT_TRY(assignments_end_, topics_.replay(options_.topics.assignments,
                                              options_.worker_id + "-function-assignment-initialize",
                                              assignments_end_, take_assignment, deadline));
    return {};
}

/// Assigns every function of either table, and makes what runs here follow.
Result<> ControlPlane::assign_all(Deadline deadline) {
    std::set<model::FunctionName> names;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, meta] : metadata_.all()) names.insert(name);
        for (const auto& [name, instances] : assignments_.all()) names.insert(name);
    }
    for (const auto& name : names) WEFT_TRY_VOID(assign(name, deadline));
    return {};
}

Result<> ControlPlane::assign(const model::FunctionName& name, Deadline deadline) {
    std::vector<AssignmentEvent> changes;
    MetaPtr leftover;
    {
        const std::lock_guard lock(mutex_);
        const MetaPtr meta = metadata_.find(name);
        const InstanceAssignments& current = assignments_.of(name);
        if (meta) {
            auto load = assignments_.load({options_.worker_id});
            changes = plan_assignments(name, meta, current, load);
        } else if (!current.empty() && !retiring_.contains(name)) {
            leftover = current.begin()->second.meta;  // deleted by somebody who didn't get to clean up
        }
    }
    if (leftover) {
        retire(leftover, {});
        return {};
    }
    WEFT_TRY_VOID(write_assignments(changes, deadline));
    run_locally(name);
    return {};
}

Result<> ControlPlane::write_assignments(const std::vector<AssignmentEvent>& changes, Deadline deadline) {
    if (changes.empty()) return {};
    std::vector<Record> records;
    for (const auto& change : changes) {
        records.push_back(change.worker_id.empty()
                              ? assignment_removal(change.key.function, change.key.instance_id)
                              : assignment_record(*change.meta, change.key.instance_id, change.worker_id));
    }
    WEFT_TRY_VOID(assignment_writer_->append(records, deadline));
    const std::lock_guard lock(mutex_);
    for (const auto& change : changes) assignments_.apply(change);
    return {};
}

void ControlPlane::run_locally(const model::FunctionName& name) {
    MetaPtr meta;
    std::set<std::int32_t> ids;
    {
        const std::lock_guard lock(mutex_);
        meta = metadata_.find(name);
        ids = instances_to_run(meta, assignments_.of(name), options_.worker_id);
    }
    if (meta) runners_.want(name, std::move(meta), std::move(ids));
}

/// Stops and cleans up a deleted function, then removes its assignments: until then they tell a worker that
/// starts after a crash what is left to be cleaned up. With writing_ held.
void ControlPlane::retire(const MetaPtr& meta, std::function<void()> done) {
    const auto name = model::name_of(meta->functiondetails());
    retiring_.insert(name);
    runners_.retire(name, meta, [this, name, done = std::move(done)] {
        finish_retirement(name);
        if (done) done();
    });
}

void ControlPlane::finish_retirement(const model::FunctionName& name) {
    const std::lock_guard writing(writing_);
    retiring_.erase(retiring_.find(name));
    std::vector<AssignmentEvent> changes;
    {
        const std::lock_guard lock(mutex_);
        if (!leading_ || metadata_.find(name) || retiring_.contains(name)) return;
        std::map<std::string, std::size_t> nobody;
        changes = plan_assignments(name, nullptr, assignments_.of(name), nobody);
    }
    if (const auto written = write_assignments(changes, Deadline::after(kAssignPatience)); !written) {
        distrust();
        look_again();  // which finds the assignments without a function, and cleans up once more
    }
}

// Writes.

Result<> ControlPlane::write(MetadataChange change, const MetaPtr& meta, Deadline deadline) {
    {
        const std::lock_guard lock(mutex_);
        if (!leading_) return fail(ErrorCode::unavailable, kNotLeader);
        WEFT_TRY_VOID(metadata_.check_current(change, *meta));
    }
    const Record record = metadata_record(change, *meta, options_.worker_id);
    if (auto stored = metadata_writer_->append({&record, 1}, deadline); !stored) {
        distrust();
        look_again();
        return std::unexpected(
            std::move(stored).error().context("The function's metadata may not have been stored"));
    }
    const std::lock_guard lock(mutex_);
    metadata_.apply({change, meta});
    return {};
}

Result<> ControlPlane::put(MetaPtr next, Deadline deadline) {
    if (!is_leader()) return fail(ErrorCode::unavailable, kNotLeader);
    deadline = deadline.at_most(options_.write_patience);
    const std::unique_lock writing(writing_, deadline.time());
    if (!writing.owns_lock()) return fail(ErrorCode::unavailable, kNotLeader);
    WEFT_TRY_VOID(write(MetadataChange::update, next, deadline));
    if (const auto assigned = assign(model::name_of(next->functiondetails()), deadline); !assigned) {
        distrust();  // the function is stored; the control thread assigns it
        look_again();
    }
    return {};
}

Result<> ControlPlane::remove(MetaPtr last, std::function<void()> done, Deadline deadline) {
    if (!is_leader()) return fail(ErrorCode::unavailable, kNotLeader);
    deadline = deadline.at_most(options_.write_patience);
    const std::unique_lock writing(writing_, deadline.time());
    if (!writing.owns_lock()) return fail(ErrorCode::unavailable, kNotLeader);
    WEFT_TRY_VOID(write(MetadataChange::remove, last, deadline));
    retire(last, std::move(done));
    return {};
}

}  // namespace weft::worker
