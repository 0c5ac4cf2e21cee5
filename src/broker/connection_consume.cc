// Consumers, acks and what goes out to them.

#include <algorithm>

#include "broker/connection.h"
#include "broker/engine.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

constexpr std::size_t kConsumersPerConnectionMax = 100'000;
constexpr std::size_t kNameBytesMax = 1024;
constexpr std::size_t kPropertiesBytesMax = 64U << 10;
constexpr std::uint64_t kNothing = ~0ULL;  // -1: an id that names no entry

Refusal no_consumer() { return {ServerError::consumer_not_found, "Consumer not found"}; }

bool acks_one_by_one(SubscriptionType type) {
    return type == SubscriptionType::shared || type == SubscriptionType::key_shared;
}

std::span<const std::int64_t> bits_of(const proto::MessageIdData& id) {
    return {id.ack_set().data(), static_cast<std::size_t>(id.ack_set_size())};
}

Reading reading_of(const proto::CommandSubscribe& command) {
    return command.read_compacted() ? Reading::compacted : Reading::plain;
}

Reading reading_of(const Consumer& consumer) {
    return consumer.read_compacted ? Reading::compacted : Reading::plain;
}

// Where a reader starts that names a message: at its entry. The client drops what it has had, and knows,
// which we do not, whether that includes the message it names.
EntryId start_of(const Topic& topic, const proto::CommandSubscribe& command) {
    const auto reading = reading_of(command);
    const auto fallback = [&] {
        return command.initialposition() == proto::CommandSubscribe::Earliest ? topic.oldest(reading)
                                                                              : topic.end();
    };
    if (!command.has_start_message_id()) return fallback();
    const auto& id = command.start_message_id();
    const auto ledger = static_cast<std::int64_t>(id.ledgerid());
    if (ledger < 0) return topic.oldest(reading);
    if (id.ledgerid() > topic.ledger()) return fallback();
    if (id.ledgerid() < topic.ledger() || static_cast<std::int64_t>(id.entryid()) < 0)
        return topic.oldest(reading);
    if (id.entryid() >= topic.end()) return fallback();
    return topic.resolve(id.ledgerid(), id.entryid(), reading);
}

}  // namespace

void Connection::subscribe(const proto::CommandSubscribe& command) {
    const auto request = command.request_id();
    if (const auto* known = find_consumer(command.consumer_id())) {
        if (known->subscription != nullptr) return succeed(request);  // asked for twice
        consumers_.erase(command.consumer_id());
    }
    auto consumer = make_consumer(command);
    if (!consumer) return fail_request(request, consumer.error());
    const auto name = wire::TopicName::parse(command.topic());
    if (!name) return fail_request(request, {ServerError::invalid_topic_name, name.error().message});
    if (!may(Rule::consume, *name, command.subscription()))
        return fail_request(request, {ServerError::authorization, "Client is not authorized to subscribe"});
    const auto missing = command.force_topic_creation() ? Engine::Missing::create : Engine::Missing::refuse;
    const auto topic = engine_.open_topic(*name, missing);
    if (!topic) return fail_request(request, topic.error());
    if ((*topic)->closing() || engine_.draining())
        return fail_request(request, refuse_for_now(**topic).error());
    const auto subscribed = subscribe_to(**topic, command, std::move(*consumer));
    if (!subscribed) fail_request(request, subscribed.error());
}

