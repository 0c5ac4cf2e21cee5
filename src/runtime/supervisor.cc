#include "runtime/supervisor.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <csignal>
#include <deque>
#include <map>
#include <optional>

#include "async/call.h"
#include "base/check.h"
#include "observe/log.h"
#include "runtime/control_frames.h"
#include "runtime/folder_size.h"
#include "runtime/health_watch.h"
#include "runtime/instance_main.h"
#include "runtime/instance_rules.h"
#include "runtime/lease.h"
#include "runtime/proto/control.pb.h"
#include "runtime/resource_limits.h"
#include "runtime/restart_policy.h"
#include "runtime/spawn.h"
#include "runtime/supervisor_thread.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

constexpr std::size_t kOutputLinesKept = 20;
constexpr std::size_t kOutputLinesKeptOfJava = 60;  // a stack and what it was caused by
constexpr std::size_t kOutputLineBytesMax = 4096;
constexpr std::size_t kRequestsWaitingMax = 1000;
constexpr Duration kLastWords = 500ms;   // of an instance that hangs: where it stands
constexpr Duration kLeaseLook = 50ms;    // while the lease is not held
constexpr Duration kTasksLook = 1s;      // at whether it wants more processes than it may have
constexpr Duration kLeftLook = 50ms;     // whether what it had started is gone
constexpr Duration kLeftMax = 30s;       // then it is tried with less room
constexpr Duration kScratchLook = 5s;    // at the size of the scratch folder
constexpr Duration kScratchGoOn = 50ms;  // while there is more of it than one look sees

/// Watches one descriptor on a loop, and owns it.
class FdWatch {
  public:
    FdWatch(async::Loop& loop, int fd, std::function<void()> readable)
        : descriptor_(loop.context(), fd),
          readable_(std::move(readable)),
          alive_(std::make_shared<bool>(true)) {
        arm();
    }
    ~FdWatch() { *alive_ = false; }
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;
    int fd() { return descriptor_.native_handle(); }
    void stop() { *alive_ = false; }

  private:
    void arm() {
        descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                               [this, alive = alive_](const boost::system::error_code& error) {
                                   if (!*alive || error) return;
                                   const auto readable = readable_;  // it may end this watch
                                   readable();
                                   if (*alive) arm();
                               });
    }
    boost::asio::posix::stream_descriptor descriptor_;
    std::function<void()> readable_;
    std::shared_ptr<bool> alive_;  // shared with the wait under way, which may end after this is gone
};

/// Cuts the child's output into lines, and keeps the last ones.
class OutputLines {
  public:
    explicit OutputLines(std::size_t kept) : kept_(kept) {}
    template <class OnLine>
    void add(std::string_view text, const OnLine& on_line) {
        for (const char c : text) {
            if (c != '\n' && partial_.size() < kOutputLineBytesMax) {
                partial_.push_back(c);
                continue;
            }
            on_line(partial_);
            if (lines_.size() == kept_) lines_.pop_front();
            lines_.push_back(std::exchange(partial_, {}));
            if (c != '\n') partial_.push_back(c);
        }
    }
    std::string tail() const {
        std::string text;
        for (const std::string& line : lines_) str_append(text, "\n", line);
        if (!partial_.empty()) str_append(text, "\n", partial_);
        return text;
    }

  private:
    const std::size_t kept_;
    std::deque<std::string> lines_;
    std::string partial_;
};

