#include "worker/function_runner.h"

#include <algorithm>
#include <atomic>
#include <future>

#include "host/python/python_library.h"
#include "model/function_details.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/detail/gather.h"
#include "worker/function_credentials.h"
#include "worker/function_tables.h"

namespace weft::worker {
namespace {

namespace fs = std::filesystem;

constexpr int kCleanUpAttempts = 10;
constexpr Duration kAdminPatience = 5s;
constexpr Duration kFetchPatience = 30s;  // for a package of another worker
constexpr Duration kTakeOverPatience = 15s;

Duration next_backoff(Duration now, const RunnerContext& context) {
    return now == Duration::zero() ? context.retry_min : std::min(now * 2, context.retry_max);
}

/// A stable id in the form of a UUID, made of what it stands for.
std::string id_of(std::string_view what) {
    const std::string hex = package::sha256_hex(what);
    return str_cat(hex.substr(0, 8), '-', hex.substr(8, 4), '-', hex.substr(12, 4), '-', hex.substr(16, 4),
                   '-', hex.substr(20, 12));
}

Result<runtime::Language> language_of(const ::proto::FunctionDetails& details) {
    switch (details.runtime()) {
        case ::proto::FunctionDetails::PYTHON:
            return runtime::Language::python;
        case ::proto::FunctionDetails::NATIVE:
            return runtime::Language::native;
        case ::proto::FunctionDetails::JAVA:
            return runtime::Language::java;
        case ::proto::FunctionDetails::GO:
            return runtime::Language::go;
        default:
            break;
    }
    return fail(ErrorCode::not_supported, "Weft doesn't run ",
                ::proto::FunctionDetails::Runtime_Name(details.runtime()), " functions yet");
}

/// Whether its instances ask before they subscribe. What doesn't can't run on for a while: after a cut it
/// would be there twice.
bool asks(const MetaPtr& meta) {
    if (!meta) return false;
    const auto language = language_of(meta->functiondetails());
    return language && *language != runtime::Language::java && *language != runtime::Language::go;
}

}  // namespace

std::string_view digest_of(const ::proto::FunctionMetaData& meta) {
    std::string_view path = meta.packagelocation().packagepath();
    if (!path.starts_with(kPackageScheme)) return "";
    path.remove_prefix(kPackageScheme.size());
    return path;
}

std::string path_part(std::string_view name) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    const bool only_dots = name.find_first_not_of('.') == std::string_view::npos;
    std::string out;
    for (const char c : name) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || c == '=' || (c == '.' && !only_dots);
        if (plain) {
            out.push_back(c);
        } else {
            const auto byte = static_cast<unsigned char>(c);
            str_append(out, '%', kHex[byte >> 4U], kHex[byte & 15U]);
        }
    }
    return out;
}

RunnerPlan plan_instances(const RunnerState& state) {
    RunnerPlan plan;
    for (const auto& [id, instance] : state.instances) {
        const bool stale = instance.fingerprint != state.wanted_fingerprint;
        if (!state.wanted.contains(id)) {
            if (!instance.running || !state.leaving.contains(id)) plan.stop.push_back(id);
        } else if (instance.restart || stale || (!instance.running && instance.due)) {
            plan.stop.push_back(id);
            plan.start.push_back(id);
        }
    }
    for (const auto id : state.wanted) {
        if (!state.instances.contains(id)) plan.start.push_back(id);
    }
    return plan;
}

FunctionRunner::FunctionRunner(model::FunctionName name, const RunnerContext& context)
    : name_(std::move(name)), context_(context) {}

FunctionRunner::~FunctionRunner() = default;

fs::path FunctionRunner::folder() const {
    return context_.instances_dir / path_part(name_.tenant) / path_part(name_.ns) / path_part(name_.name);
}

/// Of a name that a URL can hold, whatever the function is called.
fs::path FunctionRunner::token_folder(std::int32_t id) const {
    return context_.instances_dir.parent_path() / kTokensFolder / id_of(name_.instance_key(id));
}

