#include "pulsar/tests/scripted_broker.h"

#include <latch>

#include "base/check.h"

namespace weft::pulsar::testing {

namespace proto = wire::proto;

BaseCommand error_answer(std::uint64_t request, proto::ServerError error, const std::string& message) {
    BaseCommand command;
    command.set_type(BaseCommand::ERROR);
    command.mutable_error()->set_request_id(request);
    command.mutable_error()->set_error(error);
    command.mutable_error()->set_message(message);
    return command;
}

BaseCommand success(std::uint64_t request) {
    BaseCommand command;
    command.set_type(BaseCommand::SUCCESS);
    command.mutable_success()->set_request_id(request);
    return command;
}

BaseCommand lookup_answer(std::uint64_t request, const std::string& url,
                          proto::CommandLookupTopicResponse::LookupType type) {
    BaseCommand command;
    command.set_type(BaseCommand::LOOKUP_RESPONSE);
    auto& answer = *command.mutable_lookuptopicresponse();
    answer.set_request_id(request);
    answer.set_brokerserviceurl(url);
    answer.set_response(type);
    answer.set_authoritative(true);
    return command;
}

ScriptedBroker::Session::Session(ScriptedBroker& broker, std::unique_ptr<async::FrameChannel> channel)
    : broker_(broker), channel_(std::move(channel)) {
    channel_->start(*this);
}

void ScriptedBroker::Session::send(const BaseCommand& command) {
    if (open_) channel_->write(wire::encode_command(command));
}

void ScriptedBroker::Session::send_raw(std::string frame) {
    if (open_) channel_->write(Bytes::from(std::move(frame)));
}

void ScriptedBroker::Session::send_message(std::uint64_t consumer, std::uint64_t ledger, std::uint64_t entry,
                                           const Bytes& data) {
    const Bytes pieces[] = {wire::encode_message_head(consumer, {ledger, entry}, 0, {}, data.size()), data};
    if (open_) channel_->write(pieces);
}

void ScriptedBroker::Session::send_receipt(const proto::CommandSend& send, std::uint64_t entry) {
    if (open_) channel_->write(wire::encode_send_receipt(send.producer_id(), send.sequence_id(), {1, entry}));
}

void ScriptedBroker::Session::close() {
    if (open_) channel_->close({ErrorCode::cancelled, "the script says so"});
}

void ScriptedBroker::Session::on_frame(Bytes frame) {
    BaseCommand command;
    const auto entry = wire::decode_frame(frame, command);
    WEFT_CHECK(entry.has_value(), "the client sent an unreadable frame");
    broker_.on_command(*this, command, *entry);
}

void ScriptedBroker::Session::on_closed(const Error&) { open_ = false; }

ScriptedBroker::ScriptedBroker(Script script) : script_(std::move(script)) {
    auto acceptor = async::FrameAcceptor::listen(thread_.loop(), "127.0.0.1", 0, [this](auto channel) {
        sessions_.push_back(std::make_unique<Session>(*this, std::move(channel)));
    });
    WEFT_CHECK(acceptor.has_value(), "no port to listen on");
    acceptor_ = std::move(*acceptor);
    port_ = acceptor_->port();
}

ScriptedBroker::~ScriptedBroker() {
    thread_.stop();
    acceptor_.reset();
    sessions_.clear();
}

void ScriptedBroker::on_command(Session& session, const BaseCommand& command, const Bytes& entry) {
    if (!script_ || !script_(session, command, entry)) answer(session, command);
    const std::lock_guard lock(mutex_);  // last: who waits for the command finds it dealt with
    seen_[command.type()].push_back({command, entry});
    changed_.notify_all();
}

void ScriptedBroker::answer(Session& session, const BaseCommand& command) {
    BaseCommand reply;
    switch (command.type()) {
        case BaseCommand::CONNECT:
            reply.set_type(BaseCommand::CONNECTED);
            reply.mutable_connected()->set_server_version("scripted");
            reply.mutable_connected()->set_protocol_version(21);
            return session.send(reply);
        case BaseCommand::LOOKUP:
            return session.send(lookup_answer(command.lookuptopic().request_id(), url(),
                                              proto::CommandLookupTopicResponse::Connect));
        case BaseCommand::PRODUCER:
            reply.set_type(BaseCommand::PRODUCER_SUCCESS);
            reply.mutable_producer_success()->set_request_id(command.producer().request_id());
            reply.mutable_producer_success()->set_producer_name("p");
            return session.send(reply);
        case BaseCommand::SUBSCRIBE:
            return session.send(success(command.subscribe().request_id()));
        case BaseCommand::CLOSE_PRODUCER:
            return session.send(success(command.close_producer().request_id()));
        case BaseCommand::CLOSE_CONSUMER:
            return session.send(success(command.close_consumer().request_id()));
        case BaseCommand::UNSUBSCRIBE:
            return session.send(success(command.unsubscribe().request_id()));
        case BaseCommand::PING:
            reply.set_type(BaseCommand::PONG);
            reply.mutable_pong();
            return session.send(reply);
        default:
            return;
    }
}

std::vector<ScriptedBroker::Seen> ScriptedBroker::wait_for(BaseCommand::Type type, std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return seen_[type].size() >= count; });
    return seen_[type];
}

std::size_t ScriptedBroker::count(BaseCommand::Type type) {
    const std::lock_guard lock(mutex_);
    return seen_[type].size();
}

void ScriptedBroker::run(std::function<void(Session*)> action) {
    std::latch ran(1);
    thread_.loop().post([&] {
        action(sessions_.empty() ? nullptr : sessions_.back().get());
        ran.count_down();
    });
    ran.wait();
}

}  // namespace weft::pulsar::testing