control::Spec message_of(const InstanceSpec& spec) {
    control::Spec message;
    message.set_function_details(spec.function_details);
    message.set_instance_id(spec.instance_id);
    message.set_function_id(spec.function_id);
    message.set_function_version(spec.function_version);
    message.set_language(static_cast<std::int32_t>(spec.language));
    message.set_package_path(spec.package_path);
    message.set_service_url(spec.service_url);
    message.set_web_service_url(spec.web_service_url);
    control::Security& security = *message.mutable_security();
    security.set_auth_plugin(spec.security.auth_plugin);
    security.set_auth_params(spec.security.auth_params);
    security.set_trust_certs(spec.security.tls.trust_certs);
    security.set_certificate(spec.security.tls.certificate);
    security.set_key(spec.security.tls.key);
    security.set_allow_insecure(spec.security.allow_insecure);
    security.set_verify_hostname(spec.security.verify_hostname);
    message.set_cluster_name(spec.cluster_name);
    message.set_worker_id(spec.worker_id);
    message.set_python(spec.python);
    message.set_scratch_directory(spec.scratch_directory);
    control::Containment& containment = *message.mutable_containment();
    containment.set_level(static_cast<std::uint32_t>(spec.containment.level));
    containment.mutable_readable()->Assign(spec.containment.readable.begin(),
                                           spec.containment.readable.end());
    containment.mutable_writable()->Assign(spec.containment.writable.begin(),
                                           spec.containment.writable.end());
    containment.set_landlock(spec.containment.kernel.landlock);
    containment.set_filters(spec.containment.kernel.filters);
    containment.set_mounts(spec.containment.kernel.mounts);
    message.set_user(spec.user);
    message.set_asks(static_cast<std::uint32_t>(spec.asks));
    if (spec.language == Language::java) {
        control::Java& java = *message.mutable_java();
        java.set_program(spec.java.program);
        java.set_instance_jar(spec.java.instance_jar);
        java.set_class_path(spec.java.class_path);
        java.set_extra_dependencies(spec.java.extra_dependencies);
        java.mutable_arguments()->Assign(spec.java.arguments.begin(), spec.java.arguments.end());
    }
    return message;
}

std::string display_name(const InstanceSpec& spec) {
    ::proto::FunctionDetails details;
    details.ParseFromString(spec.function_details);
    return str_cat(details.tenant(), "/", details.namespace_(), "/", details.name(), ":", spec.instance_id);
}

/// One instance and its children, one after the other. On the loop only.
class Keeper {
  public:
    using Answered = std::move_only_function<void(Result<control::Answer>)>;

    Keeper(SupervisorThread& thread, InstanceSpec spec, RestartPolicy policy, HealthPolicy health,
           Lease* lease)
        : loop_(thread.loop()),
          starts_(thread.starts()),
          copies_(thread.copies()),
          own_(give_own_user(spec)),
          spec_(std::move(spec)),
          name_(display_name(spec_)),
          log_("supervisor", name_),
          function_log_("instance", name_),
          schedule_(policy),
          health_(health, timeout_of(spec_)),
          limits_(resource_limits_of(spec_)),
          resources_(limits_),
          scratch_(spec_.scratch_directory),
          lease_(lease) {}
    ~Keeper() { WEFT_CHECK(!run_, "the child is gone before its keeper"); }
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    Result<> start_child() {
        WEFT_TRY_VOID(check_strict(spec_, resources_.not_held(), own_.why_not));
        if (scratch_timer_ == 0 && !spec_.scratch_directory.empty()) look_at_scratch_after(kScratchLook);
        if (!overfull_.empty()) {
            turn_.reset();
            why_not_running_ = overfull_;
            return {};
        }
        if (lease_ && !lease_->held()) {
            why_not_running_ = "waits: its worker woke up late, and asks what is still its own";
            restart_timer_ = loop_.after(kLeaseLook, [this] { start_later(); });
            return {};
        }
        if (!turn_) turn_ = starts_.enter([this] { start_later(); });
        if (!turn_->has_begun()) {
            why_not_running_ = "waits for its turn to start";
            return {};
        }
        auto child = spawn_instance(name_, lease_ ? lease_->fd() : -1);
        if (!child) {
            turn_.reset();
            return std::unexpected(std::move(child).error());
        }
        run_ = std::make_unique<Run>(spec_.language == Language::java ? kOutputLinesKeptOfJava
                                                                      : kOutputLinesKept);
        run_->child = *child;
        if (own_.copies) copies_.add(*own_.copies);
        ++children_;
        run_->started = steady_now();
        run_->ended = std::make_unique<FdWatch>(loop_, child->pidfd, [this] { child_ended(); });
        run_->control = std::make_unique<FdWatch>(loop_, child->control, [this] { read_control(); });
        run_->output = std::make_unique<FdWatch>(loop_, child->output, [this] { read_output(); });
        if (resources_.knows_its_processes() && tasks_timer_ == 0) look_at_tasks_later();
        control::Request request;
        *request.mutable_start() = message_of(spec_);
        for (const std::string& file : resources_.joined_by()) request.mutable_start()->add_joined_by(file);
        request.mutable_start()->set_joins_first(resources_.is_joined_first());
        request.mutable_start()->set_data_bytes_max(resources_.data_bytes_max());
        if (lease_) {
            request.mutable_start()->set_lease_ms(static_cast<std::uint64_t>(
                std::chrono::duration_cast<std::chrono::milliseconds>(lease_->duration()).count()));
        }
        send(request);
        health_.restart();
        if (health_.on() && health_timer_ == 0) look_later();
        return {};
    }

