// When exactly a producer sends, and what it does in trouble, against a scripted broker.
#include "pulsar/tests/protocol_fixture.h"

namespace weft::pulsar::testing {
namespace {

/// Keeps all SENDs unanswered until told.
struct HeldReceipts {
    std::atomic<bool> hold = true;
    std::atomic<std::uint64_t> next_entry = 0;
    bool operator()(Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::SEND) return false;
        if (!hold) session.send_receipt(command.send(), next_entry++);
        return true;
    }
};

TEST(Batching, sends_when_full_or_when_nothing_is_in_flight) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.batch_messages_max = 4;
    auto producer = produce(*client, options);
    ASSERT_TRUE(producer);
    std::vector<MessageId> ids;
    const auto note = [&](Result<MessageId> id) { ids.push_back(id.value_or(MessageId{})); };
    ASSERT_TRUE(send(**producer, "a", note));
    EXPECT_EQ(payloads_of(broker.wait_for(BaseCommand::SEND, 1).at(0).entry),
              (std::vector<std::string>{"a"}));
    for (const auto* text : {"b", "c", "d", "e", "f", "g"}) ASSERT_TRUE(send(**producer, text, note));
    // Four make a full batch; the other two wait for the first receipt.
    auto sends = broker.wait_for(BaseCommand::SEND, 2);
    EXPECT_EQ(payloads_of(sends.at(1).entry), (std::vector<std::string>{"b", "c", "d", "e"}));
    EXPECT_EQ(sends.at(1).command.send().num_messages(), 4);
    EXPECT_EQ(sends.at(1).command.send().sequence_id(), 1U);
    EXPECT_EQ(sends.at(1).command.send().highest_sequence_id(), 4U);
    EXPECT_FALSE(sends.at(0).command.send().has_highest_sequence_id());
    EXPECT_EQ(broker.count(BaseCommand::SEND), 2U);
    held.hold = false;
    broker.run([&](Session* session) {
        session->send_receipt(sends.at(0).command.send(), held.next_entry++);
        session->send_receipt(sends.at(1).command.send(), held.next_entry++);
    });
    ASSERT_TRUE((*producer)->flush(soon()));
    EXPECT_EQ(payloads_of(broker.wait_for(BaseCommand::SEND, 3).at(2).entry),
              (std::vector<std::string>{"f", "g"}));
    ASSERT_EQ(ids.size(), 7U);
    EXPECT_EQ(ids[0], (MessageId{1, 0, -1, 0}));
    EXPECT_EQ(ids[4], (MessageId{1, 1, -1, 3}));
    EXPECT_EQ(ids[6], (MessageId{1, 2, -1, 1}));
}

TEST(Batching, is_full_by_bytes_and_sends_large_messages_alone) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.batch_bytes_max = 1000;
    auto producer = produce(*client, options);
    ASSERT_TRUE(producer);
    ASSERT_TRUE(send(**producer, "first"));
    broker.wait_for(BaseCommand::SEND, 1);
    const std::string some(600, 's'), large(5000, 'l');
    ASSERT_TRUE(send(**producer, some));
    ASSERT_TRUE(send(**producer, some));   // does not fit: the one before goes
    ASSERT_TRUE(send(**producer, large));  // goes alone, after what was before it
    const auto sends = broker.wait_for(BaseCommand::SEND, 4);
    ASSERT_EQ(sends.size(), 4U);
    EXPECT_EQ(payloads_of(sends[1].entry), (std::vector<std::string>{some}));
    EXPECT_EQ(payloads_of(sends[2].entry), (std::vector<std::string>{some}));
    EXPECT_EQ(payloads_of(sends[3].entry), (std::vector<std::string>{large}));
    EXPECT_FALSE(wire::read_entry(sends[3].entry)->metadata.batched);
}

TEST(Producer, waits_for_room_until_the_deadline) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.pending_messages_max = 2;
    auto producer = produce(*client, options);
    ASSERT_TRUE(producer);
    ASSERT_TRUE(send(**producer, "a"));
    ASSERT_TRUE(send(**producer, "b"));
    const auto third = send(**producer, "c", {}, Deadline::after(30ms));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::deadline_exceeded);
    EXPECT_EQ((*producer)->pending_messages(), 2U);
    const auto flushed = (*producer)->flush(Deadline::after(30ms));
    EXPECT_EQ(flushed.error().code, ErrorCode::deadline_exceeded);
    const auto sends = broker.wait_for(BaseCommand::SEND, 1);
    held.hold = false;
    broker.run([&](Session* session) { session->send_receipt(sends.at(0).command.send(), 0); });
    ASSERT_TRUE(send(**producer, "c"));
    EXPECT_TRUE((*producer)->flush(soon()));
}

std::vector<std::uint64_t> sequence_ids(const std::vector<ScriptedBroker::Seen>& sends, std::size_t from) {
    std::vector<std::uint64_t> ids;
    for (std::size_t i = from; i < sends.size(); ++i) ids.push_back(sends[i].command.send().sequence_id());
    return ids;
}

