// What is acked, what comes again.
#include <cstdlib>

#include "case.h"

namespace weft::client_cases {
namespace {

Result<> nack_redelivers(Context& c, SubscriptionType type) {
    const std::string topic = c.topic(str_cat("nack-", static_cast<int>(type)));
    auto options = subscription("s", type);
    options.negative_ack_delay = 100ms;
    WEFT_TRY(auto in, consumer(c, topic, options));
    ProducerOptions single;
    single.batching = ProducerOptions::Batching::off;
    WEFT_TRY(auto out, producer(c, topic, single));
    WEFT_TRY_VOID(send_numbers(*out, 10));
    WEFT_TRY(const auto got, receive(*in, 10));
    for (std::size_t i = 0; i < 10; ++i) {
        if (i % 2 == 0) {
            in->acknowledge(got[i]);
        } else {
            in->negative_acknowledge(got[i].id);
        }
    }
    WEFT_TRY(const auto again, receive(*in, 5));
    std::set<std::string> names;
    for (const auto& message : again) {
        names.insert(message.payload);
        if (type == SubscriptionType::shared) EXPECT(message.redelivery_count >= 1);
        in->acknowledge(message);
    }
    EXPECT(names == (std::set<std::string>{"1", "3", "5", "7", "9"}), joined(payloads(again)));
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    EXPECT(drain(*in).empty());
    return {};
}

/// Single messages of a batch are acked; the entry comes again; only the others are seen. True on brokers
/// that keep the bits and on those that don't (as Pulsar is shipped).
Result<> batch_index_ack(Context& c, SubscriptionType type) {
    const std::string topic = c.topic(str_cat("batch-ack-", static_cast<int>(type)));
    auto options = subscription("s", type);
    options.negative_ack_delay = Duration::zero();
    WEFT_TRY(auto in, consumer(c, topic, options));
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_batch(*out, 10));
    WEFT_TRY(const auto got, receive(*in, 10));
    EXPECT(got[9].id.batch_index == 9 && got[9].batch_size == 10);
    for (const std::size_t i : {0U, 1U, 2U, 5U, 9U}) in->acknowledge(got[i]);
    in->negative_acknowledge(got[3].id);
    WEFT_TRY(const auto again, receive(*in, 5));
    EXPECT(payloads(again) == (std::vector<std::string>{"3", "4", "6", "7", "8"}), joined(payloads(again)));
    for (const auto& message : again) in->acknowledge(message);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    EXPECT(drain(*in).empty());
    WEFT_TRY_VOID(in->close(soon()));
    WEFT_TRY(auto next, consumer(c, topic, options));
    EXPECT(drain(*next).empty());
    return {};
}

Result<> part_of_a_batch_survives_reconnect(Context& c) {
    const std::string topic = c.topic("batch-ack-reconnect");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_batch(*out, 10));
    WEFT_TRY(const auto got, receive(*in, 10));
    for (std::size_t i = 0; i < 7; ++i) in->acknowledge(got[i]);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(cut_connections(c.service_url));
    WEFT_TRY(const auto again, receive(*in, 3));
    EXPECT(payloads(again) == numbers(7, 10), joined(payloads(again)));
    return {};
}

Result<> cumulative_ack(Context& c) {
    const std::string topic = c.topic("cumulative");
    WEFT_TRY(auto in, consumer(c, topic));
    ProducerOptions single;
    single.batching = ProducerOptions::Batching::off;
    WEFT_TRY(auto out, producer(c, topic, single));
    WEFT_TRY_VOID(send_numbers(*out, 10));
    WEFT_TRY(const auto got, receive(*in, 10));
    in->acknowledge_cumulative(got[5].id);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    WEFT_TRY(const auto again, receive(*in, 4));
    EXPECT(payloads(again) == numbers(6, 10), joined(payloads(again)));
    in->acknowledge_cumulative(again.back().id);
    WEFT_TRY_VOID(in->flush_acks(soon()));

    WEFT_TRY_VOID(send_batch(*out, 10));  // and inside of a batch
    WEFT_TRY(const auto batch, receive(*in, 10));
    in->acknowledge_cumulative(batch[6].id, batch[6].batch_size);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    WEFT_TRY(const auto rest, receive(*in, 3));
    EXPECT(payloads(rest) == numbers(7, 10), joined(payloads(rest)));
    in->acknowledge_cumulative(rest.back().id, rest.back().batch_size);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    EXPECT(drain(*in).empty());
    return {};
}

