#include "pulsar/detail/client_core.h"

#include "observe/log.h"
#include "pulsar/one_broker.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {

namespace {

using wire::proto::BaseCommand;
namespace proto = wire::proto;

constexpr Duration kRefusalLasts = 50ms;
constexpr std::size_t kRefusalsMax = 1000;

}  // namespace

/// One search for the broker of a topic.
struct ClientCore::Lookup {
    std::string topic;
    Deadline deadline;
    Connection::Ready done;
    bool authoritative = false;
    int redirects = 0;
};

ClientCore::ClientCore(async::Loop& loop, ClientOptions options, security::ClientSecurity security,
                       std::vector<HostPort> hosts)
    : loop_(loop),
      options_(std::move(options)),
      security_(std::move(security)),
      hosts_(std::move(hosts)),
      seed_(static_cast<std::uint64_t>(steady_now().time_since_epoch().count())) {}

std::uint64_t ClientCore::next_seed() { return seed_ += 0x9e3779b97f4a7c15ULL; }

void ClientCore::get(const HostPort& address, std::string proxy_to, Connection::Ready done) {
    if (proxy_to == address.text()) proxy_to.clear();  // a standalone calls itself its own proxy
    const std::string key = address.text() + "/" + proxy_to;
    if (const auto refused = refusals_.find(key); refused != refusals_.end()) {
        if (steady_now() - refused->second.at < kRefusalLasts)
            return done(std::unexpected(refused->second.failure));
        refusals_.erase(refused);
    }
    auto& slot = by_address_[key];
    if (slot == nullptr || slot->ended()) {
        auto connection = std::make_unique<Connection>(
            loop_,
            Connection::Options{address.host, address.port, proxy_to, options_.client_version,
                                options_.keep_alive, kConnectTimeout, security_},
            [this](Connection* ended) { gone(ended); });
        slot = connection.get();
        connections_.emplace(slot, std::move(connection));
    }
    Connection* const connection = slot;
    connection->when_ready(
        [this, key, connection, done = std::move(done)](Outcome<Connection*> outcome) mutable {
            if (!outcome) {
                const auto found = by_address_.find(key);
                if (found != by_address_.end() && found->second == connection) by_address_.erase(found);
                if (refusals_.size() >= kRefusalsMax) refusals_.clear();
                refusals_.insert_or_assign(key, Refusal{steady_now(), outcome.error()});
            }
            done(std::move(outcome));
        });
}

void ClientCore::gone(Connection* connection) {
    std::erase_if(by_address_, [&](const auto& item) { return item.second == connection; });
    connections_.erase(connection);
    if (connections_.empty() && closed_) std::exchange(closed_, nullptr)();
}

void ClientCore::close(std::move_only_function<void()> done) {
    if (connections_.empty()) return done();
    closed_ = std::move(done);
    by_address_.clear();
    std::vector<Connection*> open;
    for (auto& [connection, owner] : connections_) open.push_back(connection);
    for (auto* connection : open) connection->close(Error{ErrorCode::cancelled, "the client was closed"});
}

void ClientCore::connect_any(Connection::Ready done) { try_host(hosts_.size(), std::move(done)); }

void ClientCore::try_host(std::size_t tries_left, Connection::Ready done) {
    get(hosts_[host_], "", [this, tries_left, done = std::move(done)](Outcome<Connection*> outcome) mutable {
        if (outcome) return done(std::move(outcome));
        host_ = (host_ + 1) % hosts_.size();
        if (tries_left <= 1) return done(std::move(outcome));
        try_host(tries_left - 1, std::move(done));
    });
}

void ClientCore::connect_owner(const std::string& topic, Deadline deadline, Connection::Ready done) {
    auto lookup = std::make_shared<Lookup>(Lookup{topic, deadline, std::move(done)});
    connect_any([this, lookup](Outcome<Connection*> outcome) {
        if (!outcome) return lookup->done(std::move(outcome));
        ask_owner(lookup, **outcome);
    });
}

void ClientCore::connect_assigned(const Assigned& to, Connection::Ready done) {
    auto address = parse_service_url(to.url);
    if (!address) return done(std::unexpected(Failure{address.error(), Retry::always}));
    const HostPort owner = address->front();
    get(to.proxied ? hosts_[host_] : owner, to.proxied ? owner.text() : "", std::move(done));
}