ProducerOptions unbatched() {
    ProducerOptions options;
    options.batching = ProducerOptions::Batching::off;
    return options;
}

/// `trouble` happens while three are unconfirmed; then all three come again, in order.
void sends_again_after(const std::function<void(Session&, const proto::CommandSend&)>& trouble) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    auto producer = produce(*client, unbatched());
    ASSERT_TRUE(producer);
    std::atomic<int> receipts = 0;
    for (const auto* text : {"a", "b", "c"}) {
        ASSERT_TRUE(send(**producer, text, [&](Result<MessageId> id) { receipts += id ? 1 : 100; }));
    }
    const auto sends = broker.wait_for(BaseCommand::SEND, 3);
    held.hold = false;
    broker.run([&](Session* session) { trouble(*session, sends.at(0).command.send()); });
    ASSERT_TRUE((*producer)->flush(soon()));
    EXPECT_EQ(receipts, 3);
    EXPECT_EQ(sequence_ids(broker.wait_for(BaseCommand::SEND, 6), 3), (std::vector<std::uint64_t>{0, 1, 2}));
    EXPECT_EQ(broker.wait_for(BaseCommand::PRODUCER, 2).at(1).command.producer().epoch(), 1U);
    EXPECT_EQ(broker.wait_for(BaseCommand::PRODUCER, 2).at(1).command.producer().producer_name(), "p");
}

void send_error(Session& session, const proto::CommandSend& send, proto::ServerError error) {
    BaseCommand command;
    command.set_type(BaseCommand::SEND_ERROR);
    command.mutable_send_error()->set_producer_id(send.producer_id());
    command.mutable_send_error()->set_sequence_id(send.sequence_id());
    command.mutable_send_error()->set_error(error);
    command.mutable_send_error()->set_message("scripted");
    session.send(command);
}

TEST(Producer, sends_again_after_the_connection_ended) {
    sends_again_after([](Session& session, const auto&) { session.close(); });
}

TEST(Producer, sends_again_after_the_broker_closed_it) {
    sends_again_after([](Session& session, const auto& send) {
        BaseCommand command;
        command.set_type(BaseCommand::CLOSE_PRODUCER);
        command.mutable_close_producer()->set_producer_id(send.producer_id());
        command.mutable_close_producer()->set_request_id(~0ULL);
        session.send(command);
    });
}

TEST(Producer, sends_again_after_a_store_error) {
    sends_again_after(
        [](Session& session, const auto& send) { send_error(session, send, proto::PersistenceError); });
}

TEST(Producer, sends_again_what_was_damaged_on_the_way) {
    sends_again_after(
        [](Session& session, const auto& send) { send_error(session, send, proto::ChecksumError); });
}

TEST(Producer, sends_again_when_a_receipt_was_left_out) {
    sends_again_after([](Session& session, const auto& send) {
        auto later = send;
        later.set_sequence_id(2);
        session.send_receipt(later, 7);
    });
}

TEST(Producer, without_resend_gives_up_what_was_sent_and_goes_on) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.batching = ProducerOptions::Batching::off;
    options.resend = ProducerOptions::Resend::off;
    auto producer = produce(*client, options);
    ASSERT_TRUE(producer);
    std::vector<ErrorCode> failed;
    const auto note = [&](const Result<MessageId>& id) {
        if (!id) failed.push_back(id.error().code);
    };
    for (const auto* text : {"a", "b"}) ASSERT_TRUE(send(**producer, text, note));
    broker.wait_for(BaseCommand::SEND, 2);
    held.hold = false;
    broker.run([](Session* session) { session->close(); });
    EXPECT_FALSE((*producer)->flush(soon()));
    EXPECT_EQ(failed, std::vector<ErrorCode>(2, ErrorCode::unknown_outcome));
    ASSERT_TRUE(send(**producer, "c", note));
    ASSERT_TRUE((*producer)->flush(soon()));
    EXPECT_EQ(sequence_ids(broker.wait_for(BaseCommand::SEND, 3), 2), (std::vector<std::uint64_t>{2}));
}

TEST(Producer, hands_a_refused_message_back_and_goes_on) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::SEND) return false;
        if (command.send().sequence_id() == 0) {
            send_error(session, command.send(), proto::NotAllowedError);
        } else {
            session.send_receipt(command.send(), 1);
        }
        return true;
    });
    auto client = client_of(broker.url());
    auto producer = produce(*client, unbatched());
    ASSERT_TRUE(producer);
    wire::OutgoingMessage message;
    const auto refused = (*producer)->send(message, soon());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::precondition_failed);
    EXPECT_TRUE((*producer)->send(message, soon()));
    EXPECT_EQ((*producer)->flush(soon()).error().code,
              ErrorCode::precondition_failed);  // the first since the last flush
    EXPECT_TRUE((*producer)->flush(soon()));
}

TEST(Producer, ends_when_it_was_fenced) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::SEND) return false;
        send_error(session, command.send(), proto::ProducerFenced);
        return true;
    });
    auto client = client_of(broker.url());
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    wire::OutgoingMessage message;
    EXPECT_EQ((*producer)->send(message, soon()).error().code, ErrorCode::conflict);
    EXPECT_EQ((*producer)->send(message, soon()).error().code, ErrorCode::conflict);
    EXPECT_FALSE((*producer)->connected());
}

