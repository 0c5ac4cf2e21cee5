#include "pulsar/detail/connection.h"

#include <algorithm>

#include "observe/log.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {

namespace {

namespace proto = wire::proto;
using proto::BaseCommand;

constexpr int kProtocolVersion = 21;
constexpr std::size_t kQuestionsMax = 100'000;
constexpr Duration kLookForCredentials = 10ms, kLookAgain = 1s;

const observe::Logger kLog("pulsar.connection");

}  // namespace

Connection::Connection(async::Loop& loop, Options options, std::function<void(Connection*)> gone)
    : loop_(loop),
      options_(std::move(options)),
      peer_(options_.proxy_to_broker.empty()
                ? str_cat(options_.host, ":", options_.port)
                : str_cat(options_.proxy_to_broker, " through ", options_.host, ":", options_.port)),
      gone_(std::move(gone)),
      command_(std::make_unique<BaseCommand>()) {
    async::connect_frames(loop_, options_.host, options_.port, Deadline::after(options_.connect_timeout),
                          options_.security.tls, [this, life = std::weak_ptr(life_)](auto channel) {
                              if (life.expired() || state_ == State::closed) return;
                              if (!channel) {
                                  const bool refused = channel.error().code == ErrorCode::unauthorized;
                                  end({std::move(channel.error()).context("connect to " + peer_),
                                       refused ? Retry::on_reconnect : Retry::always, true});
                                  return release();
                              }
                              channel_ = std::move(*channel);
                              channel_->start(*this);
                              start_handshake();
                          });
}

Connection::~Connection() = default;

void Connection::start_handshake() {
    state_ = State::handshake;
    timer_ = loop_.after(options_.connect_timeout, [this, life = std::weak_ptr(life_)] {
        if (life.expired() || state_ != State::handshake) return;
        close(Error{ErrorCode::deadline_exceeded,
                    str_cat("no CONNECTED from ", peer_, " within the connect timeout")});
    });
    introduce();
}

void Connection::soon(Duration delay, void (Connection::*then)()) {
    loop_.after(delay, [this, life = std::weak_ptr(life_), then] {
        if (!life.expired() && state_ != State::closed) (this->*then)();
    });
}

void Connection::introduce() {
    // An issuer is asked on another thread: this one looks again.
    if (options_.security.credentials->pending()) return soon(kLookForCredentials, &Connection::introduce);
    BaseCommand command;
    command.set_type(BaseCommand::CONNECT);
    auto& connect = *command.mutable_connect();
    connect.set_client_version(options_.client_version);
    connect.set_protocol_version(kProtocolVersion);
    // No other flag is set: no broker entry metadata in front of entries, no partial producers, no topic
    // watchers.
    auto& flags = *connect.mutable_feature_flags();
    if (const auto& credentials = options_.security.credentials; credentials->method() != "none") {
        auto data = credentials->data();
        if (!data) return cant_say_who("connect to " + peer_, std::move(data).error());
        shown_ = *data;
        connect.set_auth_method_name(credentials->method());
        connect.set_auth_data(std::move(*data));
        flags.set_supports_auth_refresh(true);
    }
    if (!options_.proxy_to_broker.empty()) connect.set_proxy_to_broker_url(options_.proxy_to_broker);
    send(command);
}

// A first attempt of whom the issuer refuses fails at once.
void Connection::cant_say_who(const std::string& what, Error why) {
    const bool refused = why.code == ErrorCode::unauthorized;
    close(Failure{std::move(why).context(what), refused ? Retry::on_reconnect : Retry::always, true});
}

void Connection::finish_handshake(const BaseCommand& command) {
    const auto& connected = command.connected();
    if (connected.has_max_message_size() && connected.max_message_size() > 0) {
        message_bytes_max_ = static_cast<std::size_t>(connected.max_message_size());
    }
    state_ = State::ready;
    loop_.cancel(timer_);
    arm_keep_alive();
    kLog.debug("connected", {{"peer", peer_}, {"server", connected.server_version()}});
    for (auto& ready : std::exchange(waiting_, {})) ready(this);
}

void Connection::when_ready(Ready ready) {
    if (state_ == State::ready) {
        ready(this);
    } else if (state_ == State::closed) {
        ready(std::unexpected(end_));
    } else {
        waiting_.push_back(std::move(ready));
    }
}

void Connection::request(std::uint64_t request_id, const BaseCommand& command, std::string what,
                         Deadline deadline, Reply reply) {
    if (state_ != State::ready) {
        return reply(
            failure(Retry::always, ErrorCode::connection_closed, what, ": not connected to ", peer_));
    }
    if (questions_.size() >= kQuestionsMax) {
        return reply(failure(Retry::always, ErrorCode::limit_reached, what, ": ", kQuestionsMax,
                             " requests wait for their answer on the connection to ", peer_));
    }
    expect(request_id, std::move(what), deadline, std::move(reply));
    send(command);
}

