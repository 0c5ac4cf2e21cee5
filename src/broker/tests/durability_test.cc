// What a restart brings back, what limits hold, and what happens when the disk doesn't.

#include <future>
#include <set>
#include <thread>

#include "broker/tests/broker_fixture.h"

namespace weft::broker {
namespace {

const std::string kTopic = "persistent://public/default/t";
using Sub = proto::CommandSubscribe;

// Asks until the condition holds; the loop turns in between.
bool eventually(TestBroker& broker, const std::function<bool()>& condition) {
    const auto deadline = Deadline::after(kPatience);
    while (!deadline.passed()) {
        if (condition()) return true;
        broker.run([] {});
        std::this_thread::yield();
    }
    return false;
}

TEST(BrokerRestart, brings_back_messages_cursors_schemas_and_tenants) {
    store::SimFileSystem files;
    std::unique_ptr<store::SimFileSystem> crashed;
    wire::MessageId batch_id;
    {
        BrokerOptions options;
        options.cursor_flush = 1ms;
        TestBroker broker(files, options);
        auto client = TestClient::connected(broker);
        client->subscribe({.topic = kTopic, .type = Sub::Shared});
        client->flow(100);
        client->open_producer(kTopic);
        const auto first = client->store(0, "m0");
        client->expect(Command::MESSAGE);
        client->publish(1, TestClient::batch(3), 3);
        batch_id =
            TestClient::id_of(client->expect(Command::SEND_RECEIPT).command.send_receipt().message_id());
        client->expect(Command::MESSAGE);
        client->acknowledge(first);
        client->expect(Command::ACK_RESPONSE);
        client->acknowledge(batch_id, {0b110});
        client->expect(Command::ACK_RESPONSE);
        EXPECT_EQ(
            broker.rest("PUT", "/admin/v2/tenants/acme", R"({"allowedClusters":["standalone"]})").status,
            204);
        // The cursor is on disk when nothing but what was synced shows it.
        EXPECT_TRUE(eventually(broker, [&] {
            auto image = files.durable_only();
            TestBroker other(*image);
            const auto stats = other.rest("GET", "/admin/v2/persistent/public/default/t/internalStats").body;
            return stats.find(str_cat("\"markDeletePosition\":\"", first.ledger, ":0\"")) !=
                   std::string::npos;
        }));
        crashed = files.durable_only();
    }
    TestBroker broker(*crashed);
    EXPECT_EQ(broker.rest("GET", "/admin/v2/tenants").body, R"(["acme","public"])");
    auto client = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    const auto message = client->expect(Command::MESSAGE).command.message();
    EXPECT_EQ(TestClient::id_of(message.message_id()), batch_id);
    ASSERT_EQ(message.ack_set_size(), 1);
    EXPECT_EQ(message.ack_set(0), 0b110);
    EXPECT_EQ(client->open_producer(kTopic).producer_name(), "standalone-1-0") << "no name is given twice";
    EXPECT_EQ(client->store(0, "next").entry, batch_id.entry + 1);
}

TEST(BrokerRestart, loses_no_message_it_gave_a_receipt_for) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        store::SimFileSystem files;
        std::unique_ptr<store::SimFileSystem> crashed;
        std::uint64_t stored = 0;
        {
            TestBroker broker(files);
            auto client = TestClient::connected(broker);
            client->open_producer(kTopic);
            for (; stored < 20 + seed; ++stored) client->store(stored, str_cat("m", stored));
            client->publish(stored, TestClient::single("unconfirmed"));
            crashed = files.after_crash(seed);
        }
        TestBroker broker(*crashed);
        auto client = TestClient::connected(broker);
        client->subscribe({.topic = kTopic});
        client->flow(1000);
        for (std::uint64_t i = 0; i < stored; ++i) {
            const auto received = client->expect(Command::MESSAGE);
            ASSERT_EQ(wire::read_entry(received.entry)->payload.view(), str_cat("m", i)) << "seed " << seed;
        }
    }
}

TEST(BrokerRestart, an_epoch_is_on_the_disk_before_its_producer_knows_it) {
    store::SimFileSystem files;
    std::unique_ptr<store::SimFileSystem> crashed;
    {
        TestBroker broker(files);
        auto client = TestClient::connected(broker);
        client->open_producer(kTopic, "first");
        client->close_producer();
        files.hold_syncs();
        client->ask_for_producer(kTopic, "second", proto::Exclusive);
        EXPECT_TRUE(client->silent()) << "before it is on the disk";
        files.release_syncs();
        EXPECT_EQ(client->expect(Command::PRODUCER_SUCCESS).command.producer_success().topic_epoch(), 0U);
        crashed = files.durable_only();
    }
    TestBroker broker(*crashed);
    auto client = TestClient::connected(broker);
    client->ask_for_producer(kTopic, "third", proto::Exclusive);
    EXPECT_EQ(client->expect(Command::PRODUCER_SUCCESS).command.producer_success().topic_epoch(), 1U);
}