Answer<std::unique_ptr<Consumer>> Connection::make_consumer(const proto::CommandSubscribe& command) {
    if (consumers_.size() >= kConsumersPerConnectionMax) {
        return refuse(ServerError::too_many_requests, "too many consumers on one connection");
    }
    if (command.subscription().empty()) return refuse(ServerError::unknown, "Empty subscription name");
    if (command.subscription().size() > kNameBytesMax) {
        return refuse(ServerError::not_allowed, "the subscription's name has ", command.subscription().size(),
                      " bytes, at most ", kNameBytesMax, " are taken");
    }
    std::size_t properties = 0;
    for (const auto& property : command.subscription_properties()) {
        properties += property.key().size() + property.value().size();
    }
    if (properties > kPropertiesBytesMax) {
        return refuse(ServerError::not_allowed, "the subscription's properties have ", properties,
                      " bytes, at most ", kPropertiesBytesMax, " are taken");
    }
    const auto type = static_cast<SubscriptionType>(command.subtype());
    if (command.read_compacted() && type != SubscriptionType::exclusive &&
        type != SubscriptionType::failover) {
        return refuse(ServerError::not_allowed,
                      "readCompacted only allowed on failover or exclusive subscriptions");
    }
    if (command.has_keysharedmeta() && command.keysharedmeta().keysharedmode() == proto::STICKY) {
        return refuse(ServerError::not_allowed,
                      "Key_Shared with hash ranges of the consumer's own (STICKY) is not "
                      "served by Weft's embedded broker: use AUTO_SPLIT");
    }
    auto consumer = std::make_unique<Consumer>();
    consumer->id = command.consumer_id();
    consumer->name = command.consumer_name();
    consumer->type = type;
    consumer->priority = command.priority_level();
    consumer->address = peer_;
    consumer->client_version = client_version_;
    consumer->connected_since = timestamp_text(wall_clock_ms());
    consumer->read_compacted = command.read_compacted();
    for (const auto& property : command.metadata()) consumer->metadata[property.key()] = property.value();
    if (command.has_consumer_epoch()) consumer->epoch = command.consumer_epoch();
    consumer->sink = this;
    return consumer;
}

// A consumer gives an unused topic its schema; else it has to be able to read what is there (as in Pulsar).
Answer<> Connection::check_consumer_schema(const Topic& topic, Schema schema) {
    auto& schemas = engine_.schemas();
    const bool consumed = std::ranges::any_of(
        topic.subscriptions(), [](const auto& each) { return !each.second->consumers().empty(); });
    const bool used = consumed || topic.end() != 0 || !topic.producers().all().empty();
    if (used || schemas.latest(topic.name())) return schemas.check_consumer(topic.name(), schema);
    const auto version = schemas.get_or_create(topic.name(), std::move(schema));
    if (!version) return std::unexpected(version.error());
    return {};
}

Answer<> Connection::subscribe_to(Topic& topic, const proto::CommandSubscribe& command,
                                  std::unique_ptr<Consumer> consumer) {
    if (command.has_schema() && command.schema().type() != proto::Schema::None &&
        command.schema().type() != proto::Schema::AutoConsume) {
        const auto& from = command.schema();
        Schema schema{from.type(), from.name(), from.schema_data(), {}, 0};
        for (const auto& property : from.properties()) schema.properties[property.key()] = property.value();
        if (auto fits = check_consumer_schema(topic, std::move(schema)); !fits) return fits;
    }
    const auto& name = command.subscription();
    const auto request = command.request_id();
    auto* subscription = topic.find_subscription(name);
    if (subscription != nullptr && subscription->durable() != command.durable()) {
        return refuse(ServerError::not_allowed,
                      subscription->durable() ? "Durable subscription with the same name already exists."
                                              : "NonDurable subscription with the same name already exists.");
    }
    const bool is_new = subscription == nullptr;
    const auto id = consumer->id;
    const auto answer = later([id, request](Connection& self, Result<> written) {
        if (written) return self.confirm(id, request);
        self.fail_request(request, {ServerError::persistence, written.error().message});
    });
    bool wait = false;
    if (is_new && command.durable()) {
        const auto start = command.initialposition() == proto::CommandSubscribe::Earliest
                               ? topic.oldest(reading_of(command))
                               : topic.end();
        Subscription::Properties properties;
        for (const auto& property : command.subscription_properties())
            properties[property.key()] = property.value();
        subscription =
            &engine_.create_subscription(topic, name, Cursor(start), std::move(properties), answer);
        wait = true;
    } else if (is_new) {
        subscription =
            &topic.add_subscription(name, Subscription::Kind::non_durable, Cursor(start_of(topic, command)));
    }
    if (auto added = subscription->add(*consumer); !added) return added;
    consumers_[id] = std::move(consumer);
    if (is_new && command.start_message_rollback_duration_sec() > 0) {
        const auto from = wall_clock_ms() - command.start_message_rollback_duration_sec() * 1000;
        topic.find_by_time(from, later([id, request, wait](Connection& self, EntryId entry) {
                               if (auto* const found = self.find_consumer(id); found && found->subscription)
                                   found->subscription->start_at(entry);
                               if (!wait) self.confirm(id, request);
                           }));
    } else if (!wait) {
        confirm(id, request);
    }
    return {};
}

