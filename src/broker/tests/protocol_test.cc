// The binary protocol: what goes in, what comes out.

#include <algorithm>
#include <map>
#include <random>

#include "broker/tests/broker_fixture.h"

namespace weft::broker {
namespace {

const std::string kTopic = "persistent://public/default/t";
using Sub = proto::CommandSubscribe;

struct ProtocolTest : testing::Test {
    store::SimFileSystem files;
    TestBroker broker{files};
    std::unique_ptr<TestClient> client = TestClient::connected(broker);

    std::string payload_of(const TestClient::Received& received) {
        const auto view = wire::read_entry(received.entry);
        return view ? view->payload.str() : "?";
    }
    // The payloads of the next messages.
    std::vector<std::string> take(TestClient& from, std::size_t count) {
        std::vector<std::string> payloads;
        for (std::size_t i = 0; i < count; ++i) payloads.push_back(payload_of(from.expect(Command::MESSAGE)));
        return payloads;
    }
};

TEST_F(ProtocolTest, receipt_comes_after_the_sync) {
    client->open_producer(kTopic);
    client->store(0, "first");
    files.hold_syncs();
    client->publish(1, TestClient::single("second", 1));
    files.wait_for_held_sync();
    EXPECT_TRUE(client->silent()) << "nothing is on the disk yet";
    files.release_syncs();
    EXPECT_EQ(client->expect(Command::SEND_RECEIPT).command.send_receipt().sequence_id(), 1U);
}

TEST_F(ProtocolTest, consumer_gets_only_what_is_durable) {
    client->subscribe({.topic = kTopic});
    client->flow(10);
    client->open_producer(kTopic);
    files.hold_syncs();
    client->publish(0, TestClient::single("m"));
    files.wait_for_held_sync();
    EXPECT_TRUE(client->silent());
    files.release_syncs();
    client->expect(Command::SEND_RECEIPT);
    EXPECT_EQ(take(*client, 1), std::vector<std::string>{"m"});
}

TEST_F(ProtocolTest, first_command_must_be_connect) {
    TestClient stranger(broker);
    stranger.send([] {
        auto ping = TestClient::make(Command::PING);
        ping.mutable_ping();
        return ping;
    }());
    EXPECT_TRUE(stranger.wait_for_close());
}

TEST_F(ProtocolTest, answers_a_ping) {
    auto ping = TestClient::make(Command::PING);
    ping.mutable_ping();
    client->send(ping);
    client->expect(Command::PONG);
}

void expect_sent_away(TestClient& client, const std::string& why) {
    const auto answer = client.expect(Command::ERROR).command;
    EXPECT_EQ(answer.error().error(), proto::NotAllowedError);
    EXPECT_EQ(answer.error().message(), why);
    EXPECT_TRUE(client.wait_for_close());
}

TEST(Strangers, give_way_where_there_is_no_room) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.connections_max = 2;
    TestBroker broker(files, options);
    const auto known = TestClient::connected(broker);
    TestClient silent(broker);
    const auto second = TestClient::connected(broker);
    expect_sent_away(silent, "Reached the maximum number of connections");
    TestClient late(broker);  // all that are there are known
    expect_sent_away(late, "Reached the maximum number of connections");
    second->disconnect();
    TestClient::connected(broker);
}

TEST(Strangers, are_counted_by_their_address) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.connections_per_address_max = 1;
    TestBroker broker(files, options);
    {
        const auto known = TestClient::connected(broker);
        TestClient more(broker);
        expect_sent_away(more, "Reached the maximum number of connections on address test");
    }
    TestClient::connected(broker);
}

TEST(KeepAlive, misses_a_client_after_one_interval_of_silence) {
    store::SimFileSystem files;
    constexpr Duration kInterval = 500ms;
    BrokerOptions options;
    options.keep_alive = kInterval;
    TestBroker broker{files, options};
    const SteadyTime before = steady_now();
    const auto client = TestClient::connected(broker);
    client->expect(Command::PING);
    EXPECT_TRUE(client->wait_for_close());
    const Duration silence = steady_now() - before;
    EXPECT_GE(silence, kInterval);
    EXPECT_LT(silence, 2 * kInterval);
}