    /// Asks the child; without one the answer is `unavailable`.
    void ask(control::Request request, Answered answered) {
        if (!run_) return answered(fail(ErrorCode::unavailable, why_not_running_));
        if (run_->waiting.size() >= kRequestsWaitingMax) {
            return answered(fail(ErrorCode::limit_reached, "the instance does not answer"));
        }
        const std::uint64_t id = ++last_request_;
        request.set_id(id);
        run_->waiting.emplace(id, std::move(answered));
        send(request);
    }

    /// Asks the child to finish; `gone` is called when it is. Killed after the time given.
    void stop(Duration within, std::move_only_function<void()> gone) {
        stopping_ = true;
        turn_.reset();
        for (auto* timer : {&restart_timer_, &health_timer_, &scratch_timer_, &tasks_timer_}) {
            if (*timer != 0) loop_.cancel(std::exchange(*timer, 0));
        }
        if (own_.copies) copies_.remove(*own_.copies);
        if (!run_) return gone();
        gone_.push_back(std::move(gone));
        control::Request request;
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(within * 9 / 10).count();
        request.set_stop_within_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)));
        send(request);
        if (kill_timer_ == 0) kill_timer_ = loop_.after(within, [this] { kill_child(); });
    }

    /// `asked` is called when a child, given by its number, asks something.
    void on_ask(std::function<void(std::uint64_t child, const control::Ask&)> asked) {
        asked_ = std::move(asked);
    }
    void admit(std::uint64_t child, std::uint64_t number) {
        if (!run_ || stopping_ || child != children_) return;
        control::Request request;
        request.set_admit(number);
        send(request);
    }

    std::int32_t pid() const { return run_ ? run_->child.pid : -1; }
    std::int64_t restarts() const { return restarts_; }
    const std::string& why_not_running() const { return why_not_running_; }
    const InstanceSpec& spec() const { return spec_; }
    const std::string& limits() const { return resources_.description(); }
    std::string containment() const { return containment_of(spec_, resources_.not_held(), own_.why_not); }
    /// What is to be said of an instance that runs: that it makes no progress, or why it was started again,
    /// as long as it has not processed anything since.
    std::string concern(bool processed_something) const {
        if (auto stuck = health_.concern(steady_now())) return std::move(*stuck);
        if (restarts_ == 0 || processed_something) return "";
        return str_cat("started again; before that: ", why_not_running_);
    }

  private:
    /// One child, from start to end.
    struct Run {
        explicit Run(std::size_t lines_kept) : lines(lines_kept) {}
        Child child;
        SteadyTime started;
        std::unique_ptr<FdWatch> ended, control, output;
        ControlFrameReader reader;
        OutputLines lines;
        std::string failure;  // as the child told it
        std::string hung;     // it is killed for this, its full scratch folder, or its processes
        std::map<std::uint64_t, Answered> waiting;
    };

    /// A child that can't be spoken to has ended or must end: child_ended() answers whoever waits.
    void send(const control::Request& request) {
        if (!write_all(run_->child.control, control_frame(request.SerializeAsString()))) {
            kill(run_->child.pid, SIGKILL);
        }
    }
    void kill_child() {
        kill_timer_ = 0;
        if (!run_) return;
        log_.warn("the instance did not end in time and is killed");
        kill(run_->child.pid, SIGKILL);
    }
    void finish(std::uint64_t id, Result<control::Answer> answer) {
        const auto it = run_->waiting.find(id);
        if (it == run_->waiting.end()) return;
        Answered answered = std::move(it->second);
        run_->waiting.erase(it);
        answered(std::move(answer));
    }
    void look_later() {
        health_timer_ = loop_.after(health_.interval(), [this] {
            health_timer_ = 0;
            look();
        });
    }
    /// Looks after the health of the child, for as long as there is one.
    void look() {
        if (!run_ || stopping_ || !run_->hung.empty()) return;
        const SteadyTime now = steady_now();
        if (const auto why = health_.hung(now)) return end_hung_child(*why);
        health_.asked(now);
        control::Request request;
        request.set_health(true);
        ask(std::move(request), [this, run = run_.get()](const Result<control::Answer>& answer) {
            if (!answer || run != run_.get()) return;
            const auto& said = answer->health();
            health_.answered(said.steps(), said.in_user_code(), said.about(), steady_now());
        });
        if (run_) look_later();
    }
    void end_hung_child(const std::string& why) {
        log_.error("the instance hangs and is killed", {{"pid", run_->child.pid}, {"why", why}});
        run_->hung = why;
        syscall(SYS_tgkill, run_->child.pid, run_->child.pid, kWhereSignal);
        if (kill_timer_ == 0) kill_timer_ = loop_.after(kLastWords, [this] { kill_child(); });
    }
    void look_at_scratch_after(Duration pause) {
        scratch_timer_ = loop_.after(pause, [this] { look_at_scratch(); });
    }
    /// Ends an instance whose scratch folder is over its bound, and lets it run again when it no longer is.
    void look_at_scratch() {
        const FolderSize::Seen seen = scratch_.look();
        const bool over = seen.bytes > static_cast<std::uint64_t>(limits_.disk_bytes);
        look_at_scratch_after(over || seen.whole ? kScratchLook : kScratchGoOn);
        if (over) {
            scratch_.begin_anew();
            if (overfull_.empty()) end_overfull_child(seen.bytes);
        } else if (seen.whole && !overfull_.empty()) {
            overfull_.clear();
            if (!run_ && restart_timer_ == 0) start_later();
        }
    }
    void end_overfull_child(std::uint64_t bytes) {
        overfull_ = str_cat("the instance's scratch folder ", spec_.scratch_directory, " holds ", bytes,
                            " bytes and more, resources.disk is ", limits_.disk_bytes,
                            ": it runs again when there is less in it, or with a larger resources.disk");
        log_.error("the instance is ended", {{"why", overfull_}});
        if (!run_) return;
        run_->hung = overfull_;
        kill(run_->child.pid, SIGKILL);
    }
    void look_at_tasks_later() {
        tasks_timer_ = loop_.after(kTasksLook, [this] { look_at_tasks(); });
    }
    /// Ends an instance that has all the processes that it may, and goes on to start some: each that it is
    /// refused costs all others more than one that it has. Old cgroups tell nobody; so it is looked.
    void look_at_tasks() {
        tasks_timer_ = 0;
        if (!run_) return;
        look_at_tasks_later();
        if (!resources_.wants_more_tasks() || !run_->hung.empty()) return;
        run_->hung = str_cat("the instance had as many processes and threads as it may (", limits_.tasks,
                             "), wanted more, and was ended");
        log_.error("the instance is ended", {{"why", run_->hung}});
        resources_.kill_what_is_left();
        kill(run_->child.pid, SIGKILL);
    }
    void read_control() {
        char buffer[16384];
        const ssize_t n = recv(run_->child.control, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) return run_->control->stop();  // the end of the process follows
        run_->reader.add({buffer, static_cast<std::size_t>(n)});
        for (std::string message;;) {
            const auto whole = run_->reader.next(message);
            control::Answer answer;
            if (!whole || (*whole && !answer.ParseFromString(message))) {
                log_.error("the instance sends nonsense and is killed");
                kill(run_->child.pid, SIGKILL);
                return run_->control->stop();
            }
            if (!*whole) return;
            if (answer.id() != 0) {
                finish(answer.id(), std::move(answer));
            } else if (answer.has_ask()) {
                if (asked_) asked_(children_, answer.ask());
            } else if (answer.running()) {
                const auto after =
                    std::chrono::duration_cast<std::chrono::milliseconds>(steady_now() - run_->started);
                log_.info("running", {{"pid", run_->child.pid}, {"after_ms", after.count()}});
                turn_.reset();
            } else {
                run_->failure = answer.failed();
            }
        }
    }
    void read_output() {
        char buffer[16384];
        const ssize_t n = read(run_->child.output, buffer, sizeof buffer);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) return run_->output->stop();
        run_->lines.add({buffer, static_cast<std::size_t>(n)},
                        [this](const std::string& line) { function_log_.info(line); });
    }
    void drain_output() {
        char buffer[16384];
        for (std::size_t total = 0; total < (1U << 20);) {  // others may hold the pipe and go on writing
            const ssize_t n = read(run_->child.output, buffer, sizeof buffer);
            if (n <= 0) return;
            total += static_cast<std::size_t>(n);
            run_->lines.add({buffer, static_cast<std::size_t>(n)},
                            [this](const std::string& line) { function_log_.info(line); });
        }
    }
    void child_ended() {
        turn_.reset();
        resources_.kill_what_is_left();
        if (own_.user && !resources_.knows_its_processes()) end_processes_of({own_.user->id()});
        drain_output();
        std::string end = reap(run_->child);
        const bool lease_over = lease_ && end == str_cat("exit code ", kLeaseOverExit);
        if (lease_over) end = "its worker had not renewed its lease";
        if (resources_.ran_out_of_memory()) end += ", for its memory: resources.ram is too small for it";
        const Duration ran = steady_now() - run_->started;
        why_not_running_ = !run_->hung.empty()     ? str_cat(run_->hung, run_->lines.tail())
                           : run_->failure.empty() ? str_cat("the instance ended: ", end, run_->lines.tail())
                                                   : run_->failure;
        const bool hung = !run_->hung.empty();
        if (kill_timer_ != 0) loop_.cancel(std::exchange(kill_timer_, 0));
        const std::unique_ptr<Run> over = std::move(run_);
        over->ended->stop();
        for (auto& [id, answered] : over->waiting) answered(fail(ErrorCode::unavailable, why_not_running_));
        if (stopping_) {
            why_not_running_ = "stopped";
            for (auto& gone : std::exchange(gone_, {})) gone();
            return;
        }
        const Duration pause = lease_over ? Duration::zero() : schedule_.next(hung ? Duration::zero() : ran);
        log_.warn(
            "the instance ended and is started again",
            {{"end", end}, {"in_ms", std::chrono::duration_cast<std::chrono::milliseconds>(pause).count()}});
        left_until_ = steady_now() + pause + kLeftMax;
        restart_timer_ = loop_.after(pause, [this] { restart(); });
    }
    void restart() {
        ++restarts_;
        start_later();
    }
    /// What a child had started is killed with it, but a thousand processes take their time to be gone, and
    /// the next child would find no room beside them.
    void start_later() {
        restart_timer_ = 0;
        if (resources_.tasks() > 0 && steady_now() < left_until_) {
            resources_.kill_what_is_left();
            restart_timer_ = loop_.after(kLeftLook, [this] { start_later(); });
            return;
        }
        const auto started = start_child();
        if (started) return;
        why_not_running_ = started.error().message;
        restart_timer_ = loop_.after(schedule_.next(0s), [this] { restart(); });
    }

    async::Loop& loop_;
    StartGate& starts_;
    CopiesWatch& copies_;
    std::unique_ptr<StartGate::Turn> turn_;  // null: it is not starting
    const OwnUser own_;
    const InstanceSpec spec_;
    const std::string name_;
    const observe::Logger log_, function_log_;
    RestartSchedule schedule_;
    HealthWatch health_;
    const ResourceLimits limits_;
    ResourceGroup resources_;
    FolderSize scratch_;
    std::string overfull_;      // why it may not run; empty: it may
    Lease* const lease_;        // null: none
    std::unique_ptr<Run> run_;  // null: none runs now
    std::uint64_t last_request_ = 0, children_ = 0;
    std::function<void(std::uint64_t child, const control::Ask&)> asked_;
    std::int64_t restarts_ = 0;
    SteadyTime left_until_;
    std::string why_not_running_ = "starting";
    bool stopping_ = false;
    async::TimerId restart_timer_ = 0, kill_timer_ = 0, health_timer_ = 0, scratch_timer_ = 0,
                   tasks_timer_ = 0;
    std::vector<std::move_only_function<void()>> gone_;
};

