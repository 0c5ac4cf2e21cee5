// The client against a scripted broker: what real ones do seldom, and when exactly things are sent.
#include <gtest/gtest.h>

#include <atomic>

#include "pulsar/client.h"
#include "pulsar/tests/scripted_broker.h"

namespace weft::pulsar {
namespace {

namespace proto = wire::proto;
using testing::BaseCommand;
using testing::ScriptedBroker;
using Session = ScriptedBroker::Session;

Deadline soon() { return Deadline::after(20s); }

std::unique_ptr<Client> client_of(const std::string& url, Duration keep_alive = 30s) {
    ClientOptions options;
    options.service_url = url;
    options.keep_alive = keep_alive;
    options.backoff_min = 1ms;
    options.operation_timeout = 10s;
    auto client = Client::create(options);
    EXPECT_TRUE(client);
    return std::move(*client);
}

Result<std::unique_ptr<Producer>> produce(Client& client, ProducerOptions options = {}) {
    options.topic = "t";
    return client.create_producer(options, soon());
}

Result<std::unique_ptr<Consumer>> consume(Client& client, ConsumerOptions options = {}) {
    options.topic = "t";
    options.subscription = "s";
    return client.subscribe(options, soon());
}

Result<> send(Producer& producer, std::string_view payload, Producer::Receipt receipt = {},
              Deadline deadline = soon()) {
    wire::OutgoingMessage message;
    message.payload = payload;
    return producer.send_async(message, std::move(receipt), deadline);
}

Bytes entry_of(std::string_view payload, std::uint64_t sequence_id = 0) {
    wire::OutgoingMessage message;
    message.payload = payload;
    wire::EntryHeader header;
    header.producer_name = "p";
    header.sequence_id = sequence_id;
    header.publish_time_ms = 1;
    return *wire::encode_single(message, header);
}

std::vector<std::string> payloads_of(const Bytes& entry) {
    std::vector<std::string> all;
    const auto view = wire::read_entry(entry);
    EXPECT_TRUE(view);
    wire::MessageReader reader(view->metadata, view->payload.view());
    wire::MessageView message;
    while (*reader.next(message)) all.emplace_back(message.payload);
    return all;
}

// ---- lookup and connection

TEST(Lookup, follows_redirects_and_says_authoritative) {
    ScriptedBroker owner;
    ScriptedBroker first([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        session.send(testing::lookup_answer(command.lookuptopic().request_id(), owner.url(),
                                            proto::CommandLookupTopicResponse::Redirect));
        return true;
    });
    auto client = client_of(first.url());
    ASSERT_TRUE(produce(*client));
    EXPECT_FALSE(first.wait_for(BaseCommand::LOOKUP, 1).at(0).command.lookuptopic().authoritative());
    EXPECT_TRUE(owner.wait_for(BaseCommand::LOOKUP, 1).at(0).command.lookuptopic().authoritative());
    EXPECT_EQ(owner.count(BaseCommand::PRODUCER), 1U);
    EXPECT_EQ(first.count(BaseCommand::PRODUCER), 0U);
}

TEST(Lookup, asks_the_proxy_for_the_broker_behind_it) {
    ScriptedBroker proxy([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        auto answer = testing::lookup_answer(command.lookuptopic().request_id(), "pulsar://hidden:6650",
                                             proto::CommandLookupTopicResponse::Connect);
        answer.mutable_lookuptopicresponse()->set_proxy_through_service_url(true);
        session.send(answer);
        return true;
    });
    auto client = client_of(proxy.url());
    ASSERT_TRUE(produce(*client));
    const auto connects = proxy.wait_for(BaseCommand::CONNECT, 2);
    EXPECT_EQ(connects.at(0).command.connect().proxy_to_broker_url(), "");
    EXPECT_EQ(connects.at(1).command.connect().proxy_to_broker_url(), "hidden:6650");
}

TEST(Lookup, ends_a_circle_of_redirects) {
    ScriptedBroker* self = nullptr;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        session.send(testing::lookup_answer(command.lookuptopic().request_id(), self->url(),
                                            proto::CommandLookupTopicResponse::Redirect));
        return true;
    });
    self = &broker;
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.topic = "t";
    const auto made = client->create_producer(options, Deadline::after(300ms));
    ASSERT_FALSE(made);
    EXPECT_TRUE(made.error().message.contains("redirects")) << made.error().message;
}

TEST(Lookup, tries_the_next_host) {
    ScriptedBroker broker;
    auto client = client_of("pulsar://127.0.0.1:1,127.0.0.1:2," + broker.host_port());
    EXPECT_TRUE(produce(*client));
}