TEST(KeepAlive, leaves_a_client_that_answers) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.keep_alive = 300ms;
    TestBroker broker{files, options};
    const auto client = TestClient::connected(broker);
    auto pong = TestClient::make(Command::PONG);
    pong.mutable_pong();
    for (int i = 0; i < 4; ++i) {  // two intervals
        client->expect(Command::PING);
        client->send(pong);
    }
}

TEST_F(ProtocolTest, names_the_command_it_does_not_serve) {
    auto command = TestClient::make(Command::NEW_TXN);
    command.mutable_newtxn()->set_request_id(77);
    client->send(command);
    const auto error = client->expect(Command::ERROR).command.error();
    EXPECT_EQ(error.request_id(), 77U);
    EXPECT_EQ(error.error(), proto::NotAllowedError);
    EXPECT_NE(error.message().find("NEW_TXN"), std::string::npos);
}

TEST_F(ProtocolTest, closes_on_a_frame_that_makes_no_sense) {
    client->send_frame("\x01\x02");
    client->expect(Command::ERROR);
    EXPECT_TRUE(client->wait_for_close());
}

TEST_F(ProtocolTest, survives_mutated_frames) {
    std::vector<std::string> frames;
    auto producer = TestClient::make(Command::PRODUCER);
    producer.mutable_producer()->set_topic(kTopic);
    producer.mutable_producer()->set_producer_id(1);
    producer.mutable_producer()->set_request_id(1);
    auto send = TestClient::make(Command::SEND);
    send.mutable_send()->set_producer_id(1);
    send.mutable_send()->set_sequence_id(0);
    auto subscribe = TestClient::make(Command::SUBSCRIBE);
    subscribe.mutable_subscribe()->set_topic(kTopic);
    subscribe.mutable_subscribe()->set_subscription("s");
    subscribe.mutable_subscribe()->set_subtype(Sub::Shared);
    subscribe.mutable_subscribe()->set_consumer_id(1);
    subscribe.mutable_subscribe()->set_request_id(2);
    auto ack = TestClient::make(Command::ACK);
    ack.mutable_ack()->set_consumer_id(1);
    ack.mutable_ack()->set_ack_type(proto::CommandAck::Individual);
    ack.mutable_ack()->add_message_id()->set_ledgerid(1);
    ack.mutable_ack()->mutable_message_id(0)->set_entryid(0);
    ack.mutable_ack()->mutable_message_id(0)->add_ack_set(5);
    auto flow = TestClient::make(Command::FLOW);
    flow.mutable_flow()->set_consumer_id(1);
    flow.mutable_flow()->set_messagepermits(100);
    auto seek = TestClient::make(Command::SEEK);
    seek.mutable_seek()->set_consumer_id(1);
    seek.mutable_seek()->set_request_id(9);
    seek.mutable_seek()->set_message_publish_time(1);
    const auto entry = TestClient::batch(3);
    for (const auto* command : {&producer, &subscribe, &flow, &send, &ack, &seek}) {
        const auto head = command == &send ? wire::encode_command_head(*command, entry.size())
                                           : wire::encode_command(*command);
        frames.push_back(
            str_cat(head.view().substr(4), command == &send ? entry.view() : std::string_view()));
    }
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        auto victim = TestClient::connected(broker);
        for (const auto& frame : frames) {
            auto mutated = frame;
            if (random() % 2 == 0) mutated[random() % mutated.size()] = static_cast<char>(random());
            if (random() % 8 == 0) mutated.resize(random() % mutated.size());
            victim->send_frame(mutated);
        }
    }
    auto other = TestClient::connected(broker);
    other->open_producer("persistent://public/default/still-there");
    other->store(0, "alive");
}

TEST_F(ProtocolTest, refuses_a_message_whose_checksum_is_wrong) {
    client->open_producer(kTopic);
    auto entry = TestClient::single("m").str();
    entry.back() = static_cast<char>(entry.back() ^ 1);
    client->publish(4, Bytes::from(entry));
    const auto error = client->expect(Command::SEND_ERROR).command.send_error();
    EXPECT_EQ(error.error(), proto::ChecksumError);
    EXPECT_EQ(error.sequence_id(), 4U);
}