class ProcessSupervisor final : public Supervisor {
  public:
    static Result<std::unique_ptr<Supervisor>> start(InstanceSpec spec, RestartPolicy policy,
                                                     HealthPolicy health, Lease* lease) {
        auto supervisor = std::make_unique<ProcessSupervisor>(std::move(spec), policy, health, lease);
        WEFT_TRY_VOID(supervisor->call<bool>(Deadline::never(), [](auto& keeper, auto done) {
            const Result<> started = keeper.start_child();
            if (started) return done(true);
            done(std::unexpected(started.error()));
        }));
        return supervisor;
    }

    ProcessSupervisor(InstanceSpec spec, RestartPolicy policy, HealthPolicy health, Lease* lease)
        : thread_(supervisor_thread()),
          keeper_(std::make_shared<Keeper>(*thread_, std::move(spec), policy, health, lease)) {
        if (!keeper_->spec().on_ask) return;
        keeper_->on_ask([thread = std::weak_ptr(thread_), weak = std::weak_ptr(keeper_),
                         on_ask = keeper_->spec().on_ask](std::uint64_t child, const control::Ask& ask) {
            on_ask(ask.again() ? Subscribing::again : Subscribing::first,
                   [thread, weak, child, number = ask.number()] {
                       const auto there = thread.lock();
                       if (!there) return;
                       there->loop().post([weak, child, number] {
                           if (const auto keeper = weak.lock()) keeper->admit(child, number);
                       });
                   });
        });
    }