void ClientCore::ask_owner(std::shared_ptr<Lookup> lookup, Connection& connection) {
    BaseCommand command;
    command.set_type(BaseCommand::LOOKUP);
    auto& ask = *command.mutable_lookuptopic();
    const auto request_id = next_request_id();
    ask.set_topic(lookup->topic);
    ask.set_request_id(request_id);
    ask.set_authoritative(lookup->authoritative);
    const auto limit = lookup->deadline.at_most(options_.operation_timeout);
    connection.request(request_id, command, "lookup of topic " + lookup->topic, limit,
                       [this, lookup, asked = &connection](Outcome<const BaseCommand*> answer) {
                           if (!answer) return lookup->done(std::unexpected(std::move(answer).error()));
                           on_owner(lookup, *asked, **answer);
                       });
}

void ClientCore::on_owner(std::shared_ptr<Lookup> lookup, Connection& asked, const BaseCommand& command) {
    const auto& answer = command.lookuptopicresponse();
    if (!command.has_lookuptopicresponse() ||
        answer.response() == proto::CommandLookupTopicResponse::Failed) {
        return lookup->done(std::unexpected(
            from_server(answer.error(), answer.message(), "lookup of topic " + lookup->topic)));
    }
    if (options_.service_url.ends_with(kOneBroker)) return lookup->done(&asked);
    auto address =
        parse_service_url(security_.tls ? answer.brokerserviceurltls() : answer.brokerserviceurl());
    if (!address) {
        return lookup->done(failure(Retry::on_reconnect, address.error().code, "lookup of topic ",
                                    lookup->topic, ": ", asked.peer(),
                                    " named a broker: ", address.error().message));
    }
    const HostPort owner = address->front();
    const bool proxied = answer.proxy_through_service_url();
    if (answer.response() == proto::CommandLookupTopicResponse::Redirect) {
        if (++lookup->redirects > kRedirectsMax) {
            return lookup->done(failure(Retry::always, ErrorCode::unavailable, "lookup of topic ",
                                        lookup->topic, ": more than ", kRedirectsMax,
                                        " redirects, the last by ", asked.peer()));
        }
        lookup->authoritative = answer.authoritative();
        return get(proxied ? hosts_[host_] : owner, proxied ? owner.text() : "",
                   [this, lookup](Outcome<Connection*> next) {
                       if (!next) return lookup->done(std::move(next));
                       ask_owner(lookup, **next);
                   });
    }
    get(proxied ? hosts_[host_] : owner, proxied ? owner.text() : "", std::move(lookup->done));
}

void ClientCore::partitions_of(const std::string& topic, Deadline deadline,
                               std::move_only_function<void(Result<std::uint32_t>)> done) {
    connect_any([this, topic, deadline, done = std::move(done)](Outcome<Connection*> connection) mutable {
        if (!connection) return done(std::unexpected(std::move(connection).error().error));
        BaseCommand command;
        command.set_type(BaseCommand::PARTITIONED_METADATA);
        auto& ask = *command.mutable_partitionmetadata();
        const auto request_id = next_request_id();
        ask.set_topic(topic);
        ask.set_request_id(request_id);
        std::string what = "partitions of topic " + topic;
        (*connection)
            ->request(
                request_id, command, what, deadline.at_most(options_.operation_timeout),
                [what, done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
                    if (!answer) return done(std::unexpected(std::move(answer).error().error));
                    const auto& said = (*answer)->partitionmetadataresponse();
                    if (said.response() == proto::CommandPartitionedTopicMetadataResponse::Failed) {
                        return done(std::unexpected(from_server(said.error(), said.message(), what).error));
                    }
                    done(said.partitions());
                });
    });
}

void ClientCore::topics_of_namespace(const std::string& ns, Deadline deadline,
                                     std::move_only_function<void(Result<std::vector<std::string>>)> done) {
    connect_any([this, ns, deadline, done = std::move(done)](Outcome<Connection*> connection) mutable {
        if (!connection) return done(std::unexpected(std::move(connection).error().error));
        BaseCommand command;
        command.set_type(BaseCommand::GET_TOPICS_OF_NAMESPACE);
        auto& ask = *command.mutable_gettopicsofnamespace();
        const auto request_id = next_request_id();
        ask.set_request_id(request_id);
        ask.set_namespace_(ns);
        (*connection)
            ->request(request_id, command, "topics of namespace " + ns,
                      deadline.at_most(options_.operation_timeout),
                      [done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
                          if (!answer) return done(std::unexpected(std::move(answer).error().error));
                          const auto& topics = (*answer)->gettopicsofnamespaceresponse().topics();
                          done(std::vector<std::string>(topics.begin(), topics.end()));
                      });
    });
}

}  // namespace weft::pulsar::detail
