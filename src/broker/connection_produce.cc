// Producers and what they send.

#include "broker/connection.h"
#include "broker/engine.h"
#include "observe/log.h"
#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
// The limit that clients are told is of a payload; metadata comes on top (as Pulsar's frame padding).
constexpr std::size_t kMetadataBytesMax = 10U << 10;
constexpr std::size_t kProducersPerConnectionMax = 100'000;

// Types that carry no schema: producers of bytes.
bool has_definition(const proto::Schema& schema) {
    return schema.type() != proto::Schema::None && schema.type() != proto::Schema::AutoConsume;
}

void log_failure(const Result<>& written) {
    if (!written)
        kLog.error("what a producer changed can't be written", {{"error", written.error().message}});
}

}  // namespace

void Connection::open_producer(const proto::CommandProducer& command) {
    const auto request = command.request_id();
    if (const auto it = producers_.find(command.producer_id()); it != producers_.end()) {
        if (it->second->topic != nullptr && it->second->epoch >= command.epoch() &&
            !it->second->epoch_to_write) {
            return send_producer_success(*it->second, request);  // asked for twice
        }
        end_producer(command.producer_id(), kNoAnswer);
    }
    if (producers_.size() >= kProducersPerConnectionMax) {
        return fail_request(request,
                            {ServerError::too_many_requests, "too many producers on one connection"});
    }
    auto producer = make_producer(command);
    if (!producer) return fail_request(request, producer.error());
    producers_[command.producer_id()] = *producer;
    if ((*producer)->epoch_to_write) return producer_ready(**producer);
    send_producer_success(**producer, request);
}

Answer<ProducerSet::Ptr> Connection::make_producer(const proto::CommandProducer& command) {
    const auto name = wire::TopicName::parse(command.topic());
    if (!name) return refuse(ServerError::invalid_topic_name, name.error().message);
    if (!may(Rule::produce, *name))
        return refuse(ServerError::authorization, "Client is not authorized to Produce");
    const auto& first = command.initial_subscription_name();
    if (!first.empty() && !may(Rule::consume, *name, first))
        return refuse(ServerError::authorization, "Client is not authorized to subscribe");
    if (auto room = engine_.check_room(); !room) return std::unexpected(room.error());
    const auto opened = engine_.open_topic(*name, Engine::Missing::create);
    if (!opened) return std::unexpected(opened.error());
    auto& topic = **opened;
    if (topic.closing() || engine_.draining()) return refuse_for_now(topic);

    auto producer = std::make_shared<Producer>();
    producer->id = command.producer_id();
    producer->request_id = command.request_id();
    producer->epoch = command.epoch();
    producer->access = static_cast<AccessMode>(command.producer_access_mode());
    producer->user_provided_name = command.user_provided_producer_name();
    producer->name = command.producer_name();
    while (producer->name.empty() ||
           (command.producer_name().empty() && topic.producers().all().contains(producer->name))) {
        producer->name = engine_.next_producer_name();
    }
    if (command.has_topic_epoch()) producer->topic_epoch = command.topic_epoch();
    producer->address = peer_;
    producer->client_version = client_version_;
    producer->connected_since = timestamp_text(wall_clock_ms());
    for (const auto& property : command.metadata()) producer->metadata[property.key()] = property.value();
    producer->sink = this;

    if (command.has_schema() && has_definition(command.schema())) {
        const auto& from = command.schema();
        Schema schema{from.type(), from.name(), from.schema_data(), {}, 0};
        for (const auto& property : from.properties()) schema.properties[property.key()] = property.value();
        const auto version = engine_.schemas().get_or_create(*name, std::move(schema));
        if (!version) return std::unexpected(version.error());
        producer->schema_version = SchemaRegistry::encode_version(*version);
    }
    if (auto admitted = admit_producer(topic, producer); !admitted) return std::unexpected(admitted.error());
    // A dead letter's producer names the subscription that shall keep what it sends.
    if (!first.empty() && topic.find_subscription(first) == nullptr) {
        engine_.create_subscription(topic, first, Cursor(topic.first()), {}, log_failure);
    }
    return producer;
}

Answer<> Connection::admit_producer(Topic& topic, const ProducerSet::Ptr& producer) {
    auto admitted = topic.producers().add(producer, topic.name().full());
    if (!admitted) {
        for (const auto& [taken, holder] : topic.producers().all()) {
            const bool in_the_way = taken == producer->name || holder->access != AccessMode::shared;
            if (in_the_way && holder->sink != nullptr && holder->sink != this) holder->sink->check_alive();
        }
        return std::unexpected(admitted.error());
    }
    producer->topic = &topic;
    for (const auto& out : admitted->put_out) {
        out->topic = nullptr;
        if (out->sink != nullptr && !(out->sink == this && out->id == producer->id))
            out->sink->fence_producer(*out);
    }
    producer->epoch_to_write = admitted->epoch_changed;
    return {};
}

void Connection::send_producer_success(const Producer& producer, std::uint64_t request) {
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::PRODUCER_SUCCESS);
    auto& success = *command.mutable_producer_success();
    success.set_request_id(request);
    success.set_producer_name(producer.name);
    success.set_last_sequence_id(-1);
    success.set_schema_version(producer.schema_version);
    if (producer.topic_epoch) success.set_topic_epoch(*producer.topic_epoch);
    success.set_producer_ready(!producer.waiting);
    write(command);
}

