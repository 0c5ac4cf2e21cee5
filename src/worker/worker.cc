#include "worker/worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <ranges>

#include "host/python/python_library.h"
#include "http/client.h"
#include "http/server.h"
#include "observe/log.h"
#include "pulsar/client.h"
#include "runtime/instance_users.h"
#include "runtime/lease.h"
#include "runtime/thread_runtime.h"
#include "worker/admissions.h"
#include "worker/broker_admin.h"
#include "worker/function_credentials.h"
#include "worker/functions_api.h"
#include "worker/package_exchange.h"
#include "worker/pulsar_topics.h"
#include "worker/pulsar_trigger.h"
#include "worker/worker_peers.h"

namespace weft::worker {
namespace {

namespace fs = std::filesystem;

class SupervisorStarter final : public InstanceStarter {
  public:
    explicit SupervisorStarter(const WorkerOptions& options)
        : runtime_(options.function_runtime),
          health_{.call_limit = options.call_limit},
          threads_({}, health_) {}
    Result<std::unique_ptr<runtime::Supervisor>> start(runtime::InstanceSpec spec) override {
        if (runtime_ == FunctionRuntime::thread && spec.language == runtime::Language::native)
            return threads_.start(std::move(spec));
        return runtime::Supervisor::start(std::move(spec), {}, health_, lease_.get());
    }
    /// Before the first start().
    void hold(std::unique_ptr<runtime::Lease> lease) { lease_ = std::move(lease); }
    /// When all that were started have been stopped.
    void end_lease() { lease_.reset(); }
    runtime::Lease* lease() const { return lease_.get(); }
    std::uint32_t threads_left_behind() const { return threads_.abandoned(); }

  private:
    const FunctionRuntime runtime_;
    const runtime::HealthPolicy health_;
    runtime::ThreadRuntime threads_;
    std::unique_ptr<runtime::Lease> lease_;  // null: none
};

/// Where this process is the superuser's, its instances are others'.
runtime::UserSource find_users(const containment::Settings& settings) {
    if (settings.level == containment::Level::none || geteuid() != 0) return {};
    runtime::UserSource source;
    if (settings.users.empty()) {
        source.why_none = "--instance-users none";
    } else if (!settings.kernel.users) {
        source.why_none = "this process may not change users";
    } else if (auto pool = runtime::InstanceUsers::open(settings.users)) {
        source.pool = std::move(*pool);
        return source;
    } else {
        source.why_none = pool.error().message;
    }
    observe::Logger("worker").warn("functions run as this process's user", {{"why", source.why_none}});
    return source;
}

/// Said once: each function's status says it of itself.
void look_at_kernel(containment::Settings& settings) {
    const observe::Logger log("worker");
    if (settings.level == containment::Level::none) {
        log.warn("the code of functions is not contained: it may do what this process may");
        return;
    }
    settings.kernel = containment::find_kernel(settings.users, settings.level);
    const std::string_view level = containment::name_of(settings.level);
    std::string missing;
    for (const std::string& each : containment::not_held(settings.kernel, true))
        str_append(missing, missing.empty() ? "" : ", ", each);
    if (missing.empty()) {
        log.info("the code of functions is contained", {{"level", level}});
    } else {
        log.warn("the code of functions is contained in part", {{"level", level}, {"but_for", missing}});
    }
}

constexpr Duration kHandOverPatience = 3s;  // for giving the instances to others before the end
constexpr Duration kLeavePatience = 5s;     // for their asking for them
constexpr Duration kLetGoPatience = 12s;    // for another worker's stopping of an instance
constexpr int kLetGoAttempts = 10;
constexpr std::uint32_t kHandOversAtOnce = 16;
constexpr Duration kPrefetchPatience = 60s;  // for a package that may be needed here
// After a sleep: for one attempt to read the topics, for the stops that follow from it, before the next.
constexpr Duration kAwakePatience = 10s, kSettlePatience = 2s, kAwakeAgain = 200ms;

/// All that a started worker is made of, in the order of its making; it is taken apart in reverse.
struct Running {
    explicit Running(const WorkerOptions& options) : starter(options) {}

