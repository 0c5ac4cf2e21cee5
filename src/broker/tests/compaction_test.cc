// Compaction: what is kept, who reads it, and what a crash leaves.

#include <gmock/gmock.h>

#include <thread>

#include "broker/compaction_keys.h"
#include "broker/tests/broker_fixture.h"

namespace weft::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Sub = proto::CommandSubscribe;
using Texts = std::vector<std::string>;

const std::string kTopic = "persistent://public/default/t";
const std::string kRest = "/admin/v2/persistent/public/default/t";

// ---- what is kept ----

Bytes batch_of(const std::vector<std::pair<std::string, std::string>>& messages) {
    wire::BatchBuilder builder;
    for (const auto& [key, payload] : messages) {
        wire::OutgoingMessage message;
        message.payload = payload;
        if (!key.empty()) message.partition_key = key;
        builder.add(message, builder.num_messages());
    }
    return *builder.seal({.producer_name = "p", .publish_time_ms = 1, .compression = wire::Compression::lz4});
}

TEST(CompactionKeys, keeps_the_newest_of_each_key_and_nothing_without_one) {
    CompactionKeys keys;
    ASSERT_TRUE(keys.take(0, TestClient::keyed("a", "1")));
    ASSERT_TRUE(keys.take(1, TestClient::keyed("b", "1")));
    ASSERT_TRUE(keys.take(2, TestClient::single("no key")));
    ASSERT_TRUE(keys.take(3, TestClient::keyed("a", "2")));
    ASSERT_TRUE(keys.take(4, TestClient::keyed("gone", "1")));
    ASSERT_TRUE(keys.take(5, TestClient::keyed("gone", "")));
    EXPECT_EQ(keys.messages(), 6U);
    EXPECT_THAT(keys.kept(), ElementsAre(KeptEntry{1, {0}}, KeptEntry{3, {0}}));
}

TEST(CompactionKeys, looks_into_batches) {
    CompactionKeys keys;
    ASSERT_TRUE(keys.take(0, batch_of({{"a", "1"}, {"b", "1"}, {"", "x"}, {"c", "1"}})));
    ASSERT_TRUE(keys.take(1, batch_of({{"a", "2"}, {"c", ""}})));
    EXPECT_THAT(keys.kept(), ElementsAre(KeptEntry{0, {1}}, KeptEntry{1, {0}}));
}

TEST(CompactionKeys, keeps_all_chunks_of_a_message) {
    const auto chunk = [](int id, std::string_view uuid) {
        proto::MessageMetadata metadata;
        metadata.set_producer_name("p");
        metadata.set_sequence_id(1);
        metadata.set_publish_time(1);
        metadata.set_partition_key("k");
        metadata.set_uuid(std::string(uuid));
        metadata.set_num_chunks_from_msg(2);
        metadata.set_chunk_id(id);
        const std::string bytes = metadata.SerializeAsString();
        std::string entry(3, '\0');
        entry.push_back(static_cast<char>(bytes.size()));
        return Bytes::from(entry + bytes + "part");
    };
    CompactionKeys keys;
    ASSERT_TRUE(keys.take(0, chunk(0, "old")));
    ASSERT_TRUE(keys.take(1, chunk(1, "old")));
    ASSERT_TRUE(keys.take(2, chunk(0, "new")));
    ASSERT_TRUE(keys.take(3, TestClient::keyed("other", "1")));
    ASSERT_TRUE(keys.take(4, chunk(1, "new")));
    EXPECT_THAT(keys.kept(), ElementsAre(KeptEntry{2, {0}}, KeptEntry{3, {0}}, KeptEntry{4, {0}}));
}

TEST(CompactionKeys, keeps_what_cannot_be_read) {
    CompactionKeys keys;
    ASSERT_TRUE(keys.take(7, Bytes::from("?")));
    EXPECT_THAT(keys.kept(), ElementsAre(KeptEntry{7, {}}));
}

