#include "pulsar/detail/producer_core.h"

#include <algorithm>

#include "observe/log.h"
#include "pulsar/detail/schema.h"
#include "wire/proto/PulsarApi.pb.h"
#include "wire/topic_name.h"

namespace weft::pulsar::detail {

namespace {

namespace proto = wire::proto;
using proto::BaseCommand;

const observe::Logger kLog("pulsar.producer");

std::int32_t partition_of(const std::string& topic) {
    const auto name = wire::TopicName::parse(topic);
    const auto partition = name ? name->partition() : std::nullopt;
    return partition ? static_cast<std::int32_t>(*partition) : -1;
}

}  // namespace

ProducerCore::ProducerCore(ClientCore& client, ProducerOptions options)
    : client_(client),
      options_(std::move(options)),
      partition_(partition_of(options_.topic)),
      attacher_(client, *this, options_.topic),
      producer_id_(client.next_producer_id()),
      name_(options_.name) {}

ProducerCore::~ProducerCore() = default;

// ---- on the loop: coming and going

void ProducerCore::start(std::shared_ptr<ProducerCore> self, Deadline deadline, Done created) {
    self_ = self;
    created_ = std::move(created);
    attacher_.start(deadline);
}

void ProducerCore::open(Connection& connection, Deadline deadline, Attacher::Opened opened) {
    BaseCommand command;
    command.set_type(BaseCommand::PRODUCER);
    auto& producer = *command.mutable_producer();
    const auto request_id = client_.next_request_id();
    producer.set_topic(options_.topic);
    producer.set_producer_id(producer_id_);
    producer.set_request_id(request_id);
    producer.set_epoch(epoch_++);
    producer.set_user_provided_producer_name(!options_.name.empty());
    producer.set_producer_access_mode(static_cast<proto::ProducerAccessMode>(access_to_ask_for()));
    if (topic_epoch_) producer.set_topic_epoch(*topic_epoch_);
    if (const auto known = name(); !known.empty()) producer.set_producer_name(known);
    for (const auto& [key, value] : options_.properties) {
        auto& property = *producer.add_metadata();
        property.set_key(key);
        property.set_value(value);
    }
    if (options_.schema) {
        const auto sent = put_schema(*options_.schema, *producer.mutable_schema());
        if (!sent) return opened(std::unexpected(Failure{sent.error(), Retry::never}));
        if (!*sent) producer.clear_schema();
    }
    opening_ = &connection;
    opening_request_ = request_id;
    connection.add_user(UserKind::producer, producer_id_, *this);
    connection.request(request_id, command, "producer on topic " + options_.topic, deadline,
                       [this, self = self_.lock(), at = &connection,
                        opened = std::move(opened)](Outcome<const BaseCommand*> answer) mutable {
                           if (closed_) return;
                           opening_ = nullptr;
                           if (!answer) {
                               at->remove_user(UserKind::producer, producer_id_);
                               return opened(std::unexpected(std::move(answer).error()));
                           }
                           on_opened(**answer);
                           opened({});
                       });
}

/// Who has had its turn doesn't wait for another one: what it has still to send is of that turn, and must not
/// come behind what its successor sends.
ProducerOptions::Access ProducerCore::access_to_ask_for() const {
    using Access = ProducerOptions::Access;
    return options_.access == Access::wait_for_exclusive && topic_epoch_ ? Access::exclusive
                                                                         : options_.access;
}

void ProducerCore::on_opened(const BaseCommand& command) {
    const auto& success = command.producer_success();
    const std::lock_guard lock(mutex_);
    name_ = success.producer_name();
    if (success.has_topic_epoch()) topic_epoch_ = success.topic_epoch();
    if (!success.schema_version().empty()) schema_version_ = success.schema_version();
    if (accepted_ == 0) {  // nothing was numbered yet
        next_sequence_id_ = options_.initial_sequence_id
                                ? *options_.initial_sequence_id + 1
                                : static_cast<std::uint64_t>(success.last_sequence_id() + 1);
    }
}

void ProducerCore::on_attached(Connection& connection) {
    connection_ = &connection;
    {
        const std::lock_guard lock(mutex_);
        message_bytes_max_ = connection.message_bytes_max();
    }
    connected_.store(true, std::memory_order_release);
    for (auto& pending : in_flight_) write(pending);
    if (auto created = std::exchange(created_, nullptr)) created({});
    pump();
}

void ProducerCore::on_given_up(const Error& why) {
    detach();
    if (auto created = std::exchange(created_, nullptr)) {
        created(std::unexpected(why));
    } else {
        kLog.error("given up", {{"topic", options_.topic}, {"why", why.message}});
    }
    fail_all(why);
}

void ProducerCore::detach() {
    connected_.store(false, std::memory_order_release);
    connection_ = nullptr;
}

void ProducerCore::on_connection_lost(const Error& why) {
    const bool was_attached = connection_ != nullptr;
    detach();
    opening_ = nullptr;
    if (!was_attached) return;
    on_burst_end();
    give_up_written(why);
    attacher_.lost(why);
}

void ProducerCore::close(Deadline deadline, Done closed) {
    if (connection_ == nullptr || closed_) {
        shutdown();
        return closed({});
    }
    BaseCommand command;
    command.set_type(BaseCommand::CLOSE_PRODUCER);
    const auto request_id = client_.next_request_id();
    command.mutable_close_producer()->set_producer_id(producer_id_);
    command.mutable_close_producer()->set_request_id(request_id);
    attacher_.stop();
    connection_->request(
        request_id, command, "close producer on topic " + options_.topic, deadline,
        [this, self = self_.lock(), closed = std::move(closed)](Outcome<const BaseCommand*>) mutable {
            if (connection_ != nullptr) connection_->remove_user(UserKind::producer, producer_id_);
            detach();
            shutdown();
            closed({});  // a connection that ended has closed the producer too
        });
}

void ProducerCore::shutdown() {
    if (closed_) return;
    closed_ = true;
    attacher_.stop();
    if (Connection* at = connection_ != nullptr ? connection_ : opening_) {
        BaseCommand command;
        command.set_type(BaseCommand::CLOSE_PRODUCER);
        command.mutable_close_producer()->set_producer_id(producer_id_);
        command.mutable_close_producer()->set_request_id(client_.next_request_id());
        at->send(command);
        at->remove_user(UserKind::producer, producer_id_);
    }
    opening_ = nullptr;
    detach();
    fail_all({ErrorCode::cancelled, str_cat("the producer on topic ", options_.topic, " was closed")});
}

// ---- on the loop: sending

void ProducerCore::on_command(const BaseCommand& command, const Bytes& /*entry*/) {
    switch (command.type()) {
        case BaseCommand::SEND_RECEIPT:
            return on_receipt(command);
        case BaseCommand::SEND_ERROR:
            return on_send_error(command);
        case BaseCommand::CLOSE_PRODUCER:
            return on_closed_by_broker(client_.encrypted()
                                           ? command.close_producer().assignedbrokerserviceurltls()
                                           : command.close_producer().assignedbrokerserviceurl());
        case BaseCommand::TOPIC_MIGRATED:
            return on_migrated(client_.encrypted() ? command.topicmigrated().brokerserviceurltls()
                                                   : command.topicmigrated().brokerserviceurl());
        default:
            return;
    }
}

void ProducerCore::on_migrated(const std::string& cluster_url) {
    auto why = migrated(options_.topic, cluster_url);
    if (connection_ == nullptr) {
        if (opening_ != nullptr) opening_->give_up(opening_request_, {std::move(why), Retry::never});
        return;
    }
    connection_->remove_user(UserKind::producer, producer_id_);
    attacher_.stop();
    on_given_up(why);
}

void ProducerCore::on_closed_by_broker(const std::string& assigned_url) {
    const Error why{ErrorCode::unavailable, "the broker closed the producer"};
    if (connection_ == nullptr) {  // before it was ready: it asks again
        if (opening_ != nullptr) opening_->give_up(opening_request_, {why, Retry::always});
        return;
    }
    const Assigned to{assigned_url, connection_->proxied()};
    connection_->remove_user(UserKind::producer, producer_id_);
    detach();
    on_burst_end();  // receipts that came along: nobody else hands them over, now that it is out of the table
    give_up_written(why);
    attacher_.moved(why, to);
}

void ProducerCore::on_receipt(const BaseCommand& command) {
    const auto& receipt = command.send_receipt();
    if (connection_ == nullptr) return;
    if (in_flight_.empty() || in_flight_.front().first_sequence_id != receipt.sequence_id()) {
        // A receipt for something later means that the broker has lost what was before it: send all again.
        const bool later = std::ranges::any_of(in_flight_, [&](const Pending& pending) {
            return pending.first_sequence_id == receipt.sequence_id();
        });
        if (later) {
            reopen({ErrorCode::unavailable,
                    str_cat("receipt for sequence id ", receipt.sequence_id(), " came before that for ",
                            in_flight_.front().first_sequence_id)});
        }
        return;
    }
    auto& pending = in_flight_.front();
    pending.id = MessageId{receipt.message_id().ledgerid(), receipt.message_id().entryid(), partition_, -1};
    confirmed_.push_back(std::move(pending));
    in_flight_.pop_front();
}

void ProducerCore::on_send_error(const BaseCommand& command) {
    const auto& refusal = command.send_error();
    auto failed = from_server(refusal.error(), refusal.message(), "send to topic " + options_.topic);
    if (connection_ == nullptr || in_flight_.empty()) return;
    if (refusal.error() == proto::TopicTerminatedError || refusal.error() == proto::ProducerFenced) {
        attacher_.stop();
        connection_->remove_user(UserKind::producer, producer_id_);
        return on_given_up(failed.error);
    }
    const bool is_first = in_flight_.front().first_sequence_id == refusal.sequence_id();
    const bool damaged = refusal.error() == proto::ChecksumError && is_first &&
                         !wire::read_entry(in_flight_.front().entry, wire::ChecksumCheck::verify);
    if (is_first && (damaged || refusal.error() == proto::NotAllowedError)) {
        std::vector<Pending> refused;  // this entry will never be taken; those behind it stand
        refused.push_back(std::move(in_flight_.front()));
        in_flight_.pop_front();
        settle(std::move(refused), &failed.error);
        return pump();
    }
    reopen(std::move(failed.error));
}

/// Closes the producer at the broker and opens it anew; everything unconfirmed is then sent again, in order.
void ProducerCore::reopen(Error why) {
    BaseCommand command;
    command.set_type(BaseCommand::CLOSE_PRODUCER);
    const auto request_id = client_.next_request_id();
    command.mutable_close_producer()->set_producer_id(producer_id_);
    command.mutable_close_producer()->set_request_id(request_id);
    connected_.store(false, std::memory_order_release);
    Connection* const at =
        std::exchange(connection_, nullptr);  // receipts that still come are ignored: all is sent again
    at->remove_user(UserKind::producer, producer_id_);
    on_burst_end();
    give_up_written(why);
    at->request(request_id, command, "close producer on topic " + options_.topic,
                Deadline::after(client_.options().operation_timeout),
                [this, self = self_.lock(), why = std::move(why)](Outcome<const BaseCommand*>) {
                    if (!closed_) attacher_.lost(why);
                });
}

/// Without resend: what the broker may or may not have stored is not sent a second time.
void ProducerCore::give_up_written(const Error& why) {
    if (options_.resend == ProducerOptions::Resend::on) return;
    std::vector<Pending> given_up;
    while (!in_flight_.empty() && in_flight_.front().written) {
        given_up.push_back(std::move(in_flight_.front()));
        in_flight_.pop_front();
    }
    if (given_up.empty()) return;
    const Error unknown{ErrorCode::unknown_outcome,
                        str_cat("topic ", options_.topic, ": sent, and no receipt came: ", why.message)};
    settle(std::move(given_up), &unknown);
}

void ProducerCore::write(Pending& pending) {
    pending.written = true;
    // The last id of a batch is what the broker's deduplication goes by.
    const auto highest = pending.num_messages > 1 ? pending.last_sequence_id : 0;
    connection_->send(wire::encode_send_head(producer_id_, pending.first_sequence_id, pending.num_messages,
                                             pending.entry.size(), highest),
                      pending.entry);
}

/// Takes what is sealed, or the open batch when nothing else is under way, and sends it.
void ProducerCore::pump() {
    std::vector<Pending> taken, refused;
    {
        const std::lock_guard lock(mutex_);
        wake_posted_ = false;
        if (outbox_.empty() && in_flight_.empty() && !builder_.empty()) seal_open();
        taken.swap(outbox_);
        idle_ = in_flight_.empty() && taken.empty();
    }
    for (auto& pending : taken) {
        if (pending.refused) {
            refused.push_back(std::move(pending));
            continue;
        }
        in_flight_.push_back(std::move(pending));
        if (connection_ != nullptr) write(in_flight_.back());
    }
    for (auto& pending : refused) {
        const Error why = *pending.refused;
        std::vector<Pending> one;
        one.push_back(std::move(pending));
        settle(std::move(one), &why);
    }
    if (!refused.empty()) pump();  // more may have come that waits for these
}

void ProducerCore::on_burst_end() {
    if (confirmed_.empty()) return;
    pump();  // the next batch first, then the receipts
    settle(std::exchange(confirmed_, {}), nullptr);
}

/// Answers receipts, then makes room.
void ProducerCore::settle(std::vector<Pending> done, const Error* error) {
    std::uint64_t messages = 0, bytes = 0;
    for (auto& pending : done) {
        messages += pending.num_messages;
        bytes += pending.accounted_bytes;
        if (pending.whole) {
            pending.whole(error != nullptr ? Result<MessageId>(std::unexpected(*error)) : pending.id);
        }
        MessageId id = pending.id;
        for (auto& receipt : pending.of_each) {
            ++id.batch_index;
            if (receipt) receipt(error != nullptr ? Result<MessageId>(std::unexpected(*error)) : id);
        }
    }
    const std::lock_guard lock(mutex_);
    settled_ += messages;
    pending_bytes_ -= bytes;
    if (error != nullptr && !first_error_) first_error_ = *error;
    if (waiting_ > 0) changed_.notify_all();
}

void ProducerCore::fail_all(const Error& why) {
    std::vector<Pending> all;
    for (auto& pending : std::exchange(confirmed_, {})) all.push_back(std::move(pending));
    const std::size_t confirmed = all.size();
    for (auto& pending : std::exchange(in_flight_, {})) all.push_back(std::move(pending));
    {
        const std::lock_guard lock(mutex_);
        if (!end_) end_ = why;
        for (auto& pending : std::exchange(outbox_, {})) all.push_back(std::move(pending));
        if (!builder_.empty()) {
            Pending open;
            open.num_messages = builder_.num_messages();
            open.accounted_bytes = open_bytes_;
            open.of_each = std::exchange(open_receipts_, {});
            all.push_back(std::move(open));
            builder_.clear();
            open_bytes_ = 0;
        }
        changed_.notify_all();
    }
    std::vector<Pending> unconfirmed;
    std::move(all.begin() + static_cast<std::ptrdiff_t>(confirmed), all.end(),
              std::back_inserter(unconfirmed));
    all.resize(confirmed);
    if (!all.empty()) settle(std::move(all), nullptr);
    if (!unconfirmed.empty()) settle(std::move(unconfirmed), &why);
}

}  // namespace weft::pulsar::detail