fs::path FunctionRunner::copies_folder(std::int32_t id) const {
    return str_cat(token_folder(id).string(), ".own");
}

void FunctionRunner::want(MetaPtr meta, std::set<std::int32_t> instances, Moves moves) {
    const std::lock_guard lock(mutex_);
    wanted_ = std::move(instances);
    const auto before = std::exchange(leaving_, {});
    for (const auto id : moves.leaving) {
        if (!asks(meta)) break;
        const auto known = before.find(id);
        const SteadyTime until = known == before.end() ? steady_now() + context_.leaving_max : known->second;
        if (!asked_for_.contains(id)) leaving_.emplace(id, until);
    }
    for (auto& [id, from] : moves.from) {
        from_.insert_or_assign(id, std::move(from));
        // One that has not ended since it left: another has its work by now, and lets go first.
        if (const auto left = slots_.find(id); left != slots_.end()) left->second.restart = true;
    }
    wanted_meta_ = std::move(meta);
    std::erase_if(from_, [this](const auto& entry) { return !wanted_.contains(entry.first); });
    wake();
}

bool FunctionRunner::let_go(std::int32_t instance_id, Deadline deadline) {
    std::unique_lock lock(mutex_);
    const auto asked = asked_for_.insert(instance_id);
    if (leaving_.erase(instance_id) > 0) wake();
    const bool gone = settled_.wait_until(lock, deadline.time(), [&] {
        const bool wanted = wanted_.contains(instance_id) && !shut_down_;  // nobody tells it any more then
        return !wanted && !slots_.contains(instance_id) && !starting_.contains(instance_id);
    });
    asked_for_.erase(asked);
    return gone;
}

void FunctionRunner::lose(std::int32_t instance_id) {
    const std::lock_guard lock(mutex_);
    leaving_.erase(instance_id);
    if (const auto found = slots_.find(instance_id); found != slots_.end()) found->second.restart = true;
    wake();
}

void FunctionRunner::end_leaving() {
    const std::lock_guard lock(mutex_);
    leaving_.clear();
    wake();
}

bool FunctionRunner::is_leaving(std::int32_t id) const {
    const auto found = leaving_.find(id);
    return found != leaving_.end() && steady_now() < found->second && retirements_.empty();
}

bool FunctionRunner::wait_until_left(Deadline deadline) const {
    std::unique_lock lock(mutex_);
    return settled_.wait_until(lock, deadline.time(), [this] {
        return std::ranges::none_of(leaving_, [this](const auto& entry) {
            return slots_.contains(entry.first) && is_leaving(entry.first);
        });
    });
}

void FunctionRunner::retire(MetaPtr meta, std::function<void()> done) {
    const std::lock_guard lock(mutex_);
    wanted_meta_ = nullptr;
    wanted_.clear();
    retirements_.push_back({std::move(meta), std::move(done), 0, {}, {}});
    wake();
}

bool FunctionRunner::restart(std::int32_t instance_id) {
    const std::lock_guard lock(mutex_);
    bool found = false;
    for (auto& [id, slot] : slots_) {
        if (instance_id >= 0 && id != instance_id) continue;
        slot.restart = true;
        found = true;
    }
    if (found) wake();
    return found;
}

void FunctionRunner::wake() {
    if (running_) {
        again_ = true;
        return;
    }
    ++posted_;
    context_.pool.post([self = shared_from_this()] {
        std::unique_lock lock(self->mutex_);
        --self->posted_;
        self->run_steps(lock);
    });
}

void FunctionRunner::wake_after(Duration delay) {
    const SteadyTime at = steady_now() + delay;
    if (timer_at_ && *timer_at_ <= at) return;
    timer_at_ = at;
    ++timers_;
    context_.pool.post(
        [self = shared_from_this(), at] {
            std::unique_lock lock(self->mutex_);
            --self->timers_;
            if (self->timer_at_ == at) self->timer_at_.reset();
            self->run_steps(lock);
        },
        delay);
}