TEST(Open, tries_again_while_the_broker_is_not_ready) {
    std::atomic<int> asked = 0;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::PRODUCER || ++asked > 2) return false;
        session.send(
            testing::error_answer(command.producer().request_id(), proto::ServiceNotReady, "moving"));
        return true;
    });
    auto client = client_of(broker.url());
    EXPECT_TRUE(produce(*client));
    EXPECT_EQ(asked, 3);
}

TEST(Open, says_what_the_broker_refused) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() == BaseCommand::PRODUCER) {
            session.send(testing::error_answer(command.producer().request_id(), proto::TopicNotFound,
                                               "no such topic"));
        } else if (command.type() == BaseCommand::SUBSCRIBE) {
            session.send(
                testing::error_answer(command.subscribe().request_id(), proto::ConsumerBusy, "taken"));
        } else {
            return false;
        }
        return true;
    });
    auto client = client_of(broker.url());
    const auto producer = produce(*client);
    ASSERT_FALSE(producer);
    EXPECT_EQ(producer.error().code, ErrorCode::not_found);
    EXPECT_TRUE(producer.error().message.contains("persistent://public/default/t"))
        << producer.error().message;
    EXPECT_TRUE(producer.error().message.contains("no such topic"));
    const auto consumer = consume(*client);
    ASSERT_FALSE(consumer);
    EXPECT_EQ(consumer.error().code, ErrorCode::conflict);
}

TEST(Open, refuses_a_broker_that_wants_authentication) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::CONNECT) return false;
        BaseCommand challenge;
        challenge.set_type(BaseCommand::AUTH_CHALLENGE);
        challenge.mutable_authchallenge();
        session.send(challenge);
        return true;
    });
    auto client = client_of(broker.url());
    const auto producer = produce(*client);
    ASSERT_FALSE(producer);
    EXPECT_EQ(producer.error().code, ErrorCode::not_supported);
}

TEST(Connection, ends_one_that_does_not_answer_pings) {
    ScriptedBroker broker([&](Session&, const BaseCommand& command, const Bytes&) {
        return command.type() == BaseCommand::PING;
    });
    auto client = client_of(broker.url(), 20ms);
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    EXPECT_GE(broker.wait_for(BaseCommand::CONNECT, 2).size(), 2U);
    EXPECT_GE(broker.wait_for(BaseCommand::PRODUCER, 2).at(1).command.producer().epoch(), 1U);
}

TEST(Connection, survives_unreadable_frames) {
    std::atomic<int> sent = 0;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::PRODUCER || sent++ > 3) return false;
        const char* garbage[] = {"\0\0\0\6\0\0\0\2\xff\xff", "\0\0\0\2\0\0", "\0\0\0\7\xff\xff\xff\xff\1\2\3",
                                 "\x7f\xff\xff\xff"};
        const std::size_t sizes[] = {10, 6, 11, 4};
        const auto which = static_cast<std::size_t>(sent - 1);
        session.send_raw(std::string(garbage[which], sizes[which]));
        return true;
    });
    auto client = client_of(broker.url());
    EXPECT_TRUE(produce(*client));
    EXPECT_EQ(sent, 5);
}

// ---- producer

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

// ---- consumer

/// Gives `entries` to whoever asks for messages first.
struct Giver {
    std::vector<Bytes> entries;
    std::size_t next = 0;
    bool operator()(Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::FLOW) return false;
        for (; next < entries.size(); ++next)
            session.send_message(command.flow().consumer_id(), 1, next, entries[next]);
        return true;
    }
};

TEST(Consumer, groups_acks) {
    Giver giver;
    for (int i = 0; i < 200; ++i) giver.entries.push_back(entry_of("m"));
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    std::vector<MessageId> ids;
    while (ids.size() < 200) {
        const auto entries = (*consumer)->receive_entries(1U << 20, soon());
        ASSERT_TRUE(entries);
        for (const auto& entry : *entries) ids.push_back(entry.id);
    }
    (*consumer)->acknowledge(ids);
    const auto acks = broker.wait_for(BaseCommand::ACK, 1);
    ASSERT_EQ(acks.size(), 1U);
    EXPECT_EQ(acks[0].command.ack().message_id_size(), 200);
}

TEST(Consumer, skips_damaged_entries_and_says_so) {
    Giver giver;
    std::string damaged = entry_of("broken").str();
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    giver.entries = {entry_of("a"), Bytes::from(damaged), entry_of("b")};
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    EXPECT_EQ((*consumer)->receive(soon())->payload, "a");
    EXPECT_EQ((*consumer)->receive(soon())->payload, "b");
    const auto acks = broker.wait_for(BaseCommand::ACK, 1);
    ASSERT_EQ(acks.size(), 1U);
    EXPECT_EQ(acks[0].command.ack().validation_error(), proto::CommandAck::ChecksumMismatch);
    EXPECT_EQ(acks[0].command.ack().message_id(0).entryid(), 1U);
}