TEST_F(ProtocolTest, refuses_a_message_that_is_too_large) {
    client->open_producer(kTopic);
    client->publish(0, TestClient::single(std::string((5U << 20) + (11U << 10), 'x')));
    EXPECT_EQ(client->expect(Command::SEND_ERROR).command.send_error().error(), proto::NotAllowedError);
}

TEST_F(ProtocolTest, gives_producers_names_that_differ) {
    const auto first = client->open_producer(kTopic, "", 1).producer_name();
    const auto second = client->open_producer(kTopic, "", 2).producer_name();
    EXPECT_EQ(first, "standalone-0-0");
    EXPECT_EQ(second, "standalone-0-1");
}

TEST_F(ProtocolTest, unknown_namespace_is_refused_by_metadata_lookup) {
    auto command = TestClient::make(Command::PARTITIONED_METADATA);
    command.mutable_partitionmetadata()->set_topic("persistent://public/nosuch/t");
    command.mutable_partitionmetadata()->set_request_id(1);
    client->send(command);
    const auto answer =
        client->expect(Command::PARTITIONED_METADATA_RESPONSE).command.partitionmetadataresponse();
    EXPECT_EQ(answer.error(), proto::TopicNotFound);
    EXPECT_EQ(answer.message(), "Namespace not found");
}

TEST_F(ProtocolTest, exclusive_subscription_takes_one_consumer) {
    client->subscribe({.topic = kTopic});
    auto other = TestClient::connected(broker);
    other->ask_to_subscribe({.topic = kTopic});
    const auto error = other->expect(Command::ERROR).command.error();
    EXPECT_EQ(error.error(), proto::ConsumerBusy);
    EXPECT_EQ(error.message(), "Exclusive consumer is already connected");
    other->ask_to_subscribe({.topic = kTopic, .type = Sub::Shared});
    EXPECT_EQ(other->expect(Command::ERROR).command.error().message(), "Subscription is of different type");
    client->expect(Command::PING);  // is it still there?
    client->disconnect();
    other->subscribe({.topic = kTopic});
}

TEST_F(ProtocolTest, permits_count_messages_and_a_batch_may_overshoot) {
    client->open_producer(kTopic);
    for (int i = 0; i < 3; ++i) {
        client->publish(static_cast<std::uint64_t>(i) * 10, TestClient::batch(10), 10);
        client->expect(Command::SEND_RECEIPT);
    }
    client->subscribe({.topic = kTopic});
    client->flow(1);
    client->expect(Command::MESSAGE);
    EXPECT_TRUE(client->silent()) << "nine messages over its permits";
    client->flow(9);
    EXPECT_TRUE(client->silent()) << "at zero";
    client->flow(1);
    client->expect(Command::MESSAGE);
}

TEST_F(ProtocolTest, unacked_messages_come_again_to_the_next_consumer) {
    client->open_producer(kTopic);
    std::vector<wire::MessageId> ids;
    for (std::uint64_t i = 0; i < 4; ++i) ids.push_back(client->store(i, str_cat("m", i)));
    client->subscribe({.topic = kTopic});
    client->flow(100);
    EXPECT_EQ(take(*client, 4), (std::vector<std::string>{"m0", "m1", "m2", "m3"}));
    client->acknowledge(ids[1]);
    client->expect(Command::ACK_RESPONSE);
    client->disconnect();
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic});
    other->flow(100);
    EXPECT_EQ(take(*other, 3), (std::vector<std::string>{"m0", "m2", "m3"}));
    other->acknowledge(ids[2], {}, 1, proto::CommandAck::Cumulative);
    other->expect(Command::ACK_RESPONSE);
    auto again = TestClient::make(Command::REDELIVER_UNACKNOWLEDGED_MESSAGES);
    again.mutable_redeliverunacknowledgedmessages()->set_consumer_id(1);
    other->send(again);
    EXPECT_EQ(take(*other, 1), std::vector<std::string>{"m3"});
}