void FunctionRunner::run_steps(std::unique_lock<std::mutex>& lock) {
    if (running_) {
        again_ = true;
        return;
    }
    running_ = true;
    do {
        again_ = false;
        lock.unlock();
        step();
        lock.lock();
    } while (again_ && !shut_down_);
    running_ = false;
    if (const auto due = next_due(); due && !shut_down_) wake_after(*due);
    settled_.notify_all();
}

/// Time until the earliest retry, if one is waited for.
std::optional<Duration> FunctionRunner::next_due() {
    std::optional<SteadyTime> at;
    const auto consider = [&](SteadyTime time) { at = at ? std::min(*at, time) : time; };
    for (const auto& [id, slot] : slots_) {
        if (!slot.supervisor) consider(slot.retry_at);
        if (is_leaving(id)) consider(leaving_.at(id));
    }
    if (!retirements_.empty()) consider(retirements_.front().retry_at);
    if (!at) return std::nullopt;
    return std::max(Duration(*at - steady_now()), Duration(1ms));
}

RunnerState FunctionRunner::state_now() const {
    RunnerState state;
    if (retirements_.empty() && wanted_meta_) {  // else: everything stops first
        state.wanted = wanted_;
        state.wanted_fingerprint = program_fingerprint(*wanted_meta_);
    }
    const SteadyTime now = steady_now();
    for (const auto& [id, slot] : slots_) {
        if (is_leaving(id)) state.leaving.insert(id);
        state.instances[id] = {slot.fingerprint, slot.supervisor != nullptr, now >= slot.retry_at,
                               slot.restart};
    }
    return state;
}

void FunctionRunner::step() {
    RunnerPlan plan;
    MetaPtr meta;
    std::string fingerprint;
    bool retiring = false;
    {
        const std::lock_guard lock(mutex_);
        if (shut_down_) return;
        RunnerState state = state_now();
        plan = plan_instances(state);
        meta = wanted_meta_;
        fingerprint = std::move(state.wanted_fingerprint);
        retiring = !retirements_.empty();
        if (!retiring) starting_ = {plan.start.begin(), plan.start.end()};
    }
    if (!plan.stop.empty()) stop_instances(plan.stop, Deadline::after(context_.stop_grace));
    if (retiring) return clean_up();
    for (const auto id : plan.start) start_instance(id, *meta, fingerprint);
}

void FunctionRunner::stop_instances(const std::vector<std::int32_t>& ids, Deadline deadline) {
    const observe::Logger log("worker", name_.full());
    gather(ids.size(), [&](std::size_t at) {
        const std::int32_t id = ids[at];
        std::shared_ptr<runtime::Supervisor> supervisor;
        {
            const std::lock_guard lock(mutex_);
            const auto found = slots_.find(id);
            if (found != slots_.end()) supervisor = found->second.supervisor;
        }
        if (supervisor) {
            const observe::Timed timed(context_.metrics ? &context_.metrics->stop_instance_process_time_ms
                                                        : nullptr);
            log.info("stopping instance", {{"instance", id}});
            if (const auto stopped = supervisor->stop(deadline); !stopped) {
                log.warn("instance didn't stop in order",
                         {{"instance", id}, {"why", stopped.error().message}});
            }
        }
        std::error_code ignored;  // what stays is replaced at the next start
        fs::remove_all(folder() / str_cat(id), ignored);
        fs::remove_all(token_folder(id), ignored);
        fs::remove_all(copies_folder(id), ignored);
    });
    const std::lock_guard lock(mutex_);
    for (const auto id : ids) {
        const auto found = slots_.find(id);
        if (found == slots_.end()) continue;
        const bool failed = !found->second.supervisor && !found->second.restart;
        if (failed && wanted_.contains(id) && retirements_.empty()) continue;  // keeps its back-off
        slots_.erase(found);
    }
    settled_.notify_all();
}

