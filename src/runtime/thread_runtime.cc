#include "runtime/thread_runtime.h"

#include <pthread.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <optional>

#include "observe/log.h"
#include "runtime/health_watch.h"
#include "runtime/instance.h"
#include "runtime/resource_limits.h"
#include "runtime/restart_policy.h"
#include "runtime/supervisor_thread.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

constexpr std::size_t kStackBytes = 1U << 20;
constexpr Duration kGraceMin = 1s;  // a thread can't be killed, so it always gets time to end

/// One instance and its successors, one after the other, on one thread.
class Runner {
  public:
    using OnAsk = decltype(InstanceSpec::on_ask);
    struct Parts {
        FunctionSpec spec;
        OnAsk on_ask;
        std::shared_ptr<pulsar::Client> client;
    };
    Runner(Parts parts, RestartPolicy restart, HealthWatch health, bool limited)
        : spec_(std::move(parts.spec)),
          on_ask_(std::move(parts.on_ask)),
          client_(std::move(parts.client)),
          log_("supervisor", str_cat(spec_.fqfn(), ":", spec_.info.instance_id)),
          limited_(limited),
          schedule_(restart),
          health_(std::move(health)) {}

    /// On the thread; returns when it was told to stop.
    void run() {
        while (const auto instance = next_instance()) {
            const SteadyTime began = steady_now();
            std::string why = "the function ended";
            instance->run(
                {.running = [this] { log_.info("running on a thread"); },
                 .failed = [&why](const Error& error) { why = error.message; },
                 .asks =
                     [this, weak = std::weak_ptr(instance)](Subscribing what, std::uint64_t number) {
                         on_ask_(what, [weak, number] {
                             if (const auto there = weak.lock()) there->admit(number);
                         });
                     }});
            if (!wait_before_next(std::move(why), steady_now() - began)) break;
        }
        const std::lock_guard lock(mutex_);
        instance_.reset();
        why_not_ = "stopped";
        ended_ = true;
        changed_.notify_all();
    }

    /// Whether it ended in time.
    bool stop(Deadline deadline) {
        std::unique_lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        if (const auto instance = instance_) {
            lock.unlock();
            instance->stop(Deadline::after(deadline.left() * 9 / 10));
            lock.lock();
        }
        return changed_.wait_until(lock, deadline.time(), [this] { return ended_; });
    }

    void status(::proto::FunctionStatus& status) const {
        const std::lock_guard lock(mutex_);
        if (instance_) instance_->status(status);
        status.set_numrestarts(restarts_);
        status.set_instanceid(str_cat(spec_.info.instance_id));
        status.set_workerid(spec_.worker_id);
        status.set_weftcontainment("none: the instance is a thread of its worker");
        if (limited_) status.set_weftlimits("none: the instance is a thread of its worker");
        if (hung_) {
            status.set_running(false);
            status.set_failureexception(*hung_);
        } else if (!instance_ ||
                   (restarts_ > 0 && !status.running() && status.failureexception() == "starting")) {
            status.set_failureexception(why_not_);
        } else if (status.running()) {
            status.set_failureexception(concern(status.numsuccessfullyprocessed() > 0));
        }
    }
    Result<> metrics(::proto::MetricsData& metrics) const {
        const std::lock_guard lock(mutex_);
        if (!instance_) return fail(ErrorCode::unavailable, why_not_);
        instance_->metrics(metrics);
        return {};
    }

    Duration look_interval() const { return health_.interval(); }
    /// Looks whether there was progress.
    void look() {
        const std::lock_guard lock(mutex_);
        if (!instance_) return;
        const Instance::Health seen = instance_->health();
        const SteadyTime now = steady_now();
        health_.answered(seen.steps, seen.in_user_code, seen.about, now);
        const bool was_hung = hung_.has_value();
        hung_ = health_.hung(now);
        if (hung_) *hung_ += "; a thread can't be killed: restart the worker, or run functions as processes";
        if (hung_ && !was_hung) log_.error("the instance hangs", {{"why", *hung_}});
        if (!hung_ && was_hung) log_.info("the instance goes on");
    }