TEST_F(ProtocolTest, shared_goes_round_and_counts_redeliveries) {
    auto other = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    other->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    other->flow(100);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    for (std::uint64_t i = 0; i < 4; ++i) producer->store(i, str_cat("m", i));
    auto got = take(*client, 2);
    const auto rest = take(*other, 2);
    got.insert(got.end(), rest.begin(), rest.end());
    std::ranges::sort(got);
    EXPECT_EQ(got, (std::vector<std::string>{"m0", "m1", "m2", "m3"}));
    auto again = TestClient::make(Command::REDELIVER_UNACKNOWLEDGED_MESSAGES);
    again.mutable_redeliverunacknowledgedmessages()->set_consumer_id(1);
    for (std::uint32_t round = 1; round < 3; ++round) {
        other->disconnect();  // the second round finds it gone: all goes to one
        client->send(again);
        bool counted = false;
        for (int i = 0; i < (round == 1 ? 4 : 4); ++i) {
            counted |= client->expect(Command::MESSAGE).command.message().redelivery_count() == round;
        }
        EXPECT_TRUE(counted);
    }
}

TEST_F(ProtocolTest, shared_delivers_delayed_messages_at_their_time) {
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    wire::OutgoingMessage message;
    message.payload = "late";
    const auto due = static_cast<std::int64_t>(wall_clock_ms()) + 50;
    producer->publish(0, *wire::encode_single(message, {.producer_name = "p", .deliver_at_ms = due}));
    producer->expect(Command::SEND_RECEIPT);
    producer->store(1, "now");
    EXPECT_EQ(take(*client, 2), (std::vector<std::string>{"now", "late"}));
    EXPECT_GE(static_cast<std::int64_t>(wall_clock_ms()), due);
}

TEST_F(ProtocolTest, shared_delivers_again_only_what_is_asked_for) {
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    std::vector<wire::MessageId> ids;
    for (std::uint64_t i = 0; i < 3; ++i) ids.push_back(producer->store(i, str_cat("m", i)));
    take(*client, 3);
    auto again = TestClient::make(Command::REDELIVER_UNACKNOWLEDGED_MESSAGES);
    again.mutable_redeliverunacknowledgedmessages()->set_consumer_id(1);
    auto& id = *again.mutable_redeliverunacknowledgedmessages()->add_message_ids();
    id.set_ledgerid(ids[1].ledger);
    id.set_entryid(ids[1].entry);
    client->send(again);
    const auto received = client->expect(Command::MESSAGE);
    EXPECT_EQ(payload_of(received), "m1");
    EXPECT_EQ(received.command.message().redelivery_count(), 1U);
    EXPECT_TRUE(client->silent());
    client->acknowledge(ids[1]);
    client->expect(Command::ACK_RESPONSE);
    client->send(again);
    EXPECT_TRUE(client->silent()) << "it is acked";
}

// A message with a key.
Bytes keyed(const std::string& key, const std::string& payload) {
    wire::OutgoingMessage message;
    message.payload = payload;
    message.partition_key = key;
    return *wire::encode_single(message, {.producer_name = "p"});
}

TEST_F(ProtocolTest, key_shared_keeps_a_key_with_one_consumer_and_in_order) {
    auto other = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .name = "one", .type = Sub::Key_Shared});
    other->subscribe({.topic = kTopic, .name = "two", .type = Sub::Key_Shared});
    client->flow(1000);
    other->flow(1000);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    for (std::uint64_t i = 0; i < 60; ++i) {
        producer->publish(i, keyed(str_cat("k", i % 20), str_cat(i)));
        producer->expect(Command::SEND_RECEIPT);
    }
    std::map<std::uint64_t, std::vector<std::uint64_t>> by_key;
    std::size_t counts[2] = {0, 0};
    for (auto* from : {client.get(), other.get()}) {
        std::map<std::uint64_t, std::vector<std::uint64_t>> here;
        while (!from->silent()) {
            here[0];
            const auto number = std::stoull(payload_of(from->expect(Command::MESSAGE)));
            here[number % 20 + 1].push_back(number);
            ++counts[from == client.get() ? 0 : 1];
        }
        here.erase(0);
        for (auto& [key, numbers] : here) {
            EXPECT_FALSE(by_key.contains(key)) << "a key in two places";
            EXPECT_TRUE(std::ranges::is_sorted(numbers));
            EXPECT_EQ(numbers.size(), 3U);
            by_key[key] = numbers;
        }
    }
    EXPECT_EQ(by_key.size(), 20U);
    EXPECT_GT(counts[0], 0U);
    EXPECT_GT(counts[1], 0U);
}