void Connection::expect(std::uint64_t request_id, std::string what, Deadline deadline, Reply reply) {
    const auto timer = loop_.after(deadline.left(), [this, life = std::weak_ptr(life_), request_id] {
        if (life.expired()) return;
        auto question = questions_.extract(request_id);
        if (question.empty()) return;
        question.mapped().reply(failure(Retry::always, ErrorCode::deadline_exceeded, question.mapped().what,
                                        ": ", peer_, " did not answer in time"));
    });
    questions_.emplace(request_id, Question{std::move(what), std::move(reply), timer});
}

void Connection::send(const BaseCommand& command) { send(wire::encode_command(command)); }

void Connection::send(Bytes frame) {
    if (channel_) channel_->write(frame);
}

void Connection::send(Bytes head, Bytes entry) {
    if (!channel_) return;
    const Bytes pieces[] = {std::move(head), std::move(entry)};
    channel_->write(pieces);
}

void Connection::add_user(UserKind kind, std::uint64_t id, ConnectionUser& user) {
    users(kind).insert_or_assign(id, UserSlot{&user, false});
}

void Connection::remove_user(UserKind kind, std::uint64_t id) { users(kind).erase(id); }

void Connection::on_frame(Bytes frame) {
    if (state_ == State::closed) return;
    heard_ = true;
    auto entry = wire::decode_frame(frame, *command_);
    if (!entry) {
        return close(std::move(entry.error()).context("unreadable frame from " + peer_));
    }
    if (state_ == State::handshake && command_->type() == BaseCommand::CONNECTED) {
        finish_handshake(*command_);
    } else if (state_ == State::handshake && command_->type() == BaseCommand::ERROR) {
        if (command_->error().error() == proto::AuthenticationError)
            options_.security.credentials->refused(shown_);
        close(from_server(command_->error().error(), command_->error().message(), "connect to " + peer_));
    } else {
        dispatch(*command_, *entry);
    }
}

void Connection::dispatch(const BaseCommand& command, const Bytes& entry) {
    switch (command.type()) {
        case BaseCommand::MESSAGE:
            return to_user(UserKind::consumer, command.message().consumer_id(), command, entry);
        case BaseCommand::SEND_RECEIPT:
            return to_user(UserKind::producer, command.send_receipt().producer_id(), command, entry);
        case BaseCommand::SEND_ERROR:
            return to_user(UserKind::producer, command.send_error().producer_id(), command, entry);
        case BaseCommand::CLOSE_PRODUCER:
            return to_user(UserKind::producer, command.close_producer().producer_id(), command, entry);
        case BaseCommand::CLOSE_CONSUMER:
            return to_user(UserKind::consumer, command.close_consumer().consumer_id(), command, entry);
        case BaseCommand::ACTIVE_CONSUMER_CHANGE:
            return to_user(UserKind::consumer, command.active_consumer_change().consumer_id(), command,
                           entry);
        case BaseCommand::REACHED_END_OF_TOPIC:
            return to_user(UserKind::consumer, command.reachedendoftopic().consumer_id(), command, entry);
        case BaseCommand::TOPIC_MIGRATED: {
            const auto& moved = command.topicmigrated();
            const bool consumer = moved.resource_type() == proto::CommandTopicMigrated::Consumer;
            return to_user(consumer ? UserKind::consumer : UserKind::producer, moved.resource_id(), command,
                           entry);
        }
        case BaseCommand::SUCCESS:
            return answer(command.success().request_id(), command);
        case BaseCommand::PRODUCER_SUCCESS:
            return answer(command.producer_success().request_id(), command);
        case BaseCommand::LOOKUP_RESPONSE:
            return answer(command.lookuptopicresponse().request_id(), command);
        case BaseCommand::PARTITIONED_METADATA_RESPONSE:
            return answer(command.partitionmetadataresponse().request_id(), command);
        case BaseCommand::GET_TOPICS_OF_NAMESPACE_RESPONSE:
            return answer(command.gettopicsofnamespaceresponse().request_id(), command);
        case BaseCommand::GET_LAST_MESSAGE_ID_RESPONSE:
            return answer(command.getlastmessageidresponse().request_id(), command);
        case BaseCommand::ACK_RESPONSE: {
            const auto& ack = command.ackresponse();
            if (ack.has_error()) return refuse(ack.request_id(), ack.error(), ack.message());
            return answer(ack.request_id(), command);
        }
        case BaseCommand::ERROR:
            return refuse(command.error().request_id(), command.error().error(), command.error().message());
        case BaseCommand::PING: {
            BaseCommand pong;
            pong.set_type(BaseCommand::PONG);
            pong.mutable_pong();
            return send(pong);
        }
        case BaseCommand::PONG:
            pinged_ = false;
            return;
        case BaseCommand::AUTH_CHALLENGE:
            return answer_challenge();
        default:
            kLog.debug("ignored a command", {{"type", static_cast<int>(command.type())}, {"peer", peer_}});
    }
}