// The epoch is on the disk before its producer knows of it: after a crash no other one may get the same.
void Connection::producer_ready(const Producer& producer) {
    if (producer.topic == nullptr) return;
    engine_.write_topic_record(*producer.topic, later([id = producer.id, request = producer.request_id](
                                                          Connection& self, const Result<>& written) {
        const auto it = self.producers_.find(id);
        if (it == self.producers_.end() || it->second->request_id != request) return;
        if (written) {
            it->second->epoch_to_write = false;
            return self.send_producer_success(*it->second, request);
        }
        self.fail_request(request, {ServerError::persistence, written.error().message});
        self.end_producer(id, kNoAnswer);
    }));
}

void Connection::send(const proto::CommandSend& command, Bytes entry) {
    const auto it = producers_.find(command.producer_id());
    // A producer that isn't there, or was put out: its client knows already, what is under way is dropped (as
    // in Pulsar).
    if (it == producers_.end()) return;
    const auto& producer = it->second;
    if (producer->topic == nullptr || producer->failed || producer->waiting) return;
    // Its client is about to be told to come back, and sends then what has no receipt, in order.
    if (producer->topic->closing()) return;
    if (entry.size() > engine_.options().message_bytes_max + kMetadataBytesMax) {
        return send_error(producer->id, command.sequence_id(),
                          {ServerError::not_allowed,
                           str_cat("Exceed maximum message size: ", entry.size(), " bytes, at most ",
                                   engine_.options().message_bytes_max, " are taken")});
    }
    if (command.txnid_most_bits() != 0 || command.txnid_least_bits() != 0) {
        return send_error(producer->id, command.sequence_id(),
                          {ServerError::not_allowed, "Transactions are not enabled."});
    }
    if (const auto read = wire::read_entry(entry); !read) {
        return send_error(producer->id, command.sequence_id(), {ServerError::checksum, read.error().message});
    }
    const auto messages = static_cast<std::uint32_t>(std::max(command.num_messages(), 1));
    producer->topic->publish(producer, command.sequence_id(), messages, std::move(entry));
    // Too much waits for the disk, or for a client that doesn't read its receipts.
    if (engine_.publishers_must_wait(*this)) waits_for_store_ = true;
    if (channel_->over_high_mark()) waits_for_client_ = true;
    if (waits_for_store_ || waits_for_client_) channel_->pause_reading();
}

void Connection::send_receipt(const Producer& producer, std::uint64_t sequence_id, store::LedgerId ledger,
                              store::EntryId entry) {
    channel_->write(wire::encode_send_receipt(producer.id, sequence_id, {ledger, entry, -1, -1}));
}

void Connection::publish_failed(Producer& producer, std::uint64_t sequence_id, const Refusal& why) {
    if (std::exchange(producer.failed, true)) return;
    send_error(producer.id, sequence_id, why);
    // The client sends everything unconfirmed again, in order, over a new connection.
    channel_->close({ErrorCode::io, why.message});
}

void Connection::publishes_done(Producer& producer) {
    const auto it = ending_.find(producer.id);
    if (it == ending_.end()) return;
    const auto request = it->second;
    ending_.erase(it);
    end_producer(producer.id, request);
}

void Connection::end_producer(std::uint64_t id, std::uint64_t request) {
    const auto it = producers_.find(id);
    if (it != producers_.end()) {
        const auto producer = it->second;
        if (request != kNoAnswer && producer->under_way > 0 && producer->topic != nullptr) {
            ending_[id] = request;  // the receipts go first
            return;
        }
        producers_.erase(it);
        if (producer->topic != nullptr) producer->topic->remove_producer(*producer);
        producer->sink = nullptr;
    }
    if (request != kNoAnswer) succeed(request);
}

void Connection::refuse_waiting(Producer& producer, const Refusal& why) {
    producer.sink = nullptr;
    fail_request(producer.request_id, why);
    producers_.erase(producer.id);
}

void Connection::fence_producer(Producer& producer) {
    if (!producer.waiting) return close_producer(producer);
    refuse_waiting(producer,
                   {ServerError::producer_fenced, "Another producer has fenced out those that wait"});
}

void Connection::close_producer(Producer& producer) {
    if (producer.waiting)
        return refuse_waiting(producer, {ServerError::service_not_ready, "The topic is being unloaded"});
    const auto id = producer.id;
    producer.sink = nullptr;
    producers_.erase(id);
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::CLOSE_PRODUCER);
    command.mutable_close_producer()->set_producer_id(id);
    command.mutable_close_producer()->set_request_id(kNoAnswer);
    write(command);
}

void Connection::send_error(std::uint64_t producer, std::uint64_t sequence_id, const Refusal& why) {
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::SEND_ERROR);
    auto& error = *command.mutable_send_error();
    error.set_producer_id(producer);
    error.set_sequence_id(sequence_id);
    error.set_error(static_cast<proto::ServerError>(why.error));
    error.set_message(why.message);
    write(command);
}

}  // namespace weft::broker