  private:
    std::shared_ptr<Instance> next_instance() {
        const std::lock_guard lock(mutex_);
        if (stopping_) return nullptr;
        instance_ = std::make_shared<Instance>(spec_, client_);
        health_.restart();
        return instance_;
    }
    bool wait_before_next(std::string why, Duration ran) {
        std::unique_lock lock(mutex_);
        std::shared_ptr<Instance> over = std::move(instance_);
        hung_.reset();
        if (stopping_) return false;
        why_not_ = std::move(why);
        lock.unlock();
        over.reset();  // it waits for the client's thread
        lock.lock();
        const Duration pause = schedule_.next(ran);
        log_.warn("the instance ended and is started again",
                  {{"why", why_not_},
                   {"in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(pause).count()}});
        if (changed_.wait_for(lock, pause, [this] { return stopping_; })) return false;
        ++restarts_;
        return true;
    }
    std::string concern(bool processed_something) const {
        if (auto stuck = health_.concern(steady_now())) return std::move(*stuck);
        if (restarts_ == 0 || processed_something) return "";
        return str_cat("started again; before that: ", why_not_);
    }

    // Fixed.
    const FunctionSpec spec_;
    const OnAsk on_ask_;                            // empty only if it never asks
    const std::shared_ptr<pulsar::Client> client_;  // of all instances on threads
    const observe::Logger log_;
    const bool limited_;  // it should be

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_.
    RestartSchedule schedule_;
    HealthWatch health_;
    std::shared_ptr<Instance> instance_;  // shared with stop(), which calls it without the lock
    std::optional<std::string> hung_;
    std::string why_not_ = "starting";
    std::int64_t restarts_ = 0;
    bool stopping_ = false, ended_ = false;
};

class ThreadSupervisor final : public Supervisor {
  public:
    // The runner is shared with its thread, which may outlive this, and with looks under way.
    ThreadSupervisor(std::shared_ptr<Runner> runner, std::shared_ptr<std::atomic<std::uint32_t>> abandoned,
                     bool watched)
        : runner_(std::move(runner)), abandoned_(std::move(abandoned)), watch_(supervisor_thread()) {
        if (watched)
            watch_->loop().post(
                [runner = std::weak_ptr(runner_), &loop = watch_->loop()] { look_later(runner, loop); });
    }
    ~ThreadSupervisor() override { (void)stop(Deadline::after(0s)); }

    Result<> begin() {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, kStackBytes);
        auto own = std::make_unique<std::shared_ptr<Runner>>(runner_);
        const int error = pthread_create(
            &thread_, &attributes,
            [](void* given) -> void* {
                const std::unique_ptr<std::shared_ptr<Runner>> runner(
                    static_cast<std::shared_ptr<Runner>*>(given));
                pthread_setname_np(pthread_self(), "function");
                (*runner)->run();
                return nullptr;
            },
            own.get());
        pthread_attr_destroy(&attributes);
        if (error != 0) return fail(ErrorCode::io, "can't start a thread: ", std::strerror(error));
        (void)own.release();  // the thread's
        joinable_ = true;
        return {};
    }

    Result<void> status(::proto::FunctionStatus& status, Deadline) override {
        runner_->status(status);
        return {};
    }
    Result<void> metrics(::proto::MetricsData& metrics, Deadline) override {
        return runner_->metrics(metrics);
    }
    Result<void> stop(Deadline deadline) override {
        const std::lock_guard lock(mutex_);
        if (!joinable_) return {};
        const bool ended = runner_->stop(Deadline::after(std::max(deadline.left(), kGraceMin)));
        joinable_ = false;
        if (ended) {
            pthread_join(thread_, nullptr);
            return {};
        }
        pthread_detach(thread_);
        abandoned_->fetch_add(1);
        return fail(ErrorCode::deadline_exceeded, "the function's thread does not end and is left behind");
    }
    std::int32_t pid() const override { return getpid(); }

  private:
    static void look_later(const std::weak_ptr<Runner>& runner, async::Loop& loop) {
        const auto alive = runner.lock();
        if (!alive) return;
        loop.after(alive->look_interval(), [runner, &loop] {
            if (const auto there = runner.lock()) there->look();
            look_later(runner, loop);
        });
    }

    const std::shared_ptr<Runner> runner_;
    const std::shared_ptr<std::atomic<std::uint32_t>> abandoned_;
    const std::shared_ptr<SupervisorThread> watch_;  // see supervisor_thread()
    std::mutex mutex_;                               // one stop at a time
    pthread_t thread_{};
    bool joinable_ = false;
};

}  // namespace

Result<std::shared_ptr<pulsar::Client>> ThreadRuntime::client_for(const InstanceSpec& given) {
    const std::lock_guard lock(mutex_);
    std::erase_if(clients_, [](const auto& each) { return each.second.expired(); });
    for (const auto& [who, shared] : clients_) {
        if (who != given.security) continue;
        if (auto client = shared.lock()) return client;
    }
    pulsar::ClientOptions options;
    options.service_url = given.service_url;
    options.security = given.security;
    WEFT_TRY(auto made, pulsar::Client::create(std::move(options)));
    std::shared_ptr<pulsar::Client> client = std::move(made);
    clients_.emplace_back(given.security, client);
    return client;
}

Result<std::unique_ptr<Supervisor>> ThreadRuntime::start(InstanceSpec given) {
    if (given.language != Language::native) {
        return fail(ErrorCode::not_supported, "only C++ functions run on threads");
    }
    WEFT_TRY(auto spec, FunctionSpec::from(given));
    WEFT_TRY(auto client, client_for(given));
    HealthWatch health(health_, timeout_of(given));
    const bool watched = health.on();
    given.containment.level = containment::Level::none;  // a thread can't be contained
    const bool limited = resource_limits_of(given) != ResourceLimits{};
    auto runner =
        std::make_shared<Runner>(Runner::Parts{std::move(spec), std::move(given.on_ask), std::move(client)},
                                 restart_, std::move(health), limited);
    auto supervisor = std::make_unique<ThreadSupervisor>(std::move(runner), abandoned_, watched);
    WEFT_TRY_VOID(supervisor->begin());
    return supervisor;
}

}  // namespace weft::runtime