void Connection::confirm(std::uint64_t id, std::uint64_t request) {
    succeed(request);
    auto* const consumer = find_consumer(id);
    if (consumer == nullptr) return;
    consumer->confirmed = true;
    if (consumer->active_to_tell) send_active_change(*consumer, *consumer->active_to_tell);
}

Consumer* Connection::find_consumer(std::uint64_t id) {
    const auto it = consumers_.find(id);
    return it == consumers_.end() ? nullptr : it->second.get();
}

Consumer* Connection::subscribed_consumer(std::uint64_t id, std::uint64_t request) {
    auto* const consumer = find_consumer(id);
    if (consumer != nullptr && consumer->subscription != nullptr) return consumer;
    fail_request(request, no_consumer());
    return nullptr;
}

void Connection::send_entry(const Consumer& consumer, const Delivery& delivery) {
    const auto ledger = consumer.subscription->topic().ledger();
    const auto partition = consumer.subscription->topic().name().partition();
    const wire::MessageId id{ledger, delivery.entry, partition ? static_cast<std::int32_t>(*partition) : -1,
                             -1};
    Bytes pieces[2];
    if (consumer.epoch && !acks_one_by_one(consumer.type)) {
        proto::BaseCommand command;
        command.set_type(proto::BaseCommand::MESSAGE);
        auto& message = *command.mutable_message();
        message.set_consumer_id(consumer.id);
        auto& where = *message.mutable_message_id();
        where.set_ledgerid(id.ledger);
        where.set_entryid(id.entry);
        where.set_partition(id.partition);
        if (delivery.redelivery_count > 0) message.set_redelivery_count(delivery.redelivery_count);
        for (const auto word : delivery.ack_set) message.add_ack_set(word);
        message.set_consumer_epoch(*consumer.epoch);
        pieces[0] = wire::encode_command_head(command, delivery.data.size());
    } else {
        pieces[0] = wire::encode_message_head(consumer.id, id, delivery.redelivery_count, delivery.ack_set,
                                              delivery.data.size());
    }
    pieces[1] = delivery.data;
    channel_->write(pieces);
}

void Connection::send_active_change(Consumer& consumer, bool active) {
    if (!consumer.confirmed) {
        consumer.active_to_tell = active;
        return;
    }
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::ACTIVE_CONSUMER_CHANGE);
    command.mutable_active_consumer_change()->set_consumer_id(consumer.id);
    command.mutable_active_consumer_change()->set_is_active(active);
    write(command);
}

void Connection::close_consumer(Consumer& consumer) {
    const auto id = consumer.id;
    consumers_.erase(id);
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::CLOSE_CONSUMER);
    command.mutable_close_consumer()->set_consumer_id(id);
    command.mutable_close_consumer()->set_request_id(kNoAnswer);
    write(command);
}