/// The program into the instance's folder, or the environment that was made of it.
Result<> FunctionRunner::place_program(const ::proto::FunctionMetaData& meta, const fs::path& folder,
                                       runtime::InstanceSpec& spec, Slot& slot) const {
    slot.digest = digest_of(meta);
    if (slot.digest.empty()) WEFT_TRY_VOID(bring_foreign_package(meta, slot));
    if (context_.fetch_package && !context_.packages.store->contains(slot.digest))
        WEFT_TRY_VOID(context_.fetch_package(slot.digest, Deadline::after(kFetchPatience)));
    const std::string& file_name = meta.packagelocation().originalfilename();
    WEFT_TRY_VOID(package::check_file_name(file_name));
    const auto kind = package::python_package_of(file_name);
    if (spec.language == runtime::Language::python && kind && *kind != package::PythonPackage::file) {
        WEFT_TRY(slot.environment,
                 context_.packages.environments->prepare(slot.digest, *kind, file_name, Deadline::never()));
        spec.package_path = slot.environment->code.string();
        spec.python = slot.environment->python;
        return {};
    }
    spec.package_path = (folder / file_name).string();
    spec.python = context_.python;
    WEFT_TRY_VOID(context_.packages.store->place(slot.digest, spec.package_path));
    if (spec.language != runtime::Language::go) return {};
    std::error_code error;
    fs::permissions(spec.package_path, fs::perms::owner_exec, fs::perm_options::add, error);
    if (error) return fail(ErrorCode::io, "Can't make ", spec.package_path, " a program: ", error.message());
    return {};
}

/// What its path stands for now, as Pulsar's own workers do at each start; kept as long as the instance runs.
Result<> FunctionRunner::bring_foreign_package(const ::proto::FunctionMetaData& meta, Slot& slot) const {
    if (!context_.fetch_foreign) {
        return fail(ErrorCode::not_supported, "The package ", meta.packagelocation().packagepath(),
                    " is not one that this worker keeps: upload it");
    }
    WEFT_TRY(const std::string bytes, context_.fetch_foreign(meta, Deadline::after(kFetchPatience)));
    WEFT_TRY(auto pin, context_.packages.store->put(bytes));
    slot.digest = pin.digest();
    slot.pin = std::make_shared<package::PackageStore::Pin>(std::move(pin));
    return {};
}

/// Before it subscribes: who had it before lets go first; and where it has been away from the broker, it may
/// be somebody else's by now.
void FunctionRunner::let_it_ask(runtime::InstanceSpec& spec, const std::vector<Member>& from) {
    if (!context_.confirm || !context_.take_over) return;
    const model::InstanceKey key{name_, spec.instance_id};
    if (spec.language == runtime::Language::java || spec.language == runtime::Language::go) {
        if (from.empty()) return;                                    // they don't ask
        const auto let_go = std::make_shared<std::promise<void>>();  // shared with an answer that comes late
        context_.take_over(from, key, [let_go] { let_go->set_value(); });
        (void)let_go->get_future().wait_for(kTakeOverPatience);
        return;
    }
    spec.asks = !from.empty() ? runtime::Asks::always : runtime::Asks::to_return;
    spec.on_ask = [weak = weak_from_this(), &context = context_, key, language = spec.language, from,
                   taken_over = std::make_shared<std::atomic<bool>>(from.empty())](runtime::Subscribing what,
                                                                                   const auto& admit) {
        if (what == runtime::Subscribing::again) {
            return context.confirm(key, language, admit, [weak, id = key.instance_id] {
                if (const auto runner = weak.lock()) runner->lose(id);
            });
        }
        if (*taken_over) return admit();  // it was started again since
        context.take_over(from, key, [taken_over, admit] {
            *taken_over = true;
            admit();
        });
    };
}