TEST(Producer, goes_to_the_broker_that_was_named_without_a_lookup) {
    HeldReceipts prompt;
    prompt.hold = false;
    ScriptedBroker next(std::ref(prompt));
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    auto producer = produce(*client, unbatched());
    ASSERT_TRUE(producer);
    std::atomic<int> receipts = 0;
    for (const auto* text : {"a", "b"})
        ASSERT_TRUE(send(**producer, text, [&](Result<MessageId> id) { receipts += id ? 1 : 100; }));
    const auto sends = broker.wait_for(BaseCommand::SEND, 2);
    broker.run([&](Session* session) {
        session->send_receipt(sends.at(0).command.send(), 0);  // stored: it must not come again
        BaseCommand closed;
        closed.set_type(BaseCommand::CLOSE_PRODUCER);
        closed.mutable_close_producer()->set_producer_id(sends.at(0).command.send().producer_id());
        closed.mutable_close_producer()->set_request_id(0);
        closed.mutable_close_producer()->set_assignedbrokerserviceurl(next.url());
        session->send(closed);
    });
    ASSERT_TRUE((*producer)->flush(soon()));
    EXPECT_EQ(receipts, 2);
    EXPECT_EQ(sequence_ids(next.wait_for(BaseCommand::SEND, 1), 0), (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(next.count(BaseCommand::LOOKUP), 0U);
    EXPECT_EQ(broker.count(BaseCommand::LOOKUP), 1U);
}

TEST(Producer, hands_over_receipts_that_come_with_the_word_to_close) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    auto producer = produce(*client, unbatched());
    ASSERT_TRUE(producer);
    ASSERT_TRUE(send(**producer, "a"));
    const auto sends = broker.wait_for(BaseCommand::SEND, 1);
    broker.run([&](Session* session) {
        session->send_receipt(sends.at(0).command.send(), 0);
        BaseCommand closed;
        closed.set_type(BaseCommand::CLOSE_PRODUCER);
        closed.mutable_close_producer()->set_producer_id(sends.at(0).command.send().producer_id());
        closed.mutable_close_producer()->set_request_id(0);
        session->send(closed);
    });
    EXPECT_TRUE((*producer)->flush(soon()));
    EXPECT_EQ(broker.wait_for(BaseCommand::PRODUCER, 2).size(), 2U);
    EXPECT_EQ(broker.count(BaseCommand::SEND), 1U) << "it is stored: it must not come again";
}

TEST(Producer, does_not_follow_a_topic_to_another_cluster) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::SEND) return false;
        BaseCommand moved;
        moved.set_type(BaseCommand::TOPIC_MIGRATED);
        moved.mutable_topicmigrated()->set_resource_id(command.send().producer_id());
        moved.mutable_topicmigrated()->set_resource_type(proto::CommandTopicMigrated::Producer);
        moved.mutable_topicmigrated()->set_brokerserviceurl("pulsar://green:6650");
        session.send(moved);
        return true;
    });
    auto client = client_of(broker.url());
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    wire::OutgoingMessage message;
    const auto sent = (*producer)->send(message, soon());
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::not_supported);
    EXPECT_NE(sent.error().message.find("pulsar://green:6650"), std::string::npos) << sent.error().message;
}

TEST(Producer, calls_no_receipt_after_its_end) {
    HeldReceipts held;
    ScriptedBroker broker(std::ref(held));
    auto client = client_of(broker.url());
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    std::vector<ErrorCode> codes;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(send(**producer, "x", [&](Result<MessageId> id) { codes.push_back(id.error().code); }));
    }
    producer->reset();
    EXPECT_EQ(codes, std::vector<ErrorCode>(3, ErrorCode::cancelled));
    broker.wait_for(BaseCommand::CLOSE_PRODUCER, 1);
}

TEST(Producer, counts_on_from_what_the_broker_knows) {
    HeldReceipts held;
    held.hold = false;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes& entry) {
        if (command.type() != BaseCommand::PRODUCER) return held(session, command, entry);
        BaseCommand reply;
        reply.set_type(BaseCommand::PRODUCER_SUCCESS);
        reply.mutable_producer_success()->set_request_id(command.producer().request_id());
        reply.mutable_producer_success()->set_producer_name("p");
        reply.mutable_producer_success()->set_last_sequence_id(41);
        session.send(reply);
        return true;
    });
    auto client = client_of(broker.url());
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    EXPECT_EQ((*producer)->reserve_sequence_ids(1), 42U);
    ProducerOptions options;
    options.initial_sequence_id = 99;
    auto other = produce(*client, options);
    ASSERT_TRUE(other);
    EXPECT_EQ((*other)->reserve_sequence_ids(5), 100U);
    EXPECT_EQ((*other)->reserve_sequence_ids(1), 105U);
}

}  // namespace
}  // namespace weft::pulsar::testing