TEST(BrokerRestart, an_ack_that_was_answered_is_not_taken_back) {
    store::SimFileSystem files;
    std::unique_ptr<store::SimFileSystem> crashed;
    {
        BrokerOptions options;
        options.cursor_flush = 1h;  // nothing but the ack itself writes the cursor
        TestBroker broker(files, options);
        auto client = TestClient::connected(broker);
        client->subscribe({.topic = kTopic, .type = Sub::Shared});
        client->flow(100);
        client->open_producer(kTopic);
        std::vector<wire::MessageId> ids;
        for (std::uint64_t i = 0; i < 4; ++i) {
            ids.push_back(client->store(i, str_cat("m", i)));
            client->expect(Command::MESSAGE);
        }
        files.hold_syncs();
        client->acknowledge(ids[0]);
        client->acknowledge(ids[2]);
        client->acknowledge(ids[1]);
        EXPECT_TRUE(client->silent()) << "before it is on the disk";
        files.release_syncs();
        for (int i = 0; i < 3; ++i) client->expect(Command::ACK_RESPONSE);
        crashed = files.durable_only();
    }
    TestBroker broker(*crashed);
    auto client = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    EXPECT_EQ(wire::read_entry(client->expect(Command::MESSAGE).entry)->payload.view(), "m3");
    EXPECT_TRUE(client->silent());
}

TEST(BrokerRestart, an_ack_of_a_failover_consumer_that_is_not_active_any_more_is_not_confirmed) {
    store::SimFileSystem files;
    TestBroker broker(files);
    const std::string topic = kTopic + "-partition-0";  // its active consumer is the first by name
    auto first = TestClient::connected(broker);
    first->open_producer(topic);
    const auto id = first->store(0, "m");
    first->subscribe({.topic = topic, .name = "b", .type = Sub::Failover});
    first->expect(Command::ACTIVE_CONSUMER_CHANGE);
    first->flow(100);
    first->expect(Command::MESSAGE);
    auto second = TestClient::connected(broker);
    second->subscribe({.topic = topic, .name = "a", .type = Sub::Failover});
    first->expect(Command::ACTIVE_CONSUMER_CHANGE);
    first->acknowledge(id);
    EXPECT_TRUE(first->expect(Command::ACK_RESPONSE).command.ackresponse().has_error());
}

TEST(BrokerLimits, unacked_messages_stop_a_shared_consumer_until_half_are_acked) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.unacked_per_consumer_max = 4;
    TestBroker broker(files, options);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    std::vector<wire::MessageId> ids;
    for (std::uint64_t i = 0; i < 8; ++i) ids.push_back(client->store(i, "m"));
    client->subscribe({.topic = kTopic, .type = Sub::Shared});
    client->flow(100);
    for (int i = 0; i < 4; ++i) client->expect(Command::MESSAGE);
    EXPECT_TRUE(client->silent());
    client->acknowledge(ids[0]);
    client->expect(Command::ACK_RESPONSE);
    EXPECT_TRUE(client->silent()) << "not yet below half";
    client->acknowledge(ids[1]);
    client->expect(Command::MESSAGE);
    client->expect(Command::MESSAGE);
    client->expect(Command::ACK_RESPONSE);
}

TEST(BrokerLimits, publishers_are_not_read_while_too_much_waits_for_the_disk) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.pending_publish_bytes_max = 1500;  // an entry counts for a little more than its size
    TestBroker broker(files, options);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    files.hold_syncs();
    client->publish(0, TestClient::single(std::string(600, 'x')));
    EXPECT_TRUE(client->is_read());
    client->publish(1, TestClient::single(std::string(600, 'x')));
    EXPECT_FALSE(client->is_read());
    files.release_syncs();
    client->expect(Command::SEND_RECEIPT);
    client->expect(Command::SEND_RECEIPT);
    EXPECT_TRUE(client->is_read());
}

TEST(BrokerLimits, publisher_that_does_not_read_its_receipts_is_not_read) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    client->set_queued(async::FrameChannel::kWriteHighMark + 1);
    client->publish(0, TestClient::single("m"));
    client->expect(Command::SEND_RECEIPT);
    EXPECT_FALSE(client->is_read());
    client->set_queued(0);
    EXPECT_TRUE(client->is_read());
}