TEST_F(ProtocolTest, key_shared_moves_a_key_only_when_nothing_of_it_is_under_way) {
    client->subscribe({.topic = kTopic, .name = "one", .type = Sub::Key_Shared});
    client->flow(1000);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    std::vector<wire::MessageId> ids;
    const auto publish = [&](std::uint64_t number, const std::string& key) {
        producer->publish(number, keyed(key, str_cat(key, ":", number)));
        ids.push_back(
            TestClient::id_of(producer->expect(Command::SEND_RECEIPT).command.send_receipt().message_id()));
    };
    for (std::uint64_t i = 0; i < 40; ++i) publish(i, str_cat("k", i));
    take(*client, 40);
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic, .name = "two", .type = Sub::Key_Shared});
    other->flow(1000);
    for (std::uint64_t i = 0; i < 40; ++i) publish(40 + i, str_cat("k", i));
    std::size_t kept = 0;
    for (; !client->silent(); ++kept) client->expect(Command::MESSAGE);
    EXPECT_GT(kept, 0U);
    EXPECT_LT(kept, 40U) << "some of the keys are the other's now";
    EXPECT_TRUE(other->silent()) << "but the first ones are still under way";
    for (std::size_t i = 0; i < 40; ++i) {
        client->acknowledge(ids[i]);
        client->expect(Command::ACK_RESPONSE);
    }
    EXPECT_EQ(take(*other, 40 - kept).size(), 40 - kept);
    EXPECT_TRUE(client->silent());
}

TEST_F(ProtocolTest, key_shared_goes_past_a_slow_consumer_and_back) {
    auto other = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .name = "one", .type = Sub::Key_Shared});
    other->subscribe({.topic = kTopic, .name = "two", .type = Sub::Key_Shared});
    other->flow(1000);  // the first one gives no permits
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    for (std::uint64_t i = 0; i < 40; ++i) {
        producer->publish(i, keyed(str_cat("k", i % 20), str_cat(i)));
        producer->expect(Command::SEND_RECEIPT);
    }
    std::size_t got = 0;
    while (!other->silent()) {
        other->expect(Command::MESSAGE);
        ++got;
    }
    EXPECT_GT(got, 0U);
    EXPECT_LT(got, 40U);
    other->disconnect();  // what it had comes to the one that is left, in order
    client->flow(1000);
    std::map<std::uint64_t, std::uint64_t> last;
    for (const auto& payload : take(*client, 40)) {
        const auto number = std::stoull(payload);
        EXPECT_GE(number, last[number % 20]) << "order within a key";
        last[number % 20] = number;
    }
}

TEST_F(ProtocolTest, failover_tells_who_is_active) {
    client->subscribe({.topic = kTopic + "-partition-0", .name = "b", .type = Sub::Failover});
    EXPECT_TRUE(client->expect(Command::ACTIVE_CONSUMER_CHANGE).command.active_consumer_change().is_active());
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic + "-partition-0", .name = "a", .type = Sub::Failover});
    EXPECT_FALSE(
        client->expect(Command::ACTIVE_CONSUMER_CHANGE).command.active_consumer_change().is_active());
    EXPECT_TRUE(other->expect(Command::ACTIVE_CONSUMER_CHANGE).command.active_consumer_change().is_active());
    other->disconnect();
    EXPECT_TRUE(client->expect(Command::ACTIVE_CONSUMER_CHANGE).command.active_consumer_change().is_active());
}

