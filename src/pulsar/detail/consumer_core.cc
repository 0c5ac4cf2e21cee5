#include "pulsar/detail/consumer_core.h"

#include <algorithm>

#include "observe/log.h"
#include "pulsar/detail/consumer_walk.h"
#include "pulsar/detail/schema.h"
#include "wire/proto/PulsarApi.pb.h"
#include "wire/topic_name.h"

namespace weft::pulsar::detail {

namespace {

namespace proto = wire::proto;
using proto::BaseCommand;

const observe::Logger kLog("pulsar.consumer");

std::int32_t partition_of(const std::string& topic) {
    const auto name = wire::TopicName::parse(topic);
    const auto partition = name ? name->partition() : std::nullopt;
    return partition ? static_cast<std::int32_t>(*partition) : -1;
}

void put_id(const MessageId& id, proto::MessageIdData& out) {
    out.set_ledgerid(id.ledger);
    out.set_entryid(id.entry);
    if (id.partition >= 0) out.set_partition(id.partition);
    if (id.batch_index >= 0) out.set_batch_index(id.batch_index);
}

void put_properties(const Properties& from, google::protobuf::RepeatedPtrField<proto::KeyValue>& to) {
    for (const auto& [key, value] : from) {
        auto& property = *to.Add();
        property.set_key(key);
        property.set_value(value);
    }
}

bool names_an_entry(const MessageId& id) {
    return id.ledger != MessageId::earliest().ledger && id.ledger != MessageId::latest().ledger;
}

}  // namespace

ConsumerCore::ConsumerCore(ClientCore& client, ConsumerOptions options)
    : client_(client),
      options_(std::move(options)),
      partition_(partition_of(options_.topic)),
      consumer_id_(client.next_consumer_id()),
      attacher_(client, *this, options_.topic),
      walk_(std::make_unique<Walk>()),
      window_(options_.receiver_queue_messages, options_.receiver_queue_bytes) {
    if (options_.non_durable) {
        start_ = options_.non_durable->start;
        start_inclusive_ = options_.non_durable->start_inclusive;
    }
}

ConsumerCore::~ConsumerCore() = default;

std::string ConsumerCore::what(std::string_view action) const {
    return str_cat(action, " of subscription ", options_.subscription, " on topic ", options_.topic);
}

// ---- coming and going

void ConsumerCore::start(std::shared_ptr<ConsumerCore> self, Deadline deadline, Done subscribed) {
    self_ = self;
    subscribed_ = std::move(subscribed);
    attacher_.start(deadline);
}

void ConsumerCore::open(Connection& connection, Deadline deadline, Attacher::Opened opened) {
    const auto& ask = client_.options().before_return;
    if (!was_attached_ || !ask) return subscribe(connection, deadline, std::move(opened));
    opening_ = &connection;
    connection.add_user(UserKind::consumer, consumer_id_, *this);  // hears of its end
    returned_ = std::move(opened);
    ask([weak = self_, asked = ++returns_] {
        auto self = weak.lock();
        if (!self) return;
        async::Loop& loop = self->client_.loop();
        loop.post([self = std::move(self), asked] { self->return_admitted(asked); });
    });
}

void ConsumerCore::return_admitted(std::uint64_t asked) {
    if (closed_ || !returned_ || asked != returns_) return;
    const Deadline limit = Deadline::after(client_.options().operation_timeout);  // the wait doesn't count
    subscribe(*opening_, limit, std::exchange(returned_, nullptr));
}

void ConsumerCore::subscribe(Connection& connection, Deadline deadline, Attacher::Opened opened) {
    BaseCommand command;
    command.set_type(BaseCommand::SUBSCRIBE);
    auto& subscribe = *command.mutable_subscribe();
    const auto request_id = client_.next_request_id();
    subscribe.set_topic(options_.topic);
    subscribe.set_subscription(options_.subscription);
    subscribe.set_subtype(static_cast<proto::CommandSubscribe::SubType>(options_.type));
    subscribe.set_consumer_id(consumer_id_);
    subscribe.set_request_id(request_id);
    if (!options_.name.empty()) subscribe.set_consumer_name(options_.name);
    subscribe.set_priority_level(options_.priority_level);
    subscribe.set_durable(!options_.non_durable.has_value());
    subscribe.set_read_compacted(options_.read_compacted);
    subscribe.set_initialposition(
        static_cast<proto::CommandSubscribe::InitialPosition>(options_.initial_position));
    subscribe.set_consumer_epoch(epoch_);
    put_properties(options_.properties, *subscribe.mutable_metadata());
    if (options_.type == SubscriptionType::key_shared) {
        subscribe.mutable_keysharedmeta()->set_keysharedmode(proto::AUTO_SPLIT);
    }
    if (options_.schema) {
        const auto sent = put_schema(*options_.schema, *subscribe.mutable_schema());
        if (!sent) return opened(std::unexpected(Failure{sent.error(), Retry::never}));
        if (!*sent) subscribe.clear_schema();
    }
    if (options_.non_durable) {
        const std::lock_guard lock(mutex_);
        MessageId from = *start_;
        if (names_an_entry(from) && start_inclusive_) from.batch_index = std::max(from.batch_index, 0);
        put_id(from, *subscribe.mutable_start_message_id());  // with a batch index the broker begins at the
                                                              // entry, else behind it
    }
    opening_ = &connection;
    opening_request_ = request_id;
    connection.add_user(UserKind::consumer, consumer_id_, *this);
    connection.request(request_id, command, what("subscribe"), deadline,
                       [this, self = self_.lock(), at = &connection,
                        opened = std::move(opened)](Outcome<const BaseCommand*> answer) mutable {
                           if (closed_) return;
                           opening_ = nullptr;
                           if (answer) return opened({});
                           at->remove_user(UserKind::consumer, consumer_id_);
                           opened(std::unexpected(std::move(answer).error()));
                       });
}

void ConsumerCore::on_attached(Connection& connection) {
    connection_ = &connection;
    was_attached_ = true;
    seeking_ = false;
    drop_queue();
    connected_.store(true, std::memory_order_release);
    {
        const std::lock_guard lock(mutex_);
        ++stamp_.attachment;
        window_.restart();
    }
    turn();  // acks first: what is acked need not come again; then the permits
    if (auto subscribed = std::exchange(subscribed_, nullptr)) subscribed({});
    if (auto done = std::exchange(seek_done_, nullptr)) done({});
    for (auto& [number, waiting] : std::exchange(waiting_actions_, {})) {
        client_.loop().cancel(waiting.timer);
        waiting.action({});
    }
}

/// Runs the action with the connection there: now, or when it is back.
void ConsumerCore::when_attached(Deadline deadline, std::string_view what_for, Action action) {
    if (connection_ != nullptr && connection_->ready()) return action({});
    if (closed_) return action(fail(ErrorCode::cancelled, what(what_for), ": the consumer was closed"));
    const auto number = ++last_action_;
    const auto timer = client_.loop().after(deadline.left(), [self = self_, number, text = what(what_for)] {
        const auto alive = self.lock();
        auto waiting =
            alive ? alive->waiting_actions_.extract(number) : decltype(waiting_actions_)::node_type();
        if (waiting.empty()) return;
        waiting.mapped().action(fail(ErrorCode::deadline_exceeded, text, ": not connected to the broker"));
    });
    waiting_actions_.emplace(number, WaitingAction{std::move(action), timer});
}

void ConsumerCore::on_given_up(const Error& why) {
    detach();
    if (auto subscribed = std::exchange(subscribed_, nullptr)) {
        subscribed(std::unexpected(why));
    } else {
        kLog.error(
            "given up",
            {{"topic", options_.topic}, {"subscription", options_.subscription}, {"why", why.message}});
    }
    end(why);
}

void ConsumerCore::end(const Error& why) {
    if (auto done = std::exchange(seek_done_, nullptr)) done(std::unexpected(why));
    for (auto& [number, waiting] : std::exchange(waiting_actions_, {})) {
        client_.loop().cancel(waiting.timer);
        waiting.action(std::unexpected(why));
    }
    const std::lock_guard lock(mutex_);
    if (!end_) end_ = why;
    arrived_.notify_all();
}

void ConsumerCore::detach() {
    connected_.store(false, std::memory_order_release);
    connection_ = nullptr;
    ++delivery_;
    burst_.clear();
    drop_queue();  // all of it comes again
    set_active(std::nullopt);
}

void ConsumerCore::on_connection_lost(const Error& why) {
    const bool was_attached = connection_ != nullptr;
    opening_ = nullptr;
    detach();
    if (was_attached) return attacher_.lost(why);
    if (auto opened = std::exchange(returned_, nullptr))
        opened(failure(Retry::always, why.code, what("subscribe"), ": ", why.message));
}

void ConsumerCore::reopen(Error why) {
    if (connection_ == nullptr) return;
    BaseCommand command;
    command.set_type(BaseCommand::CLOSE_CONSUMER);
    const auto request_id = client_.next_request_id();
    command.mutable_close_consumer()->set_consumer_id(consumer_id_);
    command.mutable_close_consumer()->set_request_id(request_id);
    Connection* const at = connection_;
    at->remove_user(UserKind::consumer, consumer_id_);
    detach();
    at->request(request_id, command, what("close"), Deadline::after(client_.options().operation_timeout),
                [this, self = self_.lock(), why = std::move(why)](Outcome<const BaseCommand*>) {
                    if (!closed_) attacher_.lost(why);
                });
}

void ConsumerCore::close(Deadline deadline, Done closed) {
    if (connection_ == nullptr || closed_) {
        shutdown();
        return closed({});
    }
    send_acks();
    attacher_.stop();
    BaseCommand command;
    command.set_type(BaseCommand::CLOSE_CONSUMER);
    const auto request_id = client_.next_request_id();
    command.mutable_close_consumer()->set_consumer_id(consumer_id_);
    command.mutable_close_consumer()->set_request_id(request_id);
    connection_->request(
        request_id, command, what("close"), deadline,
        [this, self = self_.lock(), closed = std::move(closed)](Outcome<const BaseCommand*>) mutable {
            if (connection_ != nullptr) connection_->remove_user(UserKind::consumer, consumer_id_);
            detach();
            shutdown();
            closed({});  // a connection that ended has closed the consumer too
        });
}

void ConsumerCore::shutdown() {
    if (closed_) return;
    if (connection_ != nullptr) send_acks();
    closed_ = true;
    attacher_.stop();
    client_.loop().cancel(redelivery_timer_);
    if (Connection* at = connection_ != nullptr ? connection_ : opening_) {
        BaseCommand command;
        command.set_type(BaseCommand::CLOSE_CONSUMER);
        command.mutable_close_consumer()->set_consumer_id(consumer_id_);
        command.mutable_close_consumer()->set_request_id(client_.next_request_id());
        at->send(command);
        at->remove_user(UserKind::consumer, consumer_id_);
    }
    opening_ = nullptr;
    returned_ = nullptr;
    active_changed_ = nullptr;
    entries_ready_ = nullptr;
    detach();
    end({ErrorCode::cancelled, str_cat("the consumer of subscription ", options_.subscription, " on topic ",
                                       options_.topic, " was closed")});
}

// ---- what arrives

void ConsumerCore::on_command(const BaseCommand& command, const Bytes& entry) {
    switch (command.type()) {
        case BaseCommand::MESSAGE:
            return on_message(command, entry);
        case BaseCommand::ACTIVE_CONSUMER_CHANGE:
            return set_active(command.active_consumer_change().is_active());
        case BaseCommand::CLOSE_CONSUMER:
            return on_closed_by_broker(client_.encrypted()
                                           ? command.close_consumer().assignedbrokerserviceurltls()
                                           : command.close_consumer().assignedbrokerserviceurl());
        case BaseCommand::TOPIC_MIGRATED:
            return on_migrated(client_.encrypted() ? command.topicmigrated().brokerserviceurltls()
                                                   : command.topicmigrated().brokerserviceurl());
        default:
            return;
    }
}

void ConsumerCore::on_migrated(const std::string& cluster_url) {
    auto why = migrated(options_.topic, cluster_url);
    if (connection_ == nullptr) {
        if (opening_ != nullptr) opening_->give_up(opening_request_, {std::move(why), Retry::never});
        return;
    }
    connection_->remove_user(UserKind::consumer, consumer_id_);
    attacher_.stop();
    on_given_up(why);
}

void ConsumerCore::on_closed_by_broker(const std::string& assigned_url) {
    const Error why{ErrorCode::unavailable, "the broker closed the consumer"};
    if (connection_ == nullptr) {  // before it was subscribed: it asks again
        if (opening_ != nullptr) opening_->give_up(opening_request_, {why, Retry::always});
        return;
    }
    const Assigned to{assigned_url, connection_->proxied()};
    connection_->remove_user(UserKind::consumer, consumer_id_);
    detach();
    attacher_.moved(why, to);
}

void ConsumerCore::on_message(const BaseCommand& command, const Bytes& entry) {
    if (connection_ == nullptr) return;
    const auto& message = command.message();
    const bool outdated = message.has_consumer_epoch() && message.consumer_epoch() < epoch_;
    if (seeking_ || outdated) {
        return waste_permits(permits_of(entry));
    }
    const auto& id = message.message_id();
    AckSet ack_set(message.ack_set().begin(), message.ack_set().end());
    burst_.push_back(Arrived{MessageId{id.ledgerid(), id.entryid(), partition_, -1}, entry,
                             message.redelivery_count(), std::move(ack_set), delivery_});
}

void ConsumerCore::on_burst_end() {
    if (burst_.empty()) return send_permits();
    bool was_empty = false;
    {
        const std::lock_guard lock(mutex_);
        was_empty = queue_.empty();
        std::ranges::move(burst_, std::back_inserter(queue_));
        if (waiting_ > 0) arrived_.notify_all();
    }
    burst_.clear();
    if (was_empty && entries_ready_) entries_ready_();
}

void ConsumerCore::drop_queue() {
    std::deque<Arrived> dropped;
    {
        const std::lock_guard lock(mutex_);
        dropped.swap(queue_);
        ++stamp_.queue;
    }
    std::uint64_t messages = 0;
    for (const auto& arrived : dropped) messages += permits_of(arrived.entry);
    waste_permits(messages);
}

std::uint64_t ConsumerCore::permits_of(const Bytes& entry) {
    const auto view = wire::read_entry(entry, wire::ChecksumCheck::skip);
    return view ? std::max<std::uint32_t>(view->metadata.num_messages, 1) : 1;
}

void ConsumerCore::waste_permits(std::uint64_t messages) {
    const std::lock_guard lock(mutex_);
    window_.wasted(messages);
}

void ConsumerCore::set_active(std::optional<bool> active) {
    const int before = active_.exchange(active ? static_cast<int>(*active) : -1);
    const bool was = before == 1, is = active.value_or(false);
    if (was != is) ++delivery_;
    if (active_changed_ && (was != is || (before == -1 && active))) active_changed_(is);
}

std::optional<bool> ConsumerCore::is_active() const {
    const int active = active_.load();
    return active < 0 ? std::nullopt : std::optional(active == 1);
}

void ConsumerCore::on_active_change(std::function<void(bool)> changed) {
    active_changed_ = std::move(changed);
    if (const auto active = is_active(); active && active_changed_) active_changed_(*active);
}

void ConsumerCore::on_entries_ready(std::function<void()> ready) {
    entries_ready_ = std::move(ready);
    if (entries_ready_ && has_local()) entries_ready_();
}

bool ConsumerCore::has_local() const {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    // The entry at which a reader begins comes along even if it is to be left out.
    return !start_ || key_of(queue_.back().id) != key_of(*start_);
}

// ---- questions to the broker

void ConsumerCore::seek(SeekTarget target, Deadline deadline, Done done) {
    when_attached(deadline, "seek",
                  [this, target, deadline, done = std::move(done)](Result<> attached) mutable {
                      if (!attached) return done(std::move(attached));
                      ask_seek(target, deadline, std::move(done));
                  });
}

void ConsumerCore::ask_seek(SeekTarget target, Deadline deadline, Done done) {
    send_acks();
    drop_queue();
    {
        const std::lock_guard lock(mutex_);
        tracker_.clear();
        dirty_.clear();
        nacks_.clear();
        unacked_.clear();
        unacked_keys_.clear();
        if (options_.non_durable) {
            start_ = target.id.value_or(MessageId::earliest());
            start_inclusive_ = true;
        }
    }
    seeking_ = true;
    burst_.clear();
    BaseCommand command;
    command.set_type(BaseCommand::SEEK);
    auto& seek = *command.mutable_seek();
    const auto request_id = client_.next_request_id();
    seek.set_consumer_id(consumer_id_);
    seek.set_request_id(request_id);
    if (target.id) {
        put_id(*target.id, *seek.mutable_message_id());
    } else {
        seek.set_message_publish_time(target.publish_time_ms);
    }
    connection_->request(
        request_id, command, what("seek"), deadline,
        [this, self = self_.lock(), done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
            if (closed_) return done(fail(ErrorCode::cancelled, what("seek"), ": the consumer was closed"));
            if (!answer) {
                reopen(answer.error().error);  // what was dropped must come again
                return done(std::unexpected(std::move(answer).error().error));
            }
            if (connection_ == nullptr) {  // the broker lets go at a seek
                seek_done_ = std::move(done);
                return;
            }
            seeking_ = false;
            send_permits();
            done({});
        });
}

void ConsumerCore::last_message_id(Deadline deadline, IdDone done) {
    when_attached(deadline, "last message id",
                  [this, deadline, done = std::move(done)](Result<> attached) mutable {
                      if (!attached) return done(std::unexpected(std::move(attached).error()));
                      ask_last_message_id(deadline, std::move(done));
                  });
}

void ConsumerCore::ask_last_message_id(Deadline deadline, IdDone done) {
    BaseCommand command;
    command.set_type(BaseCommand::GET_LAST_MESSAGE_ID);
    const auto request_id = client_.next_request_id();
    command.mutable_getlastmessageid()->set_consumer_id(consumer_id_);
    command.mutable_getlastmessageid()->set_request_id(request_id);
    connection_->request(
        request_id, command, what("last message id"), deadline,
        [this, self = self_.lock(), deadline,
         done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
            if (!answer && answer.error().error.code == ErrorCode::connection_closed) {
                return last_message_id(deadline, std::move(done));  // again, when it is back
            }
            if (!answer) return done(std::unexpected(std::move(answer).error().error));
            const auto& said = (*answer)->getlastmessageidresponse();
            const auto& last = said.last_message_id();
            LastMessage result{{last.ledgerid(), last.entryid(), partition_, last.batch_index()}, {}};
            if (said.has_consumer_mark_delete_position()) {
                const auto& acked = said.consumer_mark_delete_position();
                result.acked_up_to = MessageId{acked.ledgerid(), acked.entryid(), partition_, -1};
            }
            done(result);
        });
}

void ConsumerCore::unsubscribe(Deadline deadline, Done done) {
    when_attached(deadline, "unsubscribe",
                  [this, deadline, done = std::move(done)](Result<> attached) mutable {
                      if (!attached) return done(std::move(attached));
                      ask_unsubscribe(deadline, std::move(done));
                  });
}

void ConsumerCore::ask_unsubscribe(Deadline deadline, Done done) {
    send_acks();
    BaseCommand command;
    command.set_type(BaseCommand::UNSUBSCRIBE);
    const auto request_id = client_.next_request_id();
    command.mutable_unsubscribe()->set_consumer_id(consumer_id_);
    command.mutable_unsubscribe()->set_request_id(request_id);
    connection_->request(
        request_id, command, what("unsubscribe"), deadline,
        [this, self = self_.lock(), done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
            if (!answer) return done(std::unexpected(std::move(answer).error().error));
            if (connection_ != nullptr) connection_->remove_user(UserKind::consumer, consumer_id_);
            detach();  // the broker has closed the consumer too
            shutdown();
            done({});
        });
}

}  // namespace weft::pulsar::detail
