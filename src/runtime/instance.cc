#include "runtime/instance.h"

#include <algorithm>
#include <thread>

#include "base/short_turns.h"
#include "host/python/python_library.h"
#include "runtime/record_loop.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {
constexpr Duration kRetryMin = 100ms, kRetryMax = 10s;
constexpr Duration kConnectPatience = 30s;  // for one attempt
}  // namespace

Instance::Instance(FunctionSpec spec, std::shared_ptr<pulsar::Client> client)
    : spec_(std::move(spec)),
      log_(std::make_unique<FunctionLog>(spec_.fqfn(), spec_.info.instance_id)),
      settlement_(std::make_shared<Settlement>(stats_, spec_.guarantee == Guarantee::at_most_once
                                                           ? Settlement::Acks::none
                                                           : Settlement::Acks::when_stored)),
      client_(std::move(client)) {}

Instance::~Instance() { close(Deadline::after(0s)); }

void Instance::set_state(bool running, std::string why_not) {
    const std::lock_guard lock(mutex_);
    running_ = running;
    why_not_running_ = std::move(why_not);
}

void Instance::run(const Events& events) {
    if (const Result<> ran = load_and_run(events); !ran) events.failed(ran.error());
}

Result<> Instance::load_and_run(const Events& events) {
    if (!client_) {
        pulsar::ClientOptions options;
        options.service_url = spec_.info.service_url;
        options.security = spec_.info.client_security;
        if (spec_.asks != Asks::nothing) {
            options.before_return = [this](std::function<void()> admit) {
                ask(Subscribing::again, std::move(admit));
            };
        }
        WEFT_TRY(client_, pulsar::Client::create(std::move(options)));
    }
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return {};  // asked before there was a loop to be stopped
        asks_ = events.asks;
        loop_ = std::make_unique<RecordLoop>(
            RecordLoop::Parts{.spec = spec_, .client = *client_, .stats = stats_, .log = *log_}, settlement_);
    }

    // Connecting and loading the user's program take their time side by side.
    Result<> connected;
    std::jthread connecting([&] { connected = connect(); });
    give_usual_turns_to_what_starts();  // from here on that is user code's
    settlement_->progress().enter();
    auto opened = load_host(events);
    settlement_->progress().leave();
    if (!opened) {
        events.failed(opened.error());  // at once: connecting may take a while yet
        stop(Deadline::after(0s));
        connecting.join();
        return {};
    }
    {
        const std::lock_guard lock(mutex_);
        loaded_ = true;
        changed_.notify_all();
    }
    connecting.join();
    host_ = std::move(*opened);
    if (!connected) {
        if (connected.error().code == ErrorCode::cancelled) return {};  // stopped before it began
        return connected;
    }
    loop_->set_inputs(std::exchange(inputs_, {}));
    set_state(true, "");
    events.running();
    const Result<> ran = loop_->run(*host_);
    set_state(false, ran ? "stopped" : ran.error().message);
    if (ran) close(Deadline::after(5s));
    return ran;
}

Result<std::unique_ptr<host::Host>> Instance::load_host(const Events& events) {
    std::unique_ptr<host::Host> host;
    if (spec_.language == Language::python) {
        WEFT_TRY(host, host::make_python_host(spec_.info.python));
    } else {
        host = host::make_native_host();
    }
    if (events.before_code) WEFT_TRY_VOID(events.before_code());
    if (auto opened = host->open(spec_.info, *loop_); !opened) {
        return std::unexpected(std::move(opened).error());
    }
    return host;
}

Result<> Instance::connect() {
    for (Duration pause = kRetryMin;; pause = std::min(pause * 2, kRetryMax)) {
        const Result<> connected = connect_once(Deadline::after(kConnectPatience));
        if (connected) return {};
        {
            std::unique_lock lock(mutex_);
            if (stopping_) return fail(ErrorCode::cancelled, "stopped");
            if (!is_retriable(connected.error().code)) return connected;
            why_not_running_ = str_cat("not ready, because ", connected.error().message);
        }
        wait_before_retry(pause);
    }
}

void Instance::wait_before_retry(Duration pause) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, pause, [this] { return stopping_; });
}