/// "key version payload" without a key of its own.
std::optional<CompactionKey> key_in_payload(std::optional<std::string_view>, std::string_view payload) {
    if (payload.size() < 2) return std::nullopt;
    return CompactionKey{std::string(1, payload[0]), payload.ends_with('-'),
                         static_cast<std::uint64_t>(payload[1] - '0')};
}

TEST(CompactionKeys, counts_versions_and_keeps_removals_and_the_last_message_where_asked_to) {
    CompactionKeys keys(key_in_payload, {.from_ms = 1, .count_max = 1});
    ASSERT_TRUE(keys.take(0, TestClient::single("a5")));
    ASSERT_TRUE(keys.take(1, TestClient::single("a4")));  // older
    ASSERT_TRUE(keys.take(2, TestClient::single("b1")));
    ASSERT_TRUE(keys.take(3, TestClient::single("b2-")));  // one removal too many
    ASSERT_TRUE(keys.take(4, TestClient::single("c1")));
    ASSERT_TRUE(keys.take(5, TestClient::single("c2-")));
    ASSERT_TRUE(keys.take(6, TestClient::single("d3-")));
    ASSERT_TRUE(keys.take(7, TestClient::single("d0")));  // a new life
    ASSERT_TRUE(keys.take(8, TestClient::single("?")));
    EXPECT_THAT(keys.kept(),
                ElementsAre(KeptEntry{0, {0}}, KeptEntry{5, {0}}, KeptEntry{7, {0}}, KeptEntry{8, {0}}));

    CompactionKeys later(key_in_payload, {.from_ms = 2, .count_max = 10});
    ASSERT_TRUE(later.take(0, TestClient::single("b2-")));  // of a time that is over
    ASSERT_TRUE(later.take(1, TestClient::single("a1")));
    EXPECT_THAT(later.kept(), ElementsAre(KeptEntry{1, {0}}));
}

// ---- topics ----

std::string status_of(TestBroker& broker) { return broker.rest("GET", kRest + "/compaction").body; }

void compact(TestBroker& broker) {
    ASSERT_EQ(broker.rest("PUT", kRest + "/compaction").status, 204);
    const auto deadline = Deadline::after(kPatience);
    while (status_of(broker).contains("RUNNING") && !deadline.passed()) std::this_thread::yield();
    ASSERT_EQ(status_of(broker), R"({"status":"SUCCESS","lastError":""})");
}

void publish(TestClient& client, std::uint64_t& sequence, std::string_view key, std::string_view payload) {
    client.publish(sequence, TestClient::keyed(key, payload, sequence));
    ++sequence;
    client.expect(Command::SEND_RECEIPT);
}

struct Seen {
    wire::MessageId id;
    std::string text;  // "key=payload", the entry's messages
};
std::vector<std::string> texts_of(const Bytes& entry) {
    const auto read = wire::read_entry(entry);
    EXPECT_TRUE(read);
    const auto plain =
        wire::decompress(read->metadata.compression, read->payload, read->metadata.uncompressed_size);
    wire::MessageReader reader(read->metadata, plain->view());
    std::vector<std::string> texts;
    for (wire::MessageView message; reader.next(message).value_or(false);) {
        if (!message.compacted_out)
            texts.push_back(str_cat(message.partition_key.value_or(""), "=", message.payload));
    }
    return texts;
}