TEST(BrokerFaults, failed_write_is_an_error_for_the_client_and_heals) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    client->store(0, "m0");
    files.fail(store::SimFileSystem::Call::sync, 1, ErrorCode::io);
    client->publish(1, TestClient::single("m1"));
    const auto error = client->expect(Command::SEND_ERROR).command.send_error();
    EXPECT_EQ(error.error(), proto::PersistenceError);
    EXPECT_EQ(error.sequence_id(), 1U);
    EXPECT_TRUE(client->wait_for_close()) << "so that the client sends again, in order";
    auto again = TestClient::connected(broker);
    again->open_producer(kTopic);
    again->store(1, "m1");
    again->subscribe({.topic = kTopic});
    again->flow(10);
    EXPECT_EQ(wire::read_entry(again->expect(Command::MESSAGE).entry)->payload.view(), "m0");
    EXPECT_EQ(wire::read_entry(again->expect(Command::MESSAGE).entry)->payload.view(), "m1");
}

TEST(BrokerFaults, cursor_that_could_not_be_written_is_written_later) {
    store::SimFileSystem files;
    BrokerOptions options;
    options.cursor_flush = 1ms;
    TestBroker broker(files, options);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    const auto id = client->store(0, "m0");
    client->subscribe({.topic = kTopic});
    client->flow(1);
    client->expect(Command::MESSAGE);
    files.fail(store::SimFileSystem::Call::sync, 1, ErrorCode::io, 3);
    client->acknowledge(id);
    client->expect(Command::ACK_RESPONSE);
    EXPECT_TRUE(eventually(broker, [&] {
        auto image = files.durable_only();
        TestBroker other(*image);
        const auto stats = other.rest("GET", "/admin/v2/persistent/public/default/t/internalStats").body;
        return stats.find(str_cat("\"markDeletePosition\":\"", id.ledger, ":0\"")) != std::string::npos;
    }));
}

TEST(BrokerUnload, confirms_what_it_has_taken_and_sends_everyone_away) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    client->subscribe({.topic = kTopic, .type = Sub::Failover, .id = 1});
    client->expect(Command::ACTIVE_CONSUMER_CHANGE);
    client->subscribe({.topic = kTopic, .name = "later", .type = Sub::Failover, .id = 2});
    while (!client->silent()) client->expect(Command::ACTIVE_CONSUMER_CHANGE);
    files.hold_syncs();
    client->publish(0, TestClient::single("taken"));
    auto unloaded = std::async(std::launch::async, [&] {
        return broker.rest("PUT", "/admin/v2/persistent/public/default/t/unload").status;
    });
    EXPECT_TRUE(eventually(broker, [&] {
        auto other = TestClient::connected(broker);
        other->ask_for_producer(kTopic, "other", proto::Shared);
        return other->next().command.type() == Command::ERROR;
    })) << "nobody new is served meanwhile";
    client->publish(1, TestClient::single("too late"));
    files.release_syncs();
    EXPECT_EQ(client->expect(Command::SEND_RECEIPT).command.send_receipt().sequence_id(), 0U);
    std::multiset<Command::Type> told;
    for (int i = 0; i < 3; ++i) told.insert(client->next().command.type());
    EXPECT_EQ(told,
              (std::multiset{Command::CLOSE_PRODUCER, Command::CLOSE_CONSUMER, Command::CLOSE_CONSUMER}))
        << "nobody is told to be active for a moment";
    EXPECT_EQ(unloaded.get(), 204);
    client->open_producer(kTopic);
    EXPECT_EQ(client->store(1, "again").entry, 1U);
}

TEST(BrokerDelete, forced_delete_sends_everyone_away_and_forgets) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    client->store(0, "old");
    client->subscribe({.topic = kTopic});
    const std::string path = "/admin/v2/persistent/public/default/t";
    const auto refused = broker.rest("DELETE", path);
    EXPECT_EQ(refused.status, 412);
    EXPECT_EQ(refused.body, R"({"reason":"Topic has 2 connected producers/consumers"})");
    broker.run([] {});
    http::Router router;
    broker.broker().add_routes(router);
    http::Request request;
    request.method = "DELETE";
    request.path = request.raw_path = path;
    request.query["force"] = "true";
    EXPECT_EQ(router.handle(request).status, 204);
    client->expect(Command::CLOSE_CONSUMER);
    client->expect(Command::CLOSE_PRODUCER);
    client->subscribe({.topic = kTopic});
    client->flow(10);
    EXPECT_TRUE(client->silent()) << "a new topic of the same name is empty";
}

}  // namespace
}  // namespace weft::broker
