// What goes in comes out: whole entries, null values, from many threads.
#include <atomic>
#include <thread>

#include "case.h"

namespace weft::client_cases {
namespace {

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
    return {{"whole_entries", whole_entries},
            {"empty_and_null_payloads", empty_and_null},
            {"senders_in_threads", senders_in_threads}};
}

}  // namespace weft::client_cases
