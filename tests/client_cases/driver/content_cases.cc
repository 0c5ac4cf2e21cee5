// What goes in comes out: codecs, batches, metadata, sizes, numbers of topics.
#include <atomic>
#include <thread>

#include "case.h"

namespace weft::client_cases {
namespace {

constexpr int kMessages = 300;

/// Keys, properties, event times and ids survive the way through the broker, in order.
Result<> round_trip(Context& c, wire::Compression codec, ProducerOptions::Batching batching) {
    const std::string kind = batching == ProducerOptions::Batching::on ? "batched" : "single";
    const std::string topic = c.topic(str_cat("round-trip-", wire::name_of(codec), "-", kind));
    WEFT_TRY(auto in, consumer(c, topic));
    ProducerOptions options;
    options.compression = codec;
    options.batching = batching;
    options.batch_messages_max = 64;
    WEFT_TRY(auto out, producer(c, topic, options));

    std::vector<MessageId> ids(kMessages);
    std::atomic<int> refused = 0;
    for (int i = 0; i < kMessages; ++i) {
        const std::string payload =
            str_cat("payload ", i, " ", std::string(static_cast<std::size_t>(i % 50) * 20, 'x'));
        const std::string key = str_cat("key-", i % 7), number = str_cat(i);
        const wire::Property properties[] = {{"number", number}, {"empty", ""}};
        wire::OutgoingMessage message;
        message.payload = payload;
        if (i % 3 != 0) message.partition_key = key;
        if (i % 5 == 0) message.ordering_key = key;
        message.properties = properties;
        message.event_time_ms = 1000 + static_cast<std::uint64_t>(i);
        WEFT_TRY_VOID(out->send_async(
            message,
            [&, i](Result<MessageId> id) {
                if (id) {
                    ids[static_cast<std::size_t>(i)] = *id;
                } else {
                    ++refused;
                }
            },
            soon()));
    }
    WEFT_TRY_VOID(out->flush(soon()));
    EXPECT(refused == 0);
    WEFT_TRY(const auto messages, receive(*in, kMessages));
    for (int i = 0; i < kMessages; ++i) {
        const auto& message = messages[static_cast<std::size_t>(i)];
        EXPECT(message.payload.starts_with(str_cat("payload ", i, " ")), message.payload);
        EXPECT(message.payload.size() ==
               str_cat("payload ", i, " ").size() + static_cast<std::size_t>(i % 50) * 20);
        EXPECT(message.key.has_value() == (i % 3 != 0));
        if (message.key) EXPECT(*message.key == str_cat("key-", i % 7));
        EXPECT(message.ordering_key.has_value() == (i % 5 == 0));
        EXPECT(message.properties.size() == 2 && message.properties.at("number") == str_cat(i));
        EXPECT(message.event_time_ms == 1000 + static_cast<std::uint64_t>(i));
        EXPECT(message.producer_name == out->name());
        EXPECT(message.id == ids[static_cast<std::size_t>(i)], "got ", wire::to_string(message.id), " sent ",
               wire::to_string(ids[static_cast<std::size_t>(i)]));
        EXPECT((message.id.batch_index >= 0) == (batching == ProducerOptions::Batching::on));
        in->acknowledge(message);
    }
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->close(soon()));
    return out->close(soon());
}

Result<> large_message(Context& c) {
    const std::string topic = c.topic("large");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    std::string payload(5U << 20, 'p');
    for (std::size_t i = 0; i < payload.size(); i += 4096)
        payload[i] = static_cast<char>('a' + i / 4096 % 26);
    wire::OutgoingMessage message;
    message.payload = payload;
    WEFT_TRY(const auto id, out->send(message, soon()));
    WEFT_TRY(const auto got, in->receive(soon()));
    EXPECT(got.payload == payload);
    EXPECT(got.id == id);
    const std::string larger(6U << 20, 'p');
    message.payload = larger;
    const auto refused = out->send(message, soon());
    EXPECT(!refused && refused.error().code == ErrorCode::too_large);
    message.payload = "after";
    WEFT_TRY_VOID(out->send(message, soon()));
    WEFT_TRY(const auto after, in->receive(soon()));
    EXPECT(after.payload == "after");
    return {};
}

Result<> empty_and_null(Context& c) {
    const std::string topic = c.topic("empty");
    WEFT_TRY(auto in, consumer(c, topic));
    for (const auto batching : {ProducerOptions::Batching::on, ProducerOptions::Batching::off}) {
        ProducerOptions options;
        options.batching = batching;
        WEFT_TRY(auto out, producer(c, topic, options));
        wire::OutgoingMessage message;
        WEFT_TRY_VOID(out->send(message, soon()));
        message.null_value = true;
        WEFT_TRY_VOID(out->send(message, soon()));
        WEFT_TRY(const auto got, receive(*in, 2));
        EXPECT(got[0].payload.empty() && !got[0].null_value);
        EXPECT(got[1].payload.empty() && got[1].null_value);
    }
    return {};
}

Result<> many_topics(Context& c) {
    constexpr int kTopics = 60;
    std::vector<std::unique_ptr<Producer>> producers;
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (int i = 0; i < kTopics; ++i) {
        const auto topic = c.topic(str_cat("many-", i));
        WEFT_TRY(auto in, consumer(c, topic));
        WEFT_TRY(auto out, producer(c, topic));
        consumers.push_back(std::move(in));
        producers.push_back(std::move(out));
    }
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < kTopics; ++i) {
            const std::string payload = str_cat(i, "/", round);
            wire::OutgoingMessage message;
            message.payload = payload;
            WEFT_TRY_VOID(producers[static_cast<std::size_t>(i)]->send_async(message, {}, soon()));
        }
    }
    for (int i = 0; i < kTopics; ++i) {
        WEFT_TRY(const auto got, receive(*consumers[static_cast<std::size_t>(i)], 20));
        EXPECT(payloads(got) == numbers(0, 20, str_cat(i, "/")), joined(payloads(got)));
    }
    return {};
}