void Connection::acknowledge(const proto::CommandAck& command) {
    auto* const consumer = find_consumer(command.consumer_id());
    auto* const subscription = consumer == nullptr ? nullptr : consumer->subscription;
    const auto refusal = subscription == nullptr ? no_consumer() : take_acks(*consumer, command);
    if (!command.has_request_id()) return;
    const auto answer = [id = command.consumer_id(), request = command.request_id()](Connection& self,
                                                                                     const Refusal& refused) {
        proto::BaseCommand said;
        said.set_type(proto::BaseCommand::ACK_RESPONSE);
        auto& response = *said.mutable_ackresponse();
        response.set_consumer_id(id);
        response.set_request_id(request);
        if (!refused.message.empty()) {
            response.set_error(static_cast<proto::ServerError>(refused.error));
            response.set_message(refused.message);
        }
        self.write(said);
    };
    if (!refusal.message.empty()) return answer(*this, refusal);
    // What the answer says is true after a crash too.
    subscription->confirm_acks(later([answer](Connection& self, Result<> written) {
        answer(self,
               written ? Refusal{} : Refusal{ServerError::persistence, std::move(written).error().message});
    }));
}

/// Why not; an empty message: all is well.
Refusal Connection::take_acks(Consumer& consumer, const proto::CommandAck& command) {
    if (command.txnid_most_bits() != 0 || command.txnid_least_bits() != 0)
        return {ServerError::not_allowed, "Transactions are not enabled."};
    auto& subscription = *consumer.subscription;
    const auto& topic = subscription.topic();
    const bool held = subscription.holds_deliveries(consumer);
    acks_.clear();
    for (const auto& id : command.message_id()) {
        if (id.ledgerid() == topic.ledger() && id.entryid() < topic.end())
            acks_.push_back({id.entryid(), bits_of(id)});
    }
    if (command.ack_type() == proto::CommandAck::Individual) {
        subscription.acknowledge(consumer, acks_);
    } else if (acks_one_by_one(consumer.type)) {
        return {ServerError::not_allowed, str_cat("Cumulative acknowledgement is not allowed on a ",
                                                  name_of(consumer.type), " subscription")};
    } else if (!acks_.empty()) {
        subscription.acknowledge_cumulative(consumer, acks_.front());
    }
    if (!held) return {ServerError::consumer_busy, "Another consumer of the subscription is active by now"};
    return {};
}

void Connection::redeliver(const proto::CommandRedeliverUnacknowledgedMessages& command) {
    auto* const consumer = find_consumer(command.consumer_id());
    if (consumer == nullptr || consumer->subscription == nullptr) return;
    auto& subscription = *consumer->subscription;
    if (command.message_ids_size() == 0) {
        return subscription.redeliver_all(
            *consumer, command.has_consumer_epoch() ? std::optional(command.consumer_epoch()) : std::nullopt);
    }
    entries_.clear();
    for (const auto& id : command.message_ids()) {
        if (id.ledgerid() == subscription.topic().ledger()) entries_.push_back(id.entryid());
    }
    subscription.redeliver(*consumer, entries_);
}

void Connection::unsubscribe(const proto::CommandUnsubscribe& command) {
    auto* const consumer = subscribed_consumer(command.consumer_id(), command.request_id());
    if (consumer == nullptr) return;
    auto& subscription = *consumer->subscription;
    if (!command.force() && !subscription.may_unsubscribe(*consumer)) {
        return fail_request(
            command.request_id(),
            {ServerError::metadata, "Unconnected or shared consumer attempting to unsubscribe"});
    }
    auto& topic = subscription.topic();
    const auto name = subscription.name();
    const auto request = command.request_id();
    const auto done = later([request](Connection& self, Result<> written) {
        if (written) return self.succeed(request);
        self.fail_request(request, {ServerError::persistence, written.error().message});
    });
    if (!command.force()) {  // this consumer needs no word of it, its client asked for it
        const bool durable = subscription.durable();
        subscription.remove(*consumer);
        consumers_.erase(command.consumer_id());
        if (!durable) return succeed(request);
    }
    engine_.delete_subscription(topic, name, done);
}