struct How {
    std::optional<wire::MessageId> start = {};
    bool compacted = false;
};
/// What a reader gets until nothing comes any more.
std::vector<Seen> read(TestBroker& broker, const How& how) {
    auto client = TestClient::connected(broker);
    client->subscribe({.topic = kTopic,
                       .subscription = "reader",
                       .durable = false,
                       .start = how.start,
                       .compacted = how.compacted});
    client->flow(10'000);
    // Behind everything there is: then it is all.
    std::vector<Seen> seen;
    auto ask = TestClient::make(Command::GET_LAST_MESSAGE_ID);
    ask.mutable_getlastmessageid()->set_consumer_id(1);
    ask.mutable_getlastmessageid()->set_request_id(client->next_request());
    client->send(ask);
    std::optional<wire::MessageId> last;
    while (true) {
        const auto received = client->next();
        if (received.command.type() == Command::GET_LAST_MESSAGE_ID_RESPONSE) {
            last = TestClient::id_of(received.command.getlastmessageidresponse().last_message_id());
        } else if (received.command.type() == Command::MESSAGE) {
            const auto id = TestClient::id_of(received.command.message().message_id());
            for (auto& text : texts_of(received.entry)) seen.push_back({id, std::move(text)});
        } else {
            ADD_FAILURE() << received.command.ShortDebugString();
            return seen;
        }
        if (last && (last->entry == ~0ULL || (!seen.empty() && seen.back().id.entry >= last->entry))) break;
    }
    EXPECT_TRUE(client->silent());
    return seen;
}
Texts texts(const std::vector<Seen>& seen) {
    Texts out;
    for (const auto& one : seen) out.push_back(one.text);
    return out;
}

TEST(Compaction, is_read_by_those_who_ask_for_it_and_the_log_behind_it) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    std::uint64_t sequence = 0;
    EXPECT_EQ(status_of(broker), R"({"status":"NOT_RUN","lastError":""})");
    publish(*client, sequence, "a", "1");
    publish(*client, sequence, "b", "1");
    publish(*client, sequence, "a", "2");
    publish(*client, sequence, "gone", "1");
    publish(*client, sequence, "gone", "");
    EXPECT_EQ(read(broker, {.compacted = true}).size(), 5U) << "nothing is compacted yet";
    compact(broker);
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"b=1", "a=2"}));
    EXPECT_EQ(texts(read(broker, {})), (Texts{"a=1", "b=1", "a=2", "gone=1", "gone="}));
    publish(*client, sequence, "b", "2");
    publish(*client, sequence, "b", "3");
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"b=1", "a=2", "b=2", "b=3"}));
    compact(broker);
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"a=2", "b=3"}));
    const auto stats = broker.rest("GET", kRest + "/stats").body;
    EXPECT_THAT(stats, HasSubstr("\"lastCompactionRemovedEventCount\":2"));
    EXPECT_THAT(broker.rest("GET", kRest + "/internalStats").body, HasSubstr("\"entries\":2"));
}

TEST(Compaction, leaves_of_a_batch_what_is_newest) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    client->publish(0, batch_of({{"a", "1"}, {"b", "1"}, {"c", "1"}}), 3);
    client->expect(Command::SEND_RECEIPT);
    client->publish(3, batch_of({{"a", "2"}, {"c", "2"}}), 2);
    client->expect(Command::SEND_RECEIPT);
    compact(broker);
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"b=1", "a=2", "c=2"}));
    client->publish(5, batch_of({{"c", ""}, {"b", "2"}}), 2);
    client->expect(Command::SEND_RECEIPT);
    compact(broker);
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"a=2", "b=2"}));
}

TEST(Compaction, a_reader_begins_inside_it) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    std::uint64_t sequence = 0;
    for (int round = 0; round < 2; ++round) {
        for (int key = 0; key < 40; ++key) publish(*client, sequence, str_cat("k", key), str_cat(round));
    }
    compact(broker);
    const auto all = read(broker, {.compacted = true});
    ASSERT_EQ(all.size(), 40U);
    EXPECT_EQ(all.front().id.entry, 40U);
    for (const std::size_t at : {0U, 1U, 17U, 39U}) {
        const auto rest = read(broker, {.start = all[at].id, .compacted = true});
        ASSERT_EQ(rest.size(), all.size() - at) << at;
        EXPECT_EQ(rest.front().text, all[at].text);
    }
    EXPECT_EQ(read(broker, {.start = wire::MessageId{all[0].id.ledger, 5, -1, -1}, .compacted = true}).size(),
              40U)
        << "one that was compacted out";
}

