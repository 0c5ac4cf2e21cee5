#include "broker/connection.h"

#include <algorithm>
#include <ctime>

#include "broker/engine.h"
#include "observe/log.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr std::int32_t kProtocolVersion = 21;
constexpr auto kProbePatience = 5s;  // as Pulsar's connectionLivenessCheckTimeoutMillis
constexpr auto kConnectWithin = 10s;
// Of a client that nobody knows yet. A CONNECT is a token and some words.
constexpr std::size_t kFirstFrameBytesMax = 64U << 10;
constexpr std::uint64_t kNoRequest = ~0ULL;  // what an error answers that belongs to no known request

}  // namespace

std::string timestamp_text(std::uint64_t wall_clock_ms) {
    const auto seconds = static_cast<std::time_t>(wall_clock_ms / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const auto millis = str_cat(1000 + wall_clock_ms % 1000);
    return str_cat(std::string_view(text, size), ".", std::string_view(millis).substr(1), "Z");
}

std::unexpected<Refusal> refuse_for_now(const Topic& topic) {
    return refuse(ServerError::service_not_ready, "Topic is temporarily unavailable: ", topic.name().full());
}

Connection::Connection(Engine& engine, std::unique_ptr<async::FrameChannel> channel)
    : engine_(engine),
      channel_(std::move(channel)),
      number_(engine.next_connection_number()),
      peer_(channel_->peer()),
      since_(timestamp_text(wall_clock_ms())),
      command_(std::make_unique<proto::BaseCommand>()) {}

Connection::~Connection() { detach(); }

void Connection::start() {
    channel_->limit_frames(kFirstFrameBytesMax);
    connect_timer_ = engine_.loop().after(std::min<Duration>(engine_.options().keep_alive, kConnectWithin),
                                          later([](Connection& self) {
                                              self.connect_timer_ = 0;
                                              self.close("the client did not connect in time");
                                          }));
    channel_->start(*this);
}

void Connection::detach() {
    closed_ = true;
    if (connect_timer_ != 0) engine_.loop().cancel(std::exchange(connect_timer_, 0));  // else it may be gone
    self_.reset();
    for (const auto& [id, producer] : std::exchange(producers_, {})) {
        if (producer->topic != nullptr) producer->topic->remove_producer(*producer);
        producer->sink = nullptr;
    }
    for (const auto& [id, consumer] : consumers_) {
        if (consumer->subscription != nullptr) consumer->subscription->remove(*consumer);
    }
    consumers_.clear();
}

void Connection::close(std::string_view why) {
    closed_ = true;
    channel_->close({ErrorCode::unavailable, std::string(why)});
}

void Connection::resume() {
    waits_for_store_ = false;
    if (!waits_for_client_) channel_->resume_reading();
}

void Connection::check_keep_alive() {
    // What isn't read, because the store has no room, can't be heard.
    if (closed_ || std::exchange(heard_, false) || waits_for_store_) {
        silent_looks_ = 0;
        return;
    }
    ++silent_looks_;
    if (silent_looks_ == kKeepAliveLooks) {
        channel_->close({ErrorCode::deadline_exceeded, "the client didn't answer a keep-alive PING"});
    } else if (silent_looks_ == kKeepAliveLooks / 2 && connected_) {
        ping();
    }
}

void Connection::ping() {
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::PING);
    command.mutable_ping();
    write(command);
}

void Connection::check_alive() {
    if (closed_ || std::exchange(probing_, true)) return;
    ping();
    engine_.loop().after(kProbePatience, later([](Connection& self) {
                             if (!std::exchange(self.probing_, false) || self.closed_) return;
                             self.channel_->close({ErrorCode::deadline_exceeded,
                                                   "the client didn't answer, and another wants its place"});
                         }));
}

void Connection::on_frame(Bytes frame) {
    if (closed_) return;
    heard_ = true;
    probing_ = false;
    auto entry = wire::decode_frame(frame, *command_);
    if (!entry) {
        if (const auto unlogged = engine_.may_log_stranger(address()))
            kLog.warn("a frame can't be read; the connection is closed",
                      {{"peer", peer_}, {"error", entry.error().message}, {"not_logged", *unlogged}});
        fail_request(kNoRequest,
                     {ServerError::unknown, str_cat("the command can't be read: ", entry.error().message)});
        closed_ = true;
        channel_->close(std::move(entry).error());
        return;
    }
    handle(*command_, std::move(*entry));
}

void Connection::on_writable() {
    if (std::exchange(waits_for_client_, false) && !waits_for_store_) channel_->resume_reading();
    for (const auto& [id, consumer] : consumers_) {
        if (consumer->subscription != nullptr) consumer->subscription->dispatch();
    }
}

void Connection::on_closed(const Error& why) {
    kLog.debug("connection closed", {{"peer", peer_}, {"why", why.message}});
    detach();
    engine_.connection_closed(*this);
}