void Connection::seek(const proto::CommandSeek& command) {
    auto* const consumer = subscribed_consumer(command.consumer_id(), command.request_id());
    if (consumer == nullptr) return;
    auto& topic = consumer->subscription->topic();
    const auto request = command.request_id();
    if (command.has_message_id()) {
        const auto& id = command.message_id();
        const auto entry = topic.resolve(id.ledgerid(), id.entryid(), reading_of(*consumer));
        const bool exact = id.ledgerid() == topic.ledger() && id.entryid() == entry && entry < topic.end();
        consumer->subscription->seek({entry, exact ? bits_of(id) : std::span<const std::int64_t>{}});
        return succeed(request);
    }
    if (!command.has_message_publish_time()) {
        return fail_request(request,
                            {ServerError::metadata, "Message id and message publish time were not present"});
    }
    topic.find_by_time(command.message_publish_time(),
                       later([id = command.consumer_id(), request](Connection& self, EntryId entry) {
                           auto* const found = self.subscribed_consumer(id, request);
                           if (found == nullptr) return;
                           found->subscription->seek({entry, {}});
                           self.succeed(request);
                       }));
}

void Connection::last_message_id(std::uint64_t id, std::uint64_t request) {
    auto* const consumer = subscribed_consumer(id, request);
    if (consumer == nullptr) return;
    auto& topic = consumer->subscription->topic();
    const auto position = consumer->subscription->cursor().position();
    const auto partition = topic.name().partition();
    topic.last_message(
        reading_of(*consumer),
        later([=, ledger = topic.ledger()](Connection& self, std::optional<wire::MessageId> last) {
            proto::BaseCommand answer;
            answer.set_type(proto::BaseCommand::GET_LAST_MESSAGE_ID_RESPONSE);
            auto& response = *answer.mutable_getlastmessageidresponse();
            response.set_request_id(request);
            auto& newest = *response.mutable_last_message_id();
            newest.set_ledgerid(last ? last->ledger : kNothing);
            newest.set_entryid(last ? last->entry : kNothing);
            newest.set_batch_index(last ? last->batch_index : -1);
            newest.set_partition(partition ? static_cast<std::int32_t>(*partition) : -1);
            response.mutable_consumer_mark_delete_position()->set_ledgerid(ledger);
            response.mutable_consumer_mark_delete_position()->set_entryid(position -
                                                                          1);  // -1: before the first
            self.write(answer);
        }));
}

void Connection::consumer_stats(std::uint64_t id, std::uint64_t request) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::CONSUMER_STATS_RESPONSE);
    auto& response = *answer.mutable_consumerstatsresponse();
    response.set_request_id(request);
    auto* const consumer = find_consumer(id);
    if (consumer == nullptr || consumer->subscription == nullptr) {
        response.set_error_code(proto::ConsumerNotFound);
        response.set_error_message("Consumer not found");
        return write(answer);
    }
    response.set_msgrateout(consumer->counters.messages_out.per_second());
    response.set_msgthroughputout(consumer->counters.bytes_out.per_second());
    response.set_msgrateredeliver(consumer->counters.redelivered.per_second());
    response.set_consumername(consumer->name);
    response.set_availablepermits(static_cast<std::uint64_t>(std::max<std::int64_t>(consumer->permits, 0)));
    response.set_unackedmessages(consumer->unacked);
    response.set_blockedconsumeronunackedmsgs(consumer->blocked);
    response.set_address(consumer->address);
    response.set_connectedsince(consumer->connected_since);
    response.set_type(std::string(name_of(consumer->type)));
    response.set_msgrateexpired(0);
    response.set_msgbacklog(consumer->subscription->backlog());
    response.set_messageackrate(consumer->counters.acked.per_second());
    write(answer);
}

void Connection::end_consumer(std::uint64_t id, std::uint64_t request) {
    if (auto* const consumer = find_consumer(id)) {
        if (consumer->subscription != nullptr) consumer->subscription->remove(*consumer);
        consumers_.erase(id);
    }
    succeed(request);
}

}  // namespace weft::broker
