#include "pulsar/client.h"

#include "async/loop.h"
#include "http/client.h"
#include "pulsar/detail/facades.h"
#include "pulsar/service_url.h"
#include "wire/topic_name.h"

namespace weft::pulsar {

namespace {

constexpr Duration kCloseTimeout = 1s;

Result<> check(const ClientOptions& options) {
    if (options.operation_timeout <= Duration::zero() || options.keep_alive <= Duration::zero() ||
        options.backoff_min <= Duration::zero() || options.backoff_max < options.backoff_min) {
        return fail(ErrorCode::invalid_argument,
                    "client options: operation_timeout, keep_alive and backoff_min must be over 0, and "
                    "backoff_max not under "
                    "backoff_min");
    }
    return {};
}

Result<> check(const ProducerOptions& options) {
    if (options.batch_messages_max == 0 || options.batch_bytes_max == 0 ||
        options.pending_messages_max == 0 || options.pending_bytes_max == 0) {
        return fail(ErrorCode::invalid_argument, "producer options of topic ", options.topic,
                    ": batch_messages_max, batch_bytes_max, pending_messages_max and pending_bytes_max must "
                    "be over 0");
    }
    return {};
}

Result<> check(const ConsumerOptions& options) {
    if (options.subscription.empty()) {
        return fail(ErrorCode::invalid_argument, "consumer options of topic ", options.topic,
                    ": subscription is empty");
    }
    if (options.receiver_queue_messages == 0 || options.receiver_queue_messages > 1'000'000) {
        return fail(ErrorCode::invalid_argument, "consumer options of topic ", options.topic,
                    ": receiver_queue_messages is ", options.receiver_queue_messages,
                    "; it must be 1 to 1000000");
    }
    if (options.receiver_queue_bytes == 0) {
        return fail(ErrorCode::invalid_argument, "consumer options of topic ", options.topic,
                    ": receiver_queue_bytes must be over 0");
    }
    if (options.negative_ack_delay < Duration::zero() || options.ack_timeout < Duration::zero()) {
        return fail(ErrorCode::invalid_argument, "consumer options of topic ", options.topic,
                    ": negative_ack_delay and ack_timeout must not be negative");
    }
    return {};
}

class ClientImpl final : public Client {
  public:
    ClientImpl(ClientOptions options, security::ClientSecurity security, std::vector<HostPort> hosts)
        : thread_("weft-pulsar"),
          core_(thread_.loop(), std::move(options), std::move(security), std::move(hosts)) {}

    ~ClientImpl() override {
        (void)async::call_on<void>(thread_.loop(), Deadline::after(kCloseTimeout), [this](auto done) {
            core_.close([done = std::move(done)]() mutable { done({}); });
        });
        thread_.stop();
    }

    Result<std::unique_ptr<Producer>> create_producer(ProducerOptions options, Deadline deadline) override {
        WEFT_TRY_VOID(check(options));
        WEFT_TRY(const auto topic, wire::TopicName::parse(options.topic));
        options.topic = topic.full();
        WEFT_TRY(auto core, start<detail::ProducerCore>(std::move(options), deadline));
        return std::make_unique<detail::ProducerFacade>(thread_.loop(), std::move(core));
    }

    Result<std::unique_ptr<Consumer>> subscribe(ConsumerOptions options, Deadline deadline) override {
        WEFT_TRY_VOID(check(options));
        WEFT_TRY(const auto topic, wire::TopicName::parse(options.topic));
        options.topic = topic.full();
        WEFT_TRY(auto core, start<detail::ConsumerCore>(std::move(options), deadline));
        return std::make_unique<detail::ConsumerFacade>(thread_.loop(), std::move(core));
    }

    Result<std::uint32_t> partitions_of(const std::string& topic, Deadline deadline) override {
        WEFT_TRY(const auto name, wire::TopicName::parse(topic));
        return async::call_on<std::uint32_t>(thread_.loop(), deadline, [this, name, deadline](auto done) {
            core_.partitions_of(name.full(), deadline, std::move(done));
        });
    }

    Result<std::vector<std::string>> topics_of_namespace(const std::string& ns, Deadline deadline) override {
        return async::call_on<std::vector<std::string>>(
            thread_.loop(), deadline,
            [this, ns, deadline](auto done) { core_.topics_of_namespace(ns, deadline, std::move(done)); });
    }

  private:
    /// Makes a core on the loop and waits until it is attached to its broker.
    template <class Core, class Options>
    Result<std::shared_ptr<Core>> start(Options options, Deadline deadline) {
        if (thread_.loop().on_loop()) {
            return fail(ErrorCode::invalid_argument, "topic ", options.topic,
                        ": the client's own loop must not wait");
        }
        const Deadline limit = deadline.at_most(core_.options().operation_timeout);
        // Shared by the facade and by actions and callbacks on their way to the loop.
        std::shared_ptr<Core> core;
        detail::run_on_loop(thread_.loop(),
                            [&] { core = std::make_shared<Core>(core_, std::move(options)); });
        auto started =
            async::call_on<void>(thread_.loop(), Deadline::at(limit.time() + 1s),
                                 [core, limit](auto done) { core->start(core, limit, std::move(done)); });
        if (started) return core;
        detail::run_on_loop(thread_.loop(), [&] { core->shutdown(); });
        thread_.loop().post([core = std::move(core)] {});
        return std::unexpected(std::move(started).error());
    }

    async::LoopThread thread_;
    detail::ClientCore core_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
    WEFT_TRY_VOID(check(options));
    WEFT_TRY(auto hosts, parse_service_url(options.service_url));
    WEFT_TRY(auto security, http::client_security(options.security, options.service_url));
    return std::make_unique<ClientImpl>(std::move(options), std::move(security), std::move(hosts));
}

}  // namespace weft::pulsar