Result<> Instance::connect_once(Deadline deadline) {
    inputs_.clear();
    if (!spec_.log_topic.empty()) {
        pulsar::ProducerOptions producer;
        producer.topic = spec_.log_topic;
        producer.compression = wire::Compression::lz4;
        producer.properties = spec_.client_properties;
        producer.properties["function"] = spec_.fqfn();
        WEFT_TRY(auto made, client_->create_producer(std::move(producer), deadline));
        log_->set_producer(std::move(made));
    }
    if (!spec_.info.output_topic.empty()) {
        WEFT_TRY(auto output, OutputTopic::open(*client_,
                                                {.topic = spec_.info.output_topic,
                                                 .compression = spec_.output_compression,
                                                 .properties = spec_.client_properties,
                                                 .pending_messages_max = spec_.pending_messages_max,
                                                 .schema = spec_.output_schema,
                                                 .resend = spec_.resend()},
                                                settlement_, deadline));
        loop_->set_output(std::move(output));
    }
    if (spec_.asks == Asks::always) {
        WEFT_TRY_VOID(wait_until_admitted());
        deadline = Deadline::after(kConnectPatience);
    }
    for (std::uint32_t i = 0; i < spec_.consumers.size(); ++i) WEFT_TRY_VOID(subscribe(i, deadline));
    return {};
}

/// Everything is ready but for the subscribing: who had this instance before may let go of it now.
Result<> Instance::wait_until_admitted() {
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return loaded_ || stopping_; });
    }
    bool admitted = false;  // guarded by mutex_; outlives the asking
    ask(Subscribing::first, [&admitted] { admitted = true; });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return admitted || stopping_; });
    waiting_.clear();  // nothing else waits before it has subscribed
    return stopping_ ? Result<>(fail(ErrorCode::cancelled, "stopped")) : Result<>{};
}

void Instance::ask(Subscribing what, std::function<void()> admitted) {
    std::function<void(Subscribing, std::uint64_t)> asks;
    std::uint64_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        if (closing_) return;
        number = ++asked_;
        waiting_.emplace(number, std::move(admitted));
        asks = asks_;
    }
    asks(what, number);
}

void Instance::admit(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto end = waiting_.upper_bound(number);
    for (auto it = waiting_.begin(); it != end; ++it) it->second();
    waiting_.erase(waiting_.begin(), end);
    changed_.notify_all();
}

Result<> Instance::subscribe(std::uint32_t input, Deadline deadline) {
    const pulsar::ConsumerOptions& configured = spec_.consumers[input];
    WEFT_TRY(const std::uint32_t partitions, client_->partitions_of(configured.topic, deadline));
    for (std::uint32_t p = 0; p < std::max(partitions, 1U); ++p) {
        pulsar::ConsumerOptions options = configured;
        if (partitions > 0) options.topic = str_cat(configured.topic, "-partition-", p);
        const std::string topic = options.topic;
        WEFT_TRY(auto consumer, client_->subscribe(std::move(options), deadline));
        if (spec_.skip_to_latest) {
            WEFT_TRY_VOID(consumer->seek(wire::MessageId::latest(), deadline));
        }
        inputs_.push_back({std::move(consumer), input, topic});
    }
    return {};
}

void Instance::stop(Deadline drain) {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
        if (loop_) loop_->stop(drain);
    }
    settlement_->abandon();
}

void Instance::close(Deadline deadline) {
    if (host_) host_->close();
    host_.reset();
    log_->close(deadline);
    settlement_->close();
    std::unique_ptr<RecordLoop> loop;  // ends outside the lock: it waits for the client's thread
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        waiting_.clear();
        loop = std::move(loop_);
    }
    loop.reset();
    inputs_.clear();
    log_->set_producer(nullptr);
    client_.reset();
}

void Instance::status(::proto::FunctionStatus& status) const {
    stats_.fill(status);
    status.set_instanceid(str_cat(spec_.info.instance_id));
    status.set_workerid(spec_.worker_id);
    const std::lock_guard lock(mutex_);
    status.set_running(running_);
    if (!running_) status.set_failureexception(why_not_running_);
}

Instance::Health Instance::health() const {
    const Progress::Seen seen = settlement_->progress().seen();
    Health health{seen.steps, seen.in_user_code, "the making of the function"};
    if (seen.input < spec_.info.inputs.size())
        health.about =
            str_cat("message ", wire::to_string(seen.id), " of ", spec_.info.inputs[seen.input].topic);
    return health;
}

void Instance::metrics(::proto::MetricsData& metrics) const { stats_.fill(metrics); }

}  // namespace weft::runtime