void Connection::handle(proto::BaseCommand& command, Bytes entry) {
    using Command = proto::BaseCommand;
    if (!connected_) {
        if (command.type() == Command::CONNECT) return connect(command.connect());
        closed_ = true;
        channel_->close({ErrorCode::invalid_argument, "the first command was not CONNECT"});
        return;
    }
    switch (command.type()) {
        case Command::SEND:
            return send(command.send(), std::move(entry));
        case Command::ACK:
            return acknowledge(command.ack());
        case Command::FLOW:
            if (auto* const consumer = find_consumer(command.flow().consumer_id());
                consumer && consumer->subscription) {
                consumer->subscription->flow(*consumer, command.flow().messagepermits());
            }
            return;
        case Command::REDELIVER_UNACKNOWLEDGED_MESSAGES:
            return redeliver(command.redeliverunacknowledgedmessages());
        case Command::PING: {
            Command answer;
            answer.set_type(Command::PONG);
            answer.mutable_pong();
            return write(answer);
        }
        case Command::PONG:
            return;
        case Command::AUTH_RESPONSE:
            return take_new_credentials(command.authresponse());
        default:
            return handle_request(command);
    }
}

void Connection::handle_request(proto::BaseCommand& command) {
    using Command = proto::BaseCommand;
    switch (command.type()) {
        case Command::PARTITIONED_METADATA:
            return partitioned_metadata(command.partitionmetadata());
        case Command::LOOKUP:
            return lookup(command.lookuptopic());
        case Command::PRODUCER:
            return open_producer(command.producer());
        case Command::CLOSE_PRODUCER:
            return end_producer(command.close_producer().producer_id(),
                                command.close_producer().request_id());
        case Command::SUBSCRIBE:
            return subscribe(command.subscribe());
        case Command::UNSUBSCRIBE:
            return unsubscribe(command.unsubscribe());
        case Command::CLOSE_CONSUMER:
            return end_consumer(command.close_consumer().consumer_id(),
                                command.close_consumer().request_id());
        case Command::SEEK:
            return seek(command.seek());
        case Command::GET_LAST_MESSAGE_ID:
            return last_message_id(command.getlastmessageid().consumer_id(),
                                   command.getlastmessageid().request_id());
        case Command::CONSUMER_STATS:
            return consumer_stats(command.consumerstats().consumer_id(),
                                  command.consumerstats().request_id());
        case Command::GET_TOPICS_OF_NAMESPACE:
            return topics_of_namespace(command.gettopicsofnamespace().request_id(),
                                       command.gettopicsofnamespace().namespace_());
        case Command::GET_SCHEMA:
            return get_schema(command.getschema());
        case Command::GET_OR_CREATE_SCHEMA:
            return get_or_create_schema(command.getorcreateschema());
        default:
            return refuse_unserved(command);
    }
}

void Connection::connect(const proto::CommandConnect& command) {
    client_version_ = command.client_version();
    if (engine_.access().asks_who() && !authenticate(command)) return;
    connected_ = true;
    engine_.loop().cancel(std::exchange(connect_timer_, 0));
    engine_.client_known(number_);
    channel_->limit_frames(async::kFrameBytesMax);
    welcome(command);
}

void Connection::welcome(const proto::CommandConnect& command) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::CONNECTED);
    auto& connected = *answer.mutable_connected();
    connected.set_server_version("Weft");
    connected.set_protocol_version(std::min(command.protocol_version(), kProtocolVersion));
    connected.set_max_message_size(static_cast<std::int32_t>(engine_.options().message_bytes_max));
    auto& features = *connected.mutable_feature_flags();
    features.set_supports_topic_watchers(false);
    features.set_supports_get_partitioned_metadata_without_auto_creation(true);
    write(answer);
}

void Connection::refuse_unserved(const proto::BaseCommand& command) {
    using Command = proto::BaseCommand;
    auto request = kNoRequest;
    switch (command.type()) {
        case Command::NEW_TXN:
            request = command.newtxn().request_id();
            break;
        case Command::ADD_PARTITION_TO_TXN:
            request = command.addpartitiontotxn().request_id();
            break;
        case Command::ADD_SUBSCRIPTION_TO_TXN:
            request = command.addsubscriptiontotxn().request_id();
            break;
        case Command::END_TXN:
            request = command.endtxn().request_id();
            break;
        case Command::END_TXN_ON_PARTITION:
            request = command.endtxnonpartition().request_id();
            break;
        case Command::END_TXN_ON_SUBSCRIPTION:
            request = command.endtxnonsubscription().request_id();
            break;
        case Command::TC_CLIENT_CONNECT_REQUEST:
            request = command.tcclientconnectrequest().request_id();
            break;
        case Command::WATCH_TOPIC_LIST:
            request = command.watchtopiclist().request_id();
            break;
        case Command::WATCH_TOPIC_LIST_CLOSE:
            request = command.watchtopiclistclose().request_id();
            break;
        default:
            break;
    }
    const auto& name = Command::Type_Name(command.type());
    kLog.warn("a command is not served", {{"peer", peer_}, {"command", name}});
    const bool known = request != kNoRequest;
    fail_request(request, {known ? ServerError::not_allowed : ServerError::unknown,
                           str_cat("Weft's embedded broker doesn't serve the command ", name)});
}

void Connection::write(const proto::BaseCommand& command) { channel_->write(wire::encode_command(command)); }

void Connection::succeed(std::uint64_t request) {
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::SUCCESS);
    command.mutable_success()->set_request_id(request);
    write(command);
}

void Connection::fail_request(std::uint64_t request, const Refusal& why) {
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::ERROR);
    auto& error = *command.mutable_error();
    error.set_request_id(request);
    error.set_error(static_cast<proto::ServerError>(why.error));
    error.set_message(why.message);
    write(command);
}

}  // namespace weft::broker