Result<> ack_timeout(Context& c) {
    const std::string topic = c.topic("ack-timeout");
    auto options = subscription("s", SubscriptionType::shared);
    options.ack_timeout = 500ms;
    WEFT_TRY(auto in, consumer(c, topic, options));
    ProducerOptions single;
    single.batching = ProducerOptions::Batching::off;
    WEFT_TRY(auto out, producer(c, topic, single));
    WEFT_TRY_VOID(send_numbers(*out, 4));
    WEFT_TRY(const auto got, receive(*in, 4));
    in->acknowledge(got[0]);
    in->acknowledge(got[2]);
    WEFT_TRY(const auto again, receive(*in, 2));
    std::set<std::string> names{again[0].payload, again[1].payload};
    EXPECT(names == (std::set<std::string>{"1", "3"}), joined(payloads(again)));
    for (const auto& message : again) in->acknowledge(message);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    const auto later = in->receive(Deadline::after(1500ms));
    EXPECT(!later, later->payload);
    return {};
}

Result<> redeliver_all(Context& c) {
    const std::string topic = c.topic("redeliver-all");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 200));
    WEFT_TRY(const auto some, receive(*in, 50));
    for (std::size_t i = 0; i < 20; ++i) in->acknowledge(some[i]);
    WEFT_TRY_VOID(in->redeliver_unacknowledged());
    // All of it comes again, in order. (Pulsar sometimes reads the same stretch twice then: repeats are no
    // failure.)
    int highest = 19;
    while (highest < 199) {
        WEFT_TRY(const auto message, in->receive(soon()));
        const int number = std::atoi(message.payload.c_str());
        EXPECT(number >= 20 && number <= highest + 1, message.payload, " after ", highest);
        highest = std::max(highest, number);
    }
    return {};
}

Result<> permits_are_given_back(Context& c) {
    const std::string topic = c.topic("permits");
    auto options = subscription("s");
    options.receiver_queue_messages = 4;
    WEFT_TRY(auto in, consumer(c, topic, options));
    WEFT_TRY(auto out, producer(c, topic));
    for (int i = 0; i < 30; ++i) WEFT_TRY_VOID(send_batch(*out, 10));
    std::size_t seen = 0;
    while (seen < 300) {
        WEFT_TRY(const auto message, in->receive(soon()));
        in->acknowledge(message);
        ++seen;
    }
    EXPECT(drain(*in).empty());
    return {};
}

}  // namespace

std::vector<Case> ack_cases() {
    return {
        {"nack_shared", [](Context& c) { return nack_redelivers(c, SubscriptionType::shared); }},
        {"nack_exclusive", [](Context& c) { return nack_redelivers(c, SubscriptionType::exclusive); }},
        {"batch_index_ack_shared", [](Context& c) { return batch_index_ack(c, SubscriptionType::shared); }},
        {"batch_index_ack_exclusive",
         [](Context& c) { return batch_index_ack(c, SubscriptionType::exclusive); }},
        {"part_of_a_batch_survives_reconnect", part_of_a_batch_survives_reconnect},
        {"cumulative_ack", cumulative_ack},
        {"ack_timeout", ack_timeout},
        {"redeliver_all", redeliver_all},
        {"permits_are_given_back", permits_are_given_back}};
}

}  // namespace weft::client_cases