Result<FunctionRunner::Slot> FunctionRunner::launch(std::int32_t id, const ::proto::FunctionMetaData& meta,
                                                    const std::vector<Member>& from) {
    const auto& details = meta.functiondetails();
    const fs::path own = folder() / str_cat(id);
    std::error_code error;
    fs::remove_all(own / "scratch", error);  // of an earlier one, if anything
    fs::create_directories(own / "scratch", error);
    if (error) return fail(ErrorCode::io, "Can't make the folder ", own.string(), ": ", error.message());

    Slot slot;
    runtime::InstanceSpec spec;
    WEFT_TRY(spec.language, language_of(details));
    if (spec.language == runtime::Language::java) {
        WEFT_TRY(spec.java, runtime::find_java(context_.java));
    }
    WEFT_TRY_VOID(place_program(meta, own, spec, slot));
    ::proto::FunctionDetails told = details;
    if (!details.secretsmap().empty()) {
        WEFT_TRY(
            *told.mutable_secretsmap(),
            security::provide_secrets(*context_.secrets, {name_.tenant, name_.ns}, details.secretsmap()));
    }
    spec.function_details = told.SerializeAsString();
    spec.instance_id = id;
    spec.function_id = id_of(str_cat(name_.full(), "@", meta.createtime()));
    spec.function_version = id_of(program_fingerprint(meta));
    spec.service_url = context_.service_url;
    spec.web_service_url = context_.web_url;
    WEFT_TRY(spec.security, client_settings_for(meta, context_.credentials.get(), context_.broker_security));
    if (spec.language == runtime::Language::java && context_.credentials &&
        !meta.functionauthspec().data().empty())
        WEFT_TRY_VOID(put_token_into_file(spec, token_folder(id)));
    spec.cluster_name = context_.cluster_name;
    spec.worker_id = context_.worker_id;
    spec.scratch_directory = (own / "scratch").string();
    spec.containment = context_.containment;
    spec.users = context_.users;
    spec.credentials_directory = copies_folder(id).string();
    if (slot.environment) {  // it sees the packages of the interpreter that it was made from
        for (std::string& each : host::python_folders(context_.python))
            spec.containment.readable.push_back(std::move(each));
    }
    let_it_ask(spec, from);
    WEFT_TRY(slot.supervisor, context_.starter.start(std::move(spec)));
    return slot;
}

void FunctionRunner::start_instance(std::int32_t id, const ::proto::FunctionMetaData& meta,
                                    const std::string& fingerprint) {
    const observe::Logger log("worker", name_.full());
    std::vector<Member> from;
    {
        const std::lock_guard lock(mutex_);
        if (!wanted_.contains(id)) {  // it has gone on to somebody else since this was planned
            starting_.erase(id);
            return settled_.notify_all();
        }
        if (auto found = from_.extract(id)) from = std::move(found.mapped());
    }
    auto launched = [&] {
        const observe::Timed timed(context_.metrics ? &context_.metrics->start_instance_process_time_ms
                                                    : nullptr);
        return launch(id, meta, from);
    }();
    const std::lock_guard lock(mutex_);
    starting_.erase(id);
    settled_.notify_all();
    if (shut_down_) return;  // what was started ends with its last owner
    Slot& slot = slots_[id];
    const Duration backoff = slot.backoff;
    slot = launched ? std::move(*launched) : Slot{};
    slot.fingerprint = fingerprint;
    if (launched) {
        log.info("started instance", {{"instance", id}, {"version", meta.version()}});
        return;
    }
    slot.error = launched.error().message;
    slot.backoff = next_backoff(backoff, context_);
    slot.retry_at = steady_now() + slot.backoff;
    log.warn("instance didn't start; trying again",
             {{"instance", id}, {"why", slot.error}, {"after_ms", slot.backoff / 1ms}});
}