    ~ProcessSupervisor() override { (void)stop(Deadline::after(0s)); }

    Result<void> status(::proto::FunctionStatus& status, Deadline deadline) override {
        control::Request request;
        request.set_status(true);
        auto answer = ask(std::move(request), deadline);
        if (answer) {
            if (!status.ParseFromString(answer->status()))
                return fail(ErrorCode::corrupt, "the status does not parse");
        } else if (answer.error().code == ErrorCode::unavailable) {
            status.set_running(false);
            status.set_failureexception(answer.error().message);
        } else {
            return std::unexpected(std::move(answer).error());
        }
        const bool processed_something = status.numsuccessfullyprocessed() > 0;
        WEFT_TRY(const auto facts, call<Facts>(deadline, [processed_something](auto& keeper, auto done) {
                     done(Facts{keeper.restarts(), keeper.spec().instance_id, keeper.spec().worker_id,
                                keeper.concern(processed_something), keeper.limits(), keeper.containment()});
                 }));
        if (status.running()) {
            status.set_failureexception(facts.concern);
        } else if (!facts.concern.empty()) {
            status.set_failureexception(str_cat(status.failureexception(), "; ", facts.concern));
        }
        status.set_numrestarts(facts.restarts);
        status.set_instanceid(str_cat(facts.instance_id));
        status.set_workerid(facts.worker_id);
        status.set_weftlimits(facts.limits);
        status.set_weftcontainment(facts.containment);
        return {};
    }