/// The entry with other metadata, and its checksum set right by leaving it away.
Bytes with_metadata(const std::function<void(proto::MessageMetadata&)>& change, const std::string& payload) {
    proto::MessageMetadata metadata;
    metadata.set_producer_name("p");
    metadata.set_sequence_id(1);
    metadata.set_publish_time(1);
    change(metadata);
    const std::string text = metadata.SerializeAsString();
    std::string entry(4, '\0');
    for (int i = 0; i < 4; ++i)
        entry[static_cast<std::size_t>(i)] = static_cast<char>(text.size() >> (24 - 8 * i));
    return Bytes::from(entry + text + payload);
}

TEST(Consumer, refuses_kinds_of_messages_by_name_and_goes_on) {
    Giver giver;
    giver.entries = {entry_of("a"),
                     with_metadata(
                         [](auto& m) {
                             m.add_encryption_keys()->set_key("k");
                             m.mutable_encryption_keys(0)->set_value("v");
                         },
                         "x"),
                     entry_of("b"),
                     with_metadata(
                         [](auto& m) {
                             m.set_uuid("u");
                             m.set_chunk_id(0);
                             m.set_num_chunks_from_msg(2);
                         },
                         "x"),
                     entry_of("c")};
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    EXPECT_EQ((*consumer)->receive(soon())->payload, "a");
    const auto encrypted = (*consumer)->receive(soon());
    ASSERT_FALSE(encrypted);
    EXPECT_EQ(encrypted.error().code, ErrorCode::not_supported);
    EXPECT_TRUE(encrypted.error().message.contains("encrypted")) << encrypted.error().message;
    EXPECT_EQ((*consumer)->receive(soon())->payload, "b");
    const auto chunked = (*consumer)->receive(soon());
    ASSERT_FALSE(chunked);
    EXPECT_TRUE(chunked.error().message.contains("chunked")) << chunked.error().message;
    EXPECT_EQ((*consumer)->receive(soon())->payload, "c");
}

TEST(Consumer, stands_metadata_that_lies) {
    Giver giver;
    giver.entries = {with_metadata([](auto& m) { m.set_num_messages_in_batch(2'000'000'000); }, "x"),
                     with_metadata([](auto& m) { m.set_num_messages_in_batch(-1); }, "x"),
                     with_metadata([](auto& m) { m.set_num_messages_in_batch(0); }, "x"),
                     with_metadata([](auto& m) { m.set_num_messages_in_batch(2); }, "\0\0\0\x7f!!!!!!"),
                     with_metadata(
                         [](auto& m) {
                             m.set_compression(proto::LZ4);
                             m.set_uncompressed_size(1U << 30);
                         },
                         "x"),
                     with_metadata(
                         [](auto& m) {
                             m.set_compression(proto::ZSTD);
                             m.set_uncompressed_size(10);
                         },
                         "x"),
                     Bytes(),
                     Bytes::literal("\x0e\x01"),
                     entry_of("good")};
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    const auto message = (*consumer)->receive(soon());
    ASSERT_TRUE(message) << message.error().message;
    EXPECT_EQ(message->payload, "good");
}

TEST(Consumer, gives_permits_back_by_halves) {
    Giver giver;
    for (int i = 0; i < 16; ++i) giver.entries.push_back(entry_of("m"));
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    ConsumerOptions options;
    options.receiver_queue_messages = 16;
    auto consumer = consume(*client, options);
    ASSERT_TRUE(consumer);
    for (int i = 0; i < 16; ++i) ASSERT_TRUE((*consumer)->receive(soon()));
    std::uint32_t permits = 0;
    for (const auto& flow : broker.wait_for(BaseCommand::FLOW, 2))
        permits += flow.command.flow().messagepermits();
    EXPECT_EQ(permits, 32U);
    EXPECT_LE(broker.count(BaseCommand::FLOW), 3U);
}

TEST(Consumer, acks_before_it_asks_for_more_after_a_reconnect) {
    Giver giver;
    giver.entries = {entry_of("a"), entry_of("b")};
    ScriptedBroker broker(std::ref(giver));
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    const auto a = (*consumer)->receive(soon());
    ASSERT_TRUE(a);
    broker.run([](Session* session) { session->close(); });
    broker.wait_for(BaseCommand::SUBSCRIBE, 2);
    (*consumer)->acknowledge(*a);
    EXPECT_EQ(broker.wait_for(BaseCommand::ACK, 1).size(), 1U);
    EXPECT_FALSE(
        (*consumer)->receive(Deadline::after(20ms)));  // "b" was dropped: the broker would send it again
}

}  // namespace
}  // namespace weft::pulsar