TEST(Compaction, a_durable_subscription_goes_on_behind_what_it_acked) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto producer = TestClient::connected(broker);
    producer->open_producer(kTopic);
    std::uint64_t sequence = 0;
    for (const char* key : {"a", "b", "a", "c"}) publish(*producer, sequence, key, str_cat(sequence));
    compact(broker);
    {
        auto client = TestClient::connected(broker);
        client->subscribe({.topic = kTopic, .compacted = true});
        client->flow(2);
        EXPECT_EQ(texts_of(client->expect(Command::MESSAGE).entry), (Texts{"b=1"}));
        const auto second = client->expect(Command::MESSAGE);
        EXPECT_EQ(texts_of(second.entry), (Texts{"a=2"}));
        client->acknowledge(TestClient::id_of(second.command.message().message_id()), {}, 1,
                            proto::CommandAck::Cumulative);
        client->expect(Command::ACK_RESPONSE);
    }
    publish(*producer, sequence, "d", "4");
    auto client = TestClient::connected(broker);
    client->subscribe({.topic = kTopic, .compacted = true});
    client->flow(10);
    EXPECT_EQ(texts_of(client->expect(Command::MESSAGE).entry), (Texts{"c=3"}));
    EXPECT_EQ(texts_of(client->expect(Command::MESSAGE).entry), (Texts{"d=4"}));
    EXPECT_TRUE(client->silent());
}

TEST(Compaction, begins_by_itself_past_the_namespaces_threshold) {
    store::SimFileSystem files;
    TestBroker broker(files);
    const std::string path = "/admin/v2/namespaces/public/default/compactionThreshold";
    EXPECT_EQ(broker.rest("GET", path).body, "");
    EXPECT_EQ(broker.rest("PUT", path, "-1").status, 412);
    EXPECT_EQ(broker.rest("PUT", path, "\"x\"").status, 412);
    EXPECT_EQ(broker.rest("PUT", path, "2000").status, 204);
    EXPECT_EQ(broker.rest("GET", path).body, "2000");
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    std::uint64_t sequence = 0;
    publish(*client, sequence, "a", std::string(900, 'x'));
    publish(*client, sequence, "a", std::string(900, 'y'));
    EXPECT_EQ(status_of(broker), R"({"status":"NOT_RUN","lastError":""})");
    publish(*client, sequence, "a", std::string(900, 'z'));
    const auto deadline = Deadline::after(kPatience);
    while (!status_of(broker).contains("SUCCESS") && !deadline.passed()) std::this_thread::yield();
    EXPECT_THAT(status_of(broker), HasSubstr("SUCCESS"));
    EXPECT_EQ(broker.rest("DELETE", path).status, 204);
    EXPECT_EQ(broker.rest("GET", path).body, "");
}

TEST(Compaction, a_topic_that_is_kept_compacted_outlives_its_log) {
    BrokerOptions options;
    options.kept_compacted[kTopic] = {.key_of = key_in_payload};
    store::SimFileSystem files;
    std::unique_ptr<store::SimFileSystem> crashed;
    {
        TestBroker broker(files, options);
        auto client = TestClient::connected(broker);
        client->open_producer(kTopic);
        wire::MessageId last;
        std::uint64_t sequence = 0;
        for (const char* text : {"a1", "b1", "a2", "b2-", "c1", "a3"}) {
            wire::OutgoingMessage message;
            message.payload = text;
            client->publish(sequence, *wire::encode_single(message, {.producer_name = "p",
                                                                     .sequence_id = sequence,
                                                                     .publish_time_ms = wall_clock_ms()}));
            ++sequence;
            last =
                TestClient::id_of(client->expect(Command::SEND_RECEIPT).command.send_receipt().message_id());
        }
        compact(broker);
        EXPECT_EQ(texts(read(broker, {})), (Texts{"=b2-", "=c1", "=a3"}))
            << "whoever begins at the beginning";
        const wire::MessageId second{last.ledger, 1, -1, -1};
        EXPECT_EQ(texts(read(broker, {.start = second})), (Texts{"=b1", "=a2", "=b2-", "=c1", "=a3"}))
            << "who goes on from where he was misses nothing";
        broker.run([&] { broker.store().trim(last.ledger, 6); });
        EXPECT_EQ(texts(read(broker, {})), (Texts{"=b2-", "=c1", "=a3"})) << "without a log";
        EXPECT_EQ(texts(read(broker, {.start = wire::MessageId{last.ledger, 4, -1, -1}})),
                  (Texts{"=c1", "=a3"}));
        client->store(7, "c2");
        EXPECT_EQ(texts(read(broker, {})), (Texts{"=b2-", "=c1", "=a3", "=c2"}));
        crashed = files.durable_only();
    }
    TestBroker broker(*crashed, options);
    EXPECT_EQ(texts(read(broker, {})), (Texts{"=b2-", "=c1", "=a3", "=c2"}));
    compact(broker);
    EXPECT_EQ(texts(read(broker, {})), (Texts{"=b2-", "=a3", "=c2"}));
}