    std::unique_ptr<pulsar::Client> client;
    std::unique_ptr<InternalTopics> topics;
    std::unique_ptr<FunctionTrigger> trigger;
    std::unique_ptr<BrokerAdmin> admin;
    std::unique_ptr<WorkerPeers> peers;
    std::unique_ptr<PackageExchange> exchange;
    SupervisorStarter starter;
    std::unique_ptr<ControlPlane> java_plane, native_plane;
    std::unique_ptr<FunctionRunners> runners;
    std::unique_ptr<FunctionsApi> api;
    std::unique_ptr<JobPool> pool;
    std::unique_ptr<Admissions> java_admissions, native_admissions;
    std::unique_ptr<JobPool> hand_overs;  // waits for other workers

    ~Running() { stop(Deadline::after(0s)); }

    void stop(Deadline deadline) {
        if (java_plane) java_plane->hand_over(deadline.at_most(kHandOverPatience));
        if (native_plane) native_plane->hand_over(deadline.at_most(kHandOverPatience));
        if (runners) (void)runners->wait_until_left(deadline.at_most(kLeavePatience));
        if (java_plane) java_plane->stop();
        if (native_plane) native_plane->stop();
        if (runners) runners->shut_down(deadline);
        if (pool) pool->stop();
        if (hand_overs) hand_overs->stop();
        starter.end_lease();
    }
    Result<> hold_lease(Duration duration);
    void share_instances(RunnerContext& context);
    void take_over(const std::vector<Member>& from, const model::InstanceKey& instance,
                   const std::function<void()>& admit);
    void find_out_what_is_ours();
};

Result<> Running::hold_lease(Duration duration) {
    WEFT_TRY(auto lease, runtime::Lease::start(duration, [this] {
                 observe::Logger("worker").warn(
                     "this process was asleep for longer than its instances' lease; they have ended");
                 pool->post([this] { find_out_what_is_ours(); });
             }));
    starter.hold(std::move(lease));
    return {};
}

/// Instances move between workers, also behind this one's back.
void Running::share_instances(RunnerContext& context) {
    hand_overs = std::make_unique<JobPool>("weft-handover", kHandOversAtOnce);
    context.take_over = [this](const std::vector<Member>& from, const model::InstanceKey& instance,
                               std::function<void()> admit) {
        hand_overs->post(
            [this, from, instance, admit = std::move(admit)] { take_over(from, instance, admit); });
    };
    context.confirm = [this](const model::InstanceKey& instance, runtime::Language language,
                             std::function<void()> admit, std::function<void()> lost) {
        const bool native = language == runtime::Language::native;
        (native ? native_admissions : java_admissions)->ask(instance, std::move(admit), std::move(lost));
    };
}

/// Asks each of them to let go, who had it last at last: it runs there, most probably, and shall until
/// nothing else is waited for. One that doesn't answer, or doesn't know how, has ended the instance by itself
/// by then; one that says that it runs there has something to read yet, or this worker has.
void Running::take_over(const std::vector<Member>& from, const model::InstanceKey& instance,
                        const std::function<void()>& admit) {
    const std::string path = str_cat("/admin/v2/worker/let-go?instance=",
                                     http::url_encode(instance.function.instance_key(instance.instance_id)));
    const auto is_ours = [&] {
        return java_plane->has_instance(instance) || native_plane->has_instance(instance);
    };
    bool all_let_go = true;
    for (const Member& worker : from | std::views::reverse) {
        if (!is_ours()) return;  // who has it now asks them, too
        Result<> gone = peers->order(worker, path, Deadline::after(kLetGoPatience));
        for (int again = 1; !gone && gone.error().code == ErrorCode::conflict && again < kLetGoAttempts;
             ++again) {
            if (!is_ours()) return;
            gone = peers->order(worker, path, Deadline::after(kLetGoPatience));
        }
        all_let_go = all_let_go && gone;
    }
    // It may have moved on by now: who has it next asks here.
    if (!all_let_go && !is_ours()) return;
    admit();
}

/// Others may have taken instances over: nothing runs here before the topics have told.
void Running::find_out_what_is_ours() {
    const Deadline deadline = Deadline::after(kAwakePatience);
    for (ControlPlane* const plane : {java_plane.get(), native_plane.get()}) {
        if (!plane->catch_up(deadline)) return pool->post([this] { find_out_what_is_ours(); }, kAwakeAgain);
    }
    runners->end_leaving();  // nobody may still run what moved meanwhile
    (void)runners->wait_settled(Deadline::after(kSettlePatience));
    starter.lease()->reinstate();
}

class WorkerImpl final : public Worker {
  public:
    WorkerImpl(WorkerOptions options, package::Packages packages, std::unique_ptr<AuditLog> audit)
        : options_(std::move(options)),
          packages_(std::move(packages)),
          guard_(options_.access, std::move(audit), [this] { return cluster_.load(); }) {}
    ~WorkerImpl() override { stop(Deadline::after(0s)); }