    Result<void> metrics(::proto::MetricsData& metrics, Deadline deadline) override {
        control::Request request;
        request.set_metrics(true);
        WEFT_TRY(const auto answer, ask(std::move(request), deadline));
        if (!metrics.ParseFromString(answer.metrics()))
            return fail(ErrorCode::corrupt, "the metrics do not parse");
        return {};
    }

    Result<void> stop(Deadline deadline) override {
        const Duration within = deadline.left();
        WEFT_TRY_VOID(call<bool>(Deadline::never(), [within](auto& keeper, auto done) {
            keeper.stop(within, [done = std::move(done)]() mutable { done(true); });
        }));
        return {};
    }

    std::int32_t pid() const override {
        return call<std::int32_t>(Deadline::never(), [](auto& keeper, auto done) { done(keeper.pid()); })
            .value_or(-1);
    }

  private:
    struct Facts {
        std::int64_t restarts = 0;
        std::int32_t instance_id = 0;
        std::string worker_id;
        std::string concern;
        std::string limits;
        std::string containment;
    };
    template <class T, class Work>
    Result<T> call(Deadline deadline, Work work) const {
        return async::call_on<T>(thread_->loop(), deadline,
                                 [keeper = keeper_, work = std::move(work)](auto done) mutable {
                                     work(*keeper, std::move(done));
                                 });
    }
    Result<control::Answer> ask(control::Request request, Deadline deadline) {
        return call<control::Answer>(deadline,
                                     [request = std::move(request)](auto& keeper, auto done) mutable {
                                         keeper.ask(std::move(request), std::move(done));
                                     });
    }

    const std::shared_ptr<SupervisorThread> thread_;  // see supervisor_thread()
    const std::shared_ptr<Keeper> keeper_;            // shared with calls under way on the loop
};

}  // namespace

Result<std::unique_ptr<Supervisor>> Supervisor::start(InstanceSpec spec, RestartPolicy policy,
                                                      HealthPolicy health, Lease* lease) {
    return ProcessSupervisor::start(std::move(spec), policy, health, lease);
}

}  // namespace weft::runtime