TEST_F(ProtocolTest, acks_of_single_messages_add_up) {
    client->open_producer(kTopic);
    client->publish(0, TestClient::batch(4), 4);
    const auto id =
        TestClient::id_of(client->expect(Command::SEND_RECEIPT).command.send_receipt().message_id());
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    client->expect(Command::MESSAGE);
    client->acknowledge(id, {0b1110});
    client->expect(Command::ACK_RESPONSE);
    client->disconnect();
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic, .type = Sub::Shared});
    other->flow(100);
    const auto message = other->expect(Command::MESSAGE).command.message();
    ASSERT_EQ(message.ack_set_size(), 1);
    EXPECT_EQ(message.ack_set(0), 0b1110);
    other->acknowledge(id, {0b0001});
    other->expect(Command::ACK_RESPONSE);
    other->disconnect();
    auto third = TestClient::connected(broker);
    third->subscribe({.topic = kTopic, .type = Sub::Shared});
    third->flow(100);
    EXPECT_TRUE(third->silent()) << "all four are acked";
}

TEST_F(ProtocolTest, reader_starts_at_the_entry_it_names) {
    client->open_producer(kTopic);
    client->store(0, "m0");
    const auto second = client->store(1, "m1");
    client->store(2, "m2");
    client->subscribe({.topic = kTopic, .durable = false, .start = second});
    client->flow(100);
    EXPECT_EQ(take(*client, 2), (std::vector<std::string>{"m1", "m2"}));
    client->subscribe({.topic = kTopic,
                       .subscription = "all",
                       .id = 2,
                       .durable = false,
                       .start = wire::MessageId::earliest()});
    client->flow(100, 2);
    EXPECT_EQ(take(*client, 3), (std::vector<std::string>{"m0", "m1", "m2"}));
    client->subscribe({.topic = kTopic,
                       .subscription = "new",
                       .id = 3,
                       .earliest = false,
                       .durable = false,
                       .start = wire::MessageId::latest()});
    client->flow(100, 3);
    EXPECT_TRUE(client->silent());
}

TEST_F(ProtocolTest, last_message_id_names_the_last_of_a_batch) {
    client->subscribe({.topic = kTopic});
    auto command = TestClient::make(Command::GET_LAST_MESSAGE_ID);
    command.mutable_getlastmessageid()->set_consumer_id(1);
    command.mutable_getlastmessageid()->set_request_id(1);
    client->send(command);
    auto answer = client->expect(Command::GET_LAST_MESSAGE_ID_RESPONSE).command.getlastmessageidresponse();
    EXPECT_EQ(static_cast<std::int64_t>(answer.last_message_id().entryid()), -1);
    client->open_producer(kTopic);
    client->publish(0, TestClient::batch(7), 7);
    client->expect(Command::SEND_RECEIPT);
    client->send(command);
    answer = client->expect(Command::GET_LAST_MESSAGE_ID_RESPONSE).command.getlastmessageidresponse();
    EXPECT_EQ(answer.last_message_id().entryid(), 0U);
    EXPECT_EQ(answer.last_message_id().batch_index(), 6);
}

TEST_F(ProtocolTest, seek_sends_consumers_away_and_starts_there) {
    client->open_producer(kTopic);
    std::vector<wire::MessageId> ids;
    for (std::uint64_t i = 0; i < 3; ++i) ids.push_back(client->store(i, str_cat("m", i)));
    client->subscribe({.topic = kTopic});
    client->flow(100);
    take(*client, 3);
    client->acknowledge(ids[2], {}, 1, proto::CommandAck::Cumulative);
    client->expect(Command::ACK_RESPONSE);
    auto seek = TestClient::make(Command::SEEK);
    seek.mutable_seek()->set_consumer_id(1);
    seek.mutable_seek()->set_request_id(5);
    seek.mutable_seek()->mutable_message_id()->set_ledgerid(ids[1].ledger);
    seek.mutable_seek()->mutable_message_id()->set_entryid(ids[1].entry);
    client->send(seek);
    client->expect(Command::CLOSE_CONSUMER);
    client->expect(Command::SUCCESS);
    client->subscribe({.topic = kTopic});
    client->flow(100);
    EXPECT_EQ(take(*client, 2), (std::vector<std::string>{"m1", "m2"}));
}