    void add_routes(http::Router& router) override {
        router_ = &router;
        add_function_routes(router, [this] { return api_.load(); }, &guard_);
    }
    void start(Endpoints endpoints) override;
    void stop(Deadline deadline) override;
    std::uint32_t threads_left_behind() const override {
        const std::lock_guard lock(mutex_);
        return running_ ? running_->starter.threads_left_behind() : 0;
    }
    bool initialized() const override {
        const FunctionsApi* const api = api_.load();
        return api && api->initialized();
    }

  private:
    std::unique_ptr<ControlPlane> make_plane(Running& running, bool weft_only, const ApiOptions& api) const;
    static void share_packages(Running& running, const package::Packages& packages, PackagePlaces places);

    const WorkerOptions options_;
    package::Packages packages_;
    http::Router* router_ = nullptr;
    WorkerMetrics metrics_;

    mutable std::mutex mutex_;  // guards what follows
    std::unique_ptr<Running> running_;
    bool stopped_ = false;

    // What requests see; both live in running_.
    std::atomic<FunctionsApi*> api_{nullptr};
    std::atomic<BrokerAdmin*> cluster_{nullptr};
    RestGuard guard_;
};

std::unique_ptr<ControlPlane> WorkerImpl::make_plane(Running& running, bool weft_only,
                                                     const ApiOptions& api) const {
    PlaneOptions plane;
    plane.label = weft_only ? "native functions" : "functions";
    const auto& words = options_.topic_words;
    plane.topics = weft_only ? TopicNames::of_weft_workers(options_.functions_namespace, words)
                             : TopicNames::of_java_workers(options_.functions_namespace, words);
    plane.worker_id = api.worker_id;
    plane.participant = str_cat(api.worker_id, ':', api.hostname, ':', api.web_port);
    const auto slash = options_.functions_namespace.find('/');
    plane.tenant = options_.functions_namespace.substr(0, slash);
    plane.ns = options_.functions_namespace.substr(slash + 1);
    plane.tls = api.web_tls;
    plane.weft_only = weft_only;
    plane.look_every = options_.look_every;
    const bool starts_with_broker = options_.broker == BrokerPlace::this_process;
    plane.reschedule_after =
        options_.reschedule_after.value_or(starts_with_broker ? 0s : plane.reschedule_after);
    plane.rebalance_every = options_.rebalance_every;
    if (!starts_with_broker) plane.compact_every = options_.compact_every;  // that one does it by itself
    return std::make_unique<ControlPlane>(std::move(plane), *running.topics, *running.admin, *running.peers,
                                          *running.runners);
}

/// What another worker's clients upload comes here too: an instance may have to run here when that one is
/// gone.
void WorkerImpl::share_packages(Running& running, const package::Packages& packages, PackagePlaces places) {
    const auto others = [&running](Deadline deadline) {
        std::vector<Member> members;
        for (const ControlPlane* plane : {running.java_plane.get(), running.native_plane.get()}) {
            const auto seen = plane->participants(deadline);
            if (!seen) continue;
            for (const auto& member : seen->members) {
                const bool known =
                    std::ranges::find(members, member.worker_id, &Member::worker_id) != members.end();
                if (!known && member.worker_id != plane->worker_id()) members.push_back(member);
            }
        }
        return members;
    };
    running.exchange =
        std::make_unique<PackageExchange>(*packages.store, *running.peers, others, std::move(places));
    for (ControlPlane* plane : {running.java_plane.get(), running.native_plane.get()}) {
        plane->on_update([&running, store = packages.store.get()](const MetaPtr& meta) {
            std::string digest(digest_of(*meta));
            if (digest.empty() || store->contains(digest)) return;
            running.pool->post([&running, digest = std::move(digest)] {
                // Where this fails, the start of an instance tries again and says why.
                (void)running.exchange->fetch(digest, Deadline::after(kPrefetchPatience));
            });
        });
        plane->on_packages_freed([&running] {
            running.pool->post([&running] {
                // Before both planes have read their topics nobody knows what is needed.
                if (running.api->initialized()) running.api->collect_packages();
            });
        });
    }
}

void WorkerImpl::start(Endpoints endpoints) {
    const std::lock_guard lock(mutex_);
    if (running_ || stopped_) return;
    auto running = std::make_unique<Running>(options_);
    ApiOptions api;
    api.hostname = options_.hostname;
    api.web_port = endpoints.web_port;
    api.web_tls = endpoints.web_tls;
    api.worker_id = options_.worker_id;
    if (api.worker_id.empty()) {
        const std::string mine = str_cat(options_.hostname, "-", endpoints.web_port);
        api.worker_id = options_.broker == BrokerPlace::elsewhere
                            ? mine
                            : str_cat("c-", options_.cluster_name, "-fw-", mine);
    }
    pulsar::ClientOptions client;
    client.service_url = endpoints.service_url;
    client.security = options_.broker_security;
    auto admin_security = http::client_security(options_.broker_security, endpoints.web_url);
    if (!admin_security) {
        observe::Logger("worker").error("can't start: no client of the broker's REST",
                                        {{"why", admin_security.error().message}});
        return;
    }
    auto made = pulsar::Client::create(std::move(client));
    if (!made) {  // a service URL that isn't one, files that can't be used: the caller looks first
        observe::Logger("worker").error("can't start: no Pulsar client", {{"why", made.error().message}});
        return;
    }
    running->client = std::move(*made);
    running->topics = make_pulsar_topics(*running->client, endpoints.web_tls ? OwnRest::tls : OwnRest::plain);
    running->trigger = make_pulsar_trigger(*running->client);
    api.trigger = running->trigger.get();
    api.cluster_name = options_.cluster_name;
    api.metrics = &metrics_;
    api.package_urls = options_.package_urls;
    api.java = options_.java;
    api.secrets = options_.secrets;
    if (options_.credential_keys)
        api.credentials =
            std::make_shared<FunctionCredentials>(options_.credential_keys, options_.access.authenticator);
    running->peers = make_http_peers(options_.broker_security);
    api.peers = running->peers.get();
    const bool in_process =
        options_.broker == BrokerPlace::this_process && router_ &&
        admin_security->credentials->method() != "tls";  // there nobody shows a certificate
    running->admin = in_process ? make_in_process_admin(*router_, *admin_security)
                                : make_http_admin(endpoints.web_url, *admin_security);
    running->pool = std::make_unique<JobPool>("weft-runner", options_.instances_starting_max);
    RunnerContext context{*running->pool,
                          running->starter,
                          *running->admin,
                          packages_,
                          options_.data_dir / "instances",
                          api.worker_id,
                          options_.cluster_name,
                          options_.python,
                          endpoints.service_url,
                          endpoints.web_url,
                          &metrics_};
    context.broker_security = options_.broker_security;
    context.java = options_.java;
    context.secrets = options_.secrets;
    context.credentials = api.credentials;
    context.containment = options_.containment;
    context.users = find_users(options_.containment);
    context.fetch_package = [running = running.get()](const std::string& digest, Deadline deadline) {
        return running->exchange->fetch(digest, deadline);
    };
    context.fetch_foreign = [running = running.get()](const ::proto::FunctionMetaData& meta,
                                                      Deadline deadline) {
        return running->exchange->fetch_foreign(meta, deadline);
    };
    api.fetch_foreign = context.fetch_foreign;
    if (options_.package_management) {
        api.store_foreign = [url = endpoints.web_url, security = *admin_security](
                                const std::string& name, std::string_view bytes, Deadline deadline) {
            return store_in_service(url, security, name, bytes, deadline);
        };
    }
    running->share_instances(context);
    // Threads don't ask when they have been away.
    if (options_.function_runtime == FunctionRuntime::thread) context.leaving_max = 0s;
    running->runners = std::make_unique<FunctionRunners>(std::move(context));
    running->java_plane = make_plane(*running, false, api);
    running->native_plane = make_plane(*running, true, api);
    running->api = std::make_unique<FunctionsApi>(api, *running->java_plane, *running->native_plane,
                                                  *running->runners, packages_, *running->admin);
    share_packages(*running, packages_, {endpoints.web_url, *admin_security, options_.package_urls});
    running->java_admissions = std::make_unique<Admissions>(*running->java_plane, *running->hand_overs);
    running->native_admissions = std::make_unique<Admissions>(*running->native_plane, *running->hand_overs);
    if (options_.broker == BrokerPlace::elsewhere && options_.lease > Duration::zero()) {
        if (const auto held = running->hold_lease(options_.lease); !held) {
            observe::Logger("worker").error("can't start: no lease for instances",
                                            {{"why", held.error().message}});
            return;
        }
    }
    running->java_plane->start();
    running->native_plane->start();
    running_ = std::move(running);
    cluster_ = running_->admin.get();
    api_ = running_->api.get();
}

void WorkerImpl::stop(Deadline deadline) {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    packages_.environments->stop();
    if (running_) running_->stop(deadline);  // kept until the end: requests may still look at it
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(WorkerOptions options) {
    const auto slash = options.functions_namespace.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == options.functions_namespace.size()) {
        return fail(ErrorCode::invalid_argument, "functions_namespace = ", options.functions_namespace,
                    " is not a namespace: use tenant/namespace");
    }
    std::error_code error;
    options.data_dir = fs::absolute(options.data_dir, error);  // instances run in other folders
    if (error) return fail(ErrorCode::io, "No working folder to resolve ", options.data_dir.string(), " in");
    WEFT_TRY_VOID(check_url_patterns(options.package_urls.functions));
    WEFT_TRY_VOID(check_url_patterns(options.package_urls.connectors));
    WEFT_TRY_VOID(check_function_credentials(options));
    if (options.containment.level == containment::Level::strict &&
        options.function_runtime == FunctionRuntime::thread) {
        return fail(
            ErrorCode::invalid_argument,
            "--containment strict: functions on threads can't be contained: run them as processes, or "
            "give none");
    }
    if (options.instances_starting_max == 0) options.instances_starting_max = 1;
    WEFT_TRY(auto packages, package::Packages::open({options.data_dir, host::find_interpreter(options.python),
                                                     options.python_dependency_repository,
                                                     options.python_extra_dependency_repository,
                                                     options.package_bytes_max}));
    fs::remove_all(options.data_dir / "instances",
                   error);  // what an earlier run left: every start makes it anew
    fs::remove_all(options.data_dir / kTokensFolder, error);
    fs::create_directories(options.data_dir / "instances", error);
    if (error) {
        return fail(ErrorCode::io, "Can't make the folder ", (options.data_dir / "instances").string(), ": ",
                    error.message());
    }
    look_at_kernel(options.containment);
    WEFT_TRY(auto audit, AuditLog::open(options.access.audit_file));
    return std::make_unique<WorkerImpl>(std::move(options), std::move(packages), std::move(audit));
}

}  // namespace weft::worker