void FunctionRunner::clean_up() {
    MetaPtr meta;
    {
        const std::lock_guard lock(mutex_);
        if (retirements_.empty() || steady_now() < retirements_.front().retry_at) return;
        meta = retirements_.front().meta;
    }
    const auto deleted = delete_subscriptions(*meta);
    std::unique_lock lock(mutex_);
    Retirement& retirement = retirements_.front();
    const observe::Logger log("worker", name_.full());
    if (!deleted && ++retirement.attempts < kCleanUpAttempts) {
        retirement.backoff = next_backoff(retirement.backoff, context_);
        retirement.retry_at = steady_now() + retirement.backoff;
        log.info("can't delete a subscription yet", {{"why", deleted.error().message}});
        return;
    }
    if (!deleted) log.warn("a subscription of a deleted function stays", {{"why", deleted.error().message}});
    const auto done = std::move(retirement.done);
    retirements_.erase(retirements_.begin());
    again_ = true;  // what is wanted now may start
    lock.unlock();
    std::error_code ignored;  // an empty folder may stay
    fs::remove_all(folder(), ignored);
    log.info("function retired");
    if (done) done();
}

Result<> FunctionRunner::delete_subscriptions(const ::proto::FunctionMetaData& meta) {
    const auto& details = meta.functiondetails();
    if (!details.source().cleanupsubscription()) return {};
    const std::string subscription = model::subscription_of(details);
    for (const auto& [topic, spec] : details.source().inputspecs()) {
        if (spec.isregexpattern()) continue;
        WEFT_TRY_VOID(
            context_.admin.delete_subscription(topic, subscription, Deadline::after(kAdminPatience)));
    }
    return {};
}

void FunctionRunner::status(std::int32_t instance_id, ::proto::FunctionStatus& status,
                            Deadline deadline) const {
    std::shared_ptr<runtime::Supervisor> supervisor;
    std::string error;
    {
        const std::lock_guard lock(mutex_);
        const auto found = slots_.find(instance_id);
        if (found != slots_.end()) {
            supervisor = found->second.supervisor;
            error = found->second.error;
        }
    }
    if (supervisor) {
        const auto asked = supervisor->status(status, deadline);
        if (asked) return;
        error = asked.error().message;
        status.Clear();
    }
    status.set_running(false);
    status.set_failureexception(error);
}

std::string FunctionRunner::package_digest(std::int32_t instance_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = slots_.find(instance_id);
    return found == slots_.end() || !found->second.supervisor ? "" : found->second.digest;
}

Result<> FunctionRunner::metrics(std::int32_t instance_id, ::proto::MetricsData& metrics,
                                 Deadline deadline) const {
    std::shared_ptr<runtime::Supervisor> supervisor;
    {
        const std::lock_guard lock(mutex_);
        const auto found = slots_.find(instance_id);
        if (found != slots_.end()) supervisor = found->second.supervisor;
    }
    if (!supervisor) return fail(ErrorCode::unavailable, "The instance doesn't run");
    return supervisor->metrics(metrics, deadline);
}

bool FunctionRunner::wait_settled(Deadline deadline) const {
    std::unique_lock lock(mutex_);
    const auto settled = [&] { return shut_down_ || (!running_ && !again_ && posted_ == 0); };
    return settled_.wait_until(lock, deadline.time(), settled);
}

bool FunctionRunner::is_done() const {
    const std::lock_guard lock(mutex_);
    return !running_ && posted_ + timers_ == 0 && wanted_.empty() && retirements_.empty() && slots_.empty();
}

void FunctionRunner::shut_down(Deadline deadline) {
    std::vector<std::int32_t> ids;
    {
        const std::lock_guard lock(mutex_);
        shut_down_ = true;
        for (const auto& [id, slot] : slots_) ids.push_back(id);
        settled_.notify_all();
    }
    if (!ids.empty()) stop_instances(ids, deadline);
}

}  // namespace weft::worker