// What we said who we are has expired, or soon will: the file may have something newer, or the issuer.
void Connection::answer_challenge() {
    const auto& credentials = options_.security.credentials;
    if (credentials->method() == "none") {
        return close(failure(Retry::on_reconnect, ErrorCode::unauthorized, "the broker ", peer_,
                             " asks who we are: give an authentication plugin and its parameters")
                         .error());
    }
    credentials->refused(shown_);
    if (!std::exchange(challenged_, true)) send_new_credentials();
}

void Connection::send_new_credentials() {
    const auto& credentials = options_.security.credentials;
    if (credentials->pending()) return soon(kLookForCredentials, &Connection::send_new_credentials);
    auto data = credentials->data();
    if (!data && state_ == State::ready) {  // what runs goes on, until the broker has no patience left
        kLog.debug("no new credentials yet", {{"peer", peer_}, {"why", data.error().message}});
        return soon(kLookAgain, &Connection::send_new_credentials);
    }
    if (!data) return cant_say_who("the broker " + peer_ + " asks who we are", std::move(data).error());
    challenged_ = false;
    shown_ = *data;
    BaseCommand command;
    command.set_type(BaseCommand::AUTH_RESPONSE);
    auto& response = *command.mutable_authresponse();
    response.set_client_version(options_.client_version);
    response.set_protocol_version(kProtocolVersion);
    response.mutable_response()->set_auth_method_name(credentials->method());
    response.mutable_response()->set_auth_data(std::move(*data));
    send(command);
}

void Connection::answer(std::uint64_t request_id, const BaseCommand& command) {
    // A producer that waits for its turn is told so first, and answered again when the turn has come.
    if (command.type() == BaseCommand::PRODUCER_SUCCESS && !command.producer_success().producer_ready())
        return;
    auto question = questions_.extract(request_id);
    if (question.empty()) return;  // given up
    loop_.cancel(question.mapped().timer);
    question.mapped().reply(&command);
}

void Connection::give_up(std::uint64_t request_id, Failure why) {
    auto question = questions_.extract(request_id);
    if (question.empty()) return;
    loop_.cancel(question.mapped().timer);
    question.mapped().reply(std::unexpected(std::move(why)));
}

void Connection::refuse(std::uint64_t request_id, int server_error, std::string_view message) {
    auto question = questions_.extract(request_id);
    if (question.empty()) return;
    loop_.cancel(question.mapped().timer);
    question.mapped().reply(std::unexpected(from_server(server_error, message, question.mapped().what)));
}

void Connection::to_user(UserKind kind, std::uint64_t id, const BaseCommand& command, const Bytes& entry) {
    const auto found = users(kind).find(id);
    if (found == users(kind).end()) return;  // closed by us; the broker did not know yet
    if (!found->second.touched) {
        found->second.touched = true;
        touched_.emplace_back(kind, id);
    }
    found->second.user->on_command(command, entry);
}

void Connection::on_frames_done() {
    for (const auto& [kind, id] : std::exchange(touched_, {})) {
        const auto found = users(kind).find(id);
        if (found == users(kind).end()) continue;
        found->second.touched = false;
        found->second.user->on_burst_end();
    }
}

void Connection::arm_keep_alive() {
    heard_ = false;
    timer_ = loop_.after(options_.keep_alive, [this, life = std::weak_ptr(life_)] {
        if (!life.expired()) keep_alive_tick();
    });
}

void Connection::keep_alive_tick() {
    if (state_ != State::ready) return;
    if (!heard_) {
        if (pinged_) {
            return close(Error{ErrorCode::connection_closed,
                               str_cat(peer_, " did not answer a PING within the keep-alive time")});
        }
        BaseCommand ping;
        ping.set_type(BaseCommand::PING);
        ping.mutable_ping();
        send(ping);
        pinged_ = true;
    } else {
        pinged_ = false;
    }
    arm_keep_alive();
}

void Connection::close(Failure why) {
    if (state_ == State::closed) return;
    end(why);
    if (channel_) {
        channel_->close(std::move(why.error));  // on_closed follows
    } else {
        release();
    }
}

void Connection::on_closed(const Error& why) {
    end({Error{why.code, str_cat("connection to ", peer_, ": ", why.message)}, Retry::always, true});
    release();
}

void Connection::release() {
    if (gone_) loop_.post([this, gone = std::exchange(gone_, nullptr)] { gone(this); });
}

void Connection::end(Failure why) {
    if (state_ == State::closed) return;
    state_ = State::closed;
    end_ = why;
    const Error& error = why.error;
    loop_.cancel(timer_);
    for (auto& ready : std::exchange(waiting_, {})) ready(std::unexpected(why));
    for (auto& [id, question] : std::exchange(questions_, {})) {
        loop_.cancel(question.timer);
        question.reply(
            failure(Retry::always, ErrorCode::connection_closed, question.what, ": ", error.message));
    }
    for (auto* table : {&producers_, &consumers_}) {
        while (!table->empty()) {  // a user may take others out of the table meanwhile
            auto* user = table->begin()->second.user;
            table->erase(table->begin());
            user->on_connection_lost(error);
        }
    }
}

}  // namespace weft::pulsar::detail
