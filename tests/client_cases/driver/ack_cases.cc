// What is acked, what comes again.
#include <cstdlib>

#include "case.h"

namespace weft::client_cases {
namespace {

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
    return {{"part_of_a_batch_survives_reconnect", part_of_a_batch_survives_reconnect},
            {"redeliver_all", redeliver_all},
            {"permits_are_given_back", permits_are_given_back}};
}

}  // namespace weft::client_cases
