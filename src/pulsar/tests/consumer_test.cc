// Acks, permits, and entries of all kinds, against a scripted broker.
#include <thread>

#include "pulsar/tests/protocol_fixture.h"

namespace weft::pulsar::testing {
namespace {

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

TEST(Consumer, claims_only_what_came_by_the_connection_that_is_there) {
    Giver giver;
    giver.entries = {entry_of("a"), entry_of("b")};
    bool answers = true;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes& entry) {
        if (command.type() != BaseCommand::ACK) return giver(session, command, entry);
        if (!answers) return true;
        BaseCommand answer;
        answer.set_type(BaseCommand::ACK_RESPONSE);
        answer.mutable_ackresponse()->set_consumer_id(command.ack().consumer_id());
        answer.mutable_ackresponse()->set_request_id(command.ack().request_id());
        session.send(answer);
        return true;
    });
    auto client = client_of(broker.url());
    auto consumer = consume(*client);
    ASSERT_TRUE(consumer);
    auto entries = (*consumer)->receive_entries(1, soon());
    ASSERT_TRUE(entries);
    ASSERT_TRUE((*consumer)->claim(*entries, soon()));
    EXPECT_EQ(entries->size(), 1U);
    EXPECT_EQ(broker.count(BaseCommand::ACK), 1U);

    entries = (*consumer)->receive_entries(1, soon());
    ASSERT_TRUE(entries);
    answers = false;
    std::jthread closing([&] {
        broker.wait_for(BaseCommand::ACK, 2);
        broker.run([](Session* session) { session->close(); });
    });
    EXPECT_FALSE((*consumer)->claim(*entries, soon())) << "no answer came";
    closing.join();
    broker.wait_for(BaseCommand::SUBSCRIBE, 2);
    ASSERT_TRUE((*consumer)->claim(*entries, soon()));
    EXPECT_TRUE(entries->empty()) << "another may have it by now";
    EXPECT_EQ(broker.count(BaseCommand::ACK), 2U);
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

TEST(Consumer, asks_once_for_the_messages_of_a_batch) {
    ScriptedBroker broker;
    auto client = client_of(broker.url());
    ConsumerOptions options;
    options.type = SubscriptionType::shared;
    options.negative_ack_delay = 300ms;
    auto consumer = consume(*client, options);
    ASSERT_TRUE(consumer);
    const auto nack = [&](std::uint64_t entry, std::int32_t index) {
        MessageId id;
        id.ledger = 1;
        id.entry = entry;
        id.batch_index = index;
        (*consumer)->negative_acknowledge(id);
        for (const Deadline next = Deadline::after(5ms); !next.passed();)
            std::this_thread::yield();  // each falls due at a time of its own
    };
    for (const std::int32_t index : {0, 1, 2}) nack(7, index);
    nack(8, 0);
    broker.wait_for(BaseCommand::REDELIVER_UNACKNOWLEDGED_MESSAGES, 2);
    std::vector<std::uint64_t> asked;
    for (const auto& seen : broker.wait_for(BaseCommand::REDELIVER_UNACKNOWLEDGED_MESSAGES, 2)) {
        for (const auto& id : seen.command.redeliverunacknowledgedmessages().message_ids())
            asked.push_back(id.entryid());
    }
    EXPECT_EQ(asked, (std::vector<std::uint64_t>{7, 8}));
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

TEST(Consumer, asks_each_time_before_it_subscribes_again) {
    ScriptedBroker broker;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::function<void()>> asked;
    const auto wait_for_ask = [&](std::size_t count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 20s, [&] { return asked.size() == count; });
    };
    ClientOptions options;
    options.service_url = broker.url();
    options.backoff_min = 1ms;
    options.before_return = [&](std::function<void()> admit) {
        const std::lock_guard lock(mutex);
        asked.push_back(std::move(admit));
        changed.notify_all();
    };
    auto client = Client::create(options);
    ASSERT_TRUE(client);
    auto consumer = consume(**client);
    ASSERT_TRUE(consumer) << "for the first time it need not ask";
    broker.run([](Session* session) { session->close(); });
    ASSERT_TRUE(wait_for_ask(1));
    broker.run([](Session* session) { session->close(); });
    ASSERT_TRUE(wait_for_ask(2)) << "it lost the connection while it waited";
    asked[0]();
    broker.run([](Session*) {});
    EXPECT_EQ(broker.count(BaseCommand::SUBSCRIBE), 1U) << "the answer to an earlier question";
    asked[1]();
    EXPECT_EQ(broker.wait_for(BaseCommand::SUBSCRIBE, 2).size(), 2U);
    consumer->reset();
}

}  // namespace
}  // namespace weft::pulsar::testing