Result<> senders_in_threads(Context& c) {
    const std::string topic = c.topic("threads");
    WEFT_TRY(auto in, consumer(c, topic));
    ProducerOptions options;
    options.pending_messages_max = 500;  // so that they wait for room
    WEFT_TRY(auto out, producer(c, topic, options));
    constexpr int kThreads = 4, kEach = 5000;
    std::atomic<int> receipts = 0, failures = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                const std::string payload = str_cat(t, ":", i);
                wire::OutgoingMessage message;
                message.payload = payload;
                const auto sent = out->send_async(
                    message, [&](Result<MessageId> id) { ++(id ? receipts : failures); }, soon());
                if (!sent) ++failures;
            }
        });
    }
    std::vector<int> next(kThreads, 0);
    Result<> outcome;
    for (int i = 0; i < kThreads * kEach && outcome; ++i) {
        auto message = in->receive(soon());
        if (!message) {
            outcome = std::unexpected(std::move(message).error());
            break;
        }
        const int thread = std::atoi(message->payload.c_str());
        const int number = std::atoi(message->payload.c_str() + message->payload.find(':') + 1);
        if (number != next[static_cast<std::size_t>(thread)]++) {
            outcome = fail(ErrorCode::internal, "out of order: ", message->payload);
        }
        in->acknowledge(*message);
    }
    for (auto& thread : threads) thread.join();
    WEFT_TRY_VOID(std::move(outcome));
    WEFT_TRY_VOID(out->flush(soon()));
    EXPECT(receipts == kThreads * kEach && failures == 0);
    EXPECT(out->pending_messages() == 0);
    return {};
}

Result<> whole_entries(Context& c) {
    const std::string topic = c.topic("entries");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    for (int i = 0; i < 5; ++i) WEFT_TRY_VOID(send_batch(*out, 100));
    std::uint32_t messages = 0;
    std::vector<MessageId> ids;
    while (messages < 500) {
        WEFT_TRY(const auto entries, in->receive_entries(1U << 20, soon()));
        for (const auto& entry : entries) {
            EXPECT(entry.num_messages() == 100 && entry.ack_set.empty() && entry.consumer_tag == in->tag());
            wire::MessageReader reader(entry.metadata, entry.payload.view());
            wire::MessageView view;
            for (int i = 0; i < 100; ++i) {
                WEFT_TRY(const bool there, reader.next(view));
                EXPECT(there && view.payload == str_cat(i) && view.batch_index == i);
            }
            messages += entry.num_messages();
            ids.push_back(entry.id);
        }
    }
    in->acknowledge(ids);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    EXPECT(drain(*in).empty());
    return {};
}

}  // namespace

std::vector<Case> content_cases() {
    std::vector<Case> cases;
    for (const auto codec : {wire::Compression::none, wire::Compression::lz4, wire::Compression::zlib,
                             wire::Compression::zstd, wire::Compression::snappy}) {
        for (const auto batching : {ProducerOptions::Batching::on, ProducerOptions::Batching::off}) {
            cases.push_back({str_cat("round_trip_", wire::name_of(codec),
                                     batching == ProducerOptions::Batching::on ? "_batched" : "_single"),
                             [=](Context& c) { return round_trip(c, codec, batching); }});
        }
    }
    cases.push_back({"whole_entries", whole_entries});
    cases.push_back({"empty_and_null_payloads", empty_and_null});
    cases.push_back({"five_megabytes", large_message});
    cases.push_back({"many_topics", many_topics});
    cases.push_back({"senders_in_threads", senders_in_threads});
    return cases;
}

}  // namespace weft::client_cases