TEST_F(ProtocolTest, slow_client_pauses_its_dispatch_only) {
    client->subscribe({.topic = kTopic});
    client->set_queued(async::FrameChannel::kWriteHighMark + 1);
    client->flow(100);
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic, .subscription = "other"});
    other->flow(100);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    producer->store(0, "m");
    EXPECT_EQ(take(*other, 1), std::vector<std::string>{"m"});
    EXPECT_TRUE(client->silent());
    client->set_queued(0);
    EXPECT_EQ(take(*client, 1), std::vector<std::string>{"m"});
}

TEST_F(ProtocolTest, close_producer_is_answered_behind_the_last_receipt) {
    client->open_producer(kTopic);
    files.hold_syncs();
    client->publish(0, TestClient::single("m"));
    files.wait_for_held_sync();
    auto close = TestClient::make(Command::CLOSE_PRODUCER);
    close.mutable_close_producer()->set_producer_id(1);
    close.mutable_close_producer()->set_request_id(3);
    client->send(close);
    EXPECT_TRUE(client->silent());
    files.release_syncs();
    client->expect(Command::SEND_RECEIPT);
    client->expect(Command::SUCCESS);
}

TEST_F(ProtocolTest, producer_that_waits_is_refused_when_another_one_fences) {
    client->ask_for_producer(kTopic, "a", proto::Exclusive, 1);
    client->expect(Command::PRODUCER_SUCCESS);
    const auto waiting = client->ask_for_producer(kTopic, "b", proto::WaitForExclusive, 2);
    EXPECT_FALSE(client->expect(Command::PRODUCER_SUCCESS).command.producer_success().producer_ready());
    auto other = TestClient::connected(broker);
    other->ask_for_producer(kTopic, "c", proto::ExclusiveWithFencing);
    EXPECT_EQ(other->expect(Command::PRODUCER_SUCCESS).command.producer_success().topic_epoch(), 1U);
    EXPECT_EQ(client->expect(Command::CLOSE_PRODUCER).command.close_producer().producer_id(), 1U);
    const auto error = client->expect(Command::ERROR).command.error();
    EXPECT_EQ(error.request_id(), waiting);
    EXPECT_EQ(error.error(), proto::ProducerFenced);
}

TEST_F(ProtocolTest, producer_makes_the_first_subscription_that_it_asks_for) {
    auto command = TestClient::make(Command::PRODUCER);
    auto& producer = *command.mutable_producer();
    producer.set_topic(kTopic);
    producer.set_producer_id(1);
    producer.set_request_id(1);
    producer.set_initial_subscription_name("undertaker");
    client->send(command);
    client->expect(Command::PRODUCER_SUCCESS);
    client->store(0, "dead");
    auto other = TestClient::connected(broker);
    other->subscribe({.topic = kTopic, .subscription = "undertaker", .earliest = false});
    other->flow(1);
    EXPECT_EQ(payload_of(other->expect(Command::MESSAGE)), "dead");
}

TEST_F(ProtocolTest, schema_versions_are_kept_and_found) {
    const auto open = [&](std::uint64_t id, const std::string& definition) {
        auto command = TestClient::make(Command::PRODUCER);
        auto& producer = *command.mutable_producer();
        producer.set_topic(kTopic);
        producer.set_producer_id(id);
        producer.set_request_id(id);
        producer.mutable_schema()->set_name("t");
        producer.mutable_schema()->set_type(proto::Schema::Json);
        producer.mutable_schema()->set_schema_data(definition);
        client->send(command);
        return client->expect(Command::PRODUCER_SUCCESS).command.producer_success().schema_version();
    };
    const auto first = open(1, "{\"a\":1}");
    const auto second = open(2, "{\"b\":1}");
    EXPECT_EQ(first, std::string(8, '\0'));
    EXPECT_NE(second, first);
    EXPECT_EQ(open(3, "{\"a\":1}"), first);
    auto get = TestClient::make(Command::GET_SCHEMA);
    get.mutable_getschema()->set_request_id(1);
    get.mutable_getschema()->set_topic(kTopic);
    client->send(get);
    const auto answer = client->expect(Command::GET_SCHEMA_RESPONSE).command.getschemaresponse();
    EXPECT_EQ(answer.schema_version(), second);
    EXPECT_EQ(answer.schema().schema_data(), "{\"b\":1}");
}

}  // namespace
}  // namespace weft::broker