// Of whatever a crash leaves a reader gets the same keys and values, and no ledger is left behind.
TEST(Compaction, a_crash_leaves_the_old_or_the_new) {
    unsigned images = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        store::SimFileSystem files;
        std::unique_ptr<store::SimFileSystem> crashed;
        {
            TestBroker broker(files);
            auto client = TestClient::connected(broker);
            client->open_producer(kTopic);
            std::uint64_t sequence = 0;
            for (int round = 0; round < 3; ++round) {
                for (int key = 0; key < 20; ++key)
                    publish(*client, sequence, str_cat("k", key), str_cat(round));
            }
            compact(broker);
            for (int key = 0; key < 10; ++key) publish(*client, sequence, str_cat("k", key), "new");
            files.at_call(seed / 2 + 1, [&](const store::SimFileSystem& now) {
                if (!crashed) crashed = seed % 2 == 0 ? now.after_crash(seed) : now.after_kill();
            });
            compact(broker);
        }
        if (!crashed) continue;
        ++images;
        TestBroker broker(*crashed);
        std::map<std::string, std::string> table;
        for (const auto& seen : read(broker, {.compacted = true}))
            table[seen.text.substr(0, seen.text.find('='))] = seen.text;
        ASSERT_EQ(table.size(), 20U) << "seed " << seed;
        for (int key = 0; key < 20; ++key) {
            const auto name = str_cat("k", key);
            EXPECT_EQ(table[name], str_cat(name, '=', key < 10 ? "new" : "2")) << "seed " << seed;
        }
        broker.run([&] {
            unsigned known = 0;
            for (store::LedgerId id = 1; id < 20; ++id) known += broker.store().info(id) ? 1 : 0;
            EXPECT_EQ(known, 2U) << "the topic's, and what it was compacted to; seed " << seed;
            EXPECT_EQ(broker.store().map().lower_bound("compacting/"),
                      broker.store().map().lower_bound("compacting0"));
        });
    }
    EXPECT_GT(images, 8U);
}

TEST(Compaction, says_why_it_failed_and_leaves_the_topic_as_it_was) {
    store::SimFileSystem files;
    TestBroker broker(files);
    auto client = TestClient::connected(broker);
    client->open_producer(kTopic);
    std::uint64_t sequence = 0;
    publish(*client, sequence, "a", "1");
    publish(*client, sequence, "a", "2");
    compact(broker);
    publish(*client, sequence, "b", "1");
    files.fail(store::SimFileSystem::Call::write, 1, ErrorCode::io, 1);
    ASSERT_EQ(broker.rest("PUT", kRest + "/compaction").status, 204);
    const auto deadline = Deadline::after(kPatience);
    while (status_of(broker).contains("RUNNING") && !deadline.passed()) std::this_thread::yield();
    EXPECT_THAT(status_of(broker), HasSubstr("\"ERROR\""));
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"a=2", "b=1"}));
    compact(broker);
    EXPECT_EQ(texts(read(broker, {.compacted = true})), (Texts{"a=2", "b=1"}));
}

}  // namespace
}  // namespace weft::broker
