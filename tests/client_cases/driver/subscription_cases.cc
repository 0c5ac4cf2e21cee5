// Who gets what: Exclusive, Shared, Failover, and the ends of subscriptions.
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "case.h"

namespace weft::client_cases {
namespace {

Result<> exclusive_refuses_a_second(Context& c) {
    const std::string topic = c.topic("exclusive");
    WEFT_TRY(auto first, consumer(c, topic));
    const auto second = consumer(c, topic);
    EXPECT(!second);
    EXPECT(second.error().code == ErrorCode::conflict, second.error().message);
    EXPECT(second.error().message.contains(topic), second.error().message);
    WEFT_TRY_VOID(first->close(soon()));
    WEFT_TRY(auto third, consumer(c, topic));
    return {};
}

Result<> shared_distributes(Context& c) {
    const std::string topic = c.topic("shared");
    ConsumerOptions options = subscription("s", SubscriptionType::shared);
    options.receiver_queue_messages = 10;
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (int i = 0; i < 3; ++i) {
        WEFT_TRY(auto one, consumer(c, topic, options));
        consumers.push_back(std::move(one));
    }
    ProducerOptions single;
    single.batching = ProducerOptions::Batching::off;
    WEFT_TRY(auto out, producer(c, topic, single));
    constexpr int kMessages = 600;
    for (int i = 0; i < kMessages; ++i) {
        const std::string payload = str_cat(i);
        wire::OutgoingMessage message;
        message.payload = payload;
        WEFT_TRY_VOID(out->send_async(message, {}, soon()));
    }
    WEFT_TRY_VOID(out->flush(soon()));
    std::set<std::string> seen;
    std::vector<int> counts(3, 0);
    const auto limit = soon();
    while (seen.size() < kMessages && !limit.passed()) {
        for (std::size_t i = 0; i < 3; ++i) {
            auto message = consumers[i]->receive(Deadline::after(20ms));
            if (!message) continue;
            EXPECT(seen.insert(message->payload).second, "twice: ", message->payload);
            consumers[i]->acknowledge(*message);
            ++counts[i];
        }
    }
    EXPECT(seen.size() == kMessages, "only ", seen.size());
    for (const int count : counts) EXPECT(count > 0);
    return {};
}

/// What a Failover consumer was told, to wait for.
struct ActiveEvents {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<bool> events;

    void add(bool active) {
        const std::lock_guard lock(mutex);
        events.push_back(active);
        changed.notify_all();
    }
    bool wait_for_last(bool active) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 30s, [&] { return !events.empty() && events.back() == active; });
    }
    /// The last event, once there is one.
    bool wait_for_any() {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 30s, [&] { return !events.empty(); }) && events.back();
    }
};

Result<> failover_takes_over(Context& c) {
    const std::string topic = c.topic("failover");
    std::unique_ptr<Consumer> consumers[2];
    ActiveEvents events[2];
    for (std::size_t i = 0; i < 2; ++i) {
        auto options = subscription("s", SubscriptionType::failover);
        options.name = str_cat("consumer-", i);
        WEFT_TRY(consumers[i], consumer(c, topic, options));
        consumers[i]->on_active_change([&events, i](bool active) { events[i].add(active); });
        if (i == 0) EXPECT(events[0].wait_for_last(true));
    }
    const std::size_t active = events[1].wait_for_any() ? 1 : 0;  // the broker chooses by the topic's name
    EXPECT(events[active].wait_for_last(true) && events[1 - active].wait_for_last(false));
    EXPECT(consumers[1 - active]->is_active() == std::optional(false));
    auto& first = *consumers[active];
    auto& second = *consumers[1 - active];
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 10));
    WEFT_TRY(const auto got, receive(first, 10));
    EXPECT(payloads(got) == numbers(0, 10));
    for (std::size_t i = 0; i < 5; ++i) first.acknowledge(got[i]);
    WEFT_TRY_VOID(first.flush_acks(soon()));
    EXPECT(!second.receive(shortly()));
    WEFT_TRY_VOID(first.close(soon()));
    EXPECT(events[1 - active].wait_for_last(true));
    WEFT_TRY(const auto rest, receive(second, 5));
    EXPECT(payloads(rest) == numbers(5, 10), joined(payloads(rest)));
    EXPECT(second.is_active() == std::optional(true));
    return {};
}

Result<> unsubscribe(Context& c) {
    const std::string topic = c.topic("unsubscribe");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 3));
    WEFT_TRY_VOID(receive(*in, 3));
    WEFT_TRY(const auto before, c.admin.topic_stats(topic, soon()));
    EXPECT(before.find("s") != nullptr);
    WEFT_TRY_VOID(in->unsubscribe(soon()));
    const auto after_end = in->receive(shortly());
    EXPECT(!after_end && after_end.error().code == ErrorCode::cancelled);
    WEFT_TRY(const auto after, c.admin.topic_stats(topic, soon()));
    EXPECT(after.find("s") == nullptr);
    auto again = subscription("s");
    again.initial_position = InitialPosition::earliest;  // a new one: it sees all
    WEFT_TRY(auto fresh, consumer(c, topic, again));
    WEFT_TRY(const auto got, receive(*fresh, 3));
    EXPECT(payloads(got) == numbers(0, 3));
    return {};
}

Result<> initial_positions(Context& c) {
    const std::string topic = c.topic("initial");
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 5));
    auto options = subscription("early");
    options.initial_position = InitialPosition::earliest;
    WEFT_TRY(auto early, consumer(c, topic, options));
    WEFT_TRY(auto late, consumer(c, topic, subscription("late")));
    WEFT_TRY_VOID(send_numbers(*out, 2, "new-"));
    WEFT_TRY(const auto from_start, receive(*early, 7));
    EXPECT(from_start[0].payload == "0" && from_start[6].payload == "new-1");
    WEFT_TRY(const auto from_now, receive(*late, 2));
    EXPECT(payloads(from_now) == numbers(0, 2, "new-"));
    return {};
}

Result<> seek(Context& c) {
    const std::string topic = c.topic("seek");
    WEFT_TRY(auto in, consumer(c, topic));
    ProducerOptions single;
    single.batching = ProducerOptions::Batching::off;
    WEFT_TRY(auto out, producer(c, topic, single));
    WEFT_TRY(const auto ids, send_numbers(*out, 5));
    WEFT_TRY(const auto got, receive(*in, 5));
    for (const auto& message : got) in->acknowledge(message);
    const auto between = got.back().publish_time_ms + 1;
    while (wall_clock_ms() <= between) {
    }  // so that what follows is later than `between`
    WEFT_TRY_VOID(send_numbers(*out, 5, "late-"));
    WEFT_TRY_VOID(receive(*in, 5));

    WEFT_TRY_VOID(in->seek(ids[2], soon()));
    WEFT_TRY(const auto again, receive(*in, 8));
    EXPECT(again[0].payload == "2", joined(payloads(again)));
    EXPECT(again[7].payload == "late-4", joined(payloads(again)));
    WEFT_TRY_VOID(in->seek_to_time(between, soon()));
    WEFT_TRY(const auto late, receive(*in, 5));
    EXPECT(payloads(late) == numbers(0, 5, "late-"), joined(payloads(late)));
    WEFT_TRY_VOID(in->seek(MessageId::earliest(), soon()));
    WEFT_TRY(const auto all, receive(*in, 10));
    EXPECT(all[0].payload == "0", joined(payloads(all)));
    WEFT_TRY_VOID(in->seek(MessageId::latest(), soon()));
    EXPECT(!in->receive(shortly()));
    WEFT_TRY(const auto last, in->last_message_id(soon()));
    EXPECT(last.id.entry > ids[4].entry || last.id.ledger > ids[4].ledger);
    return {};
}

Result<> topics_and_partitions(Context& c) {
    const std::string topic = c.topic("listed");
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY(const auto partitions, c.client.partitions_of(topic, soon()));
    EXPECT(partitions == 0);
    WEFT_TRY(const auto topics, c.client.topics_of_namespace("public/default", soon()));
    EXPECT(std::ranges::find(topics, topic) != topics.end());
    return {};
}

}  // namespace

std::vector<Case> subscription_cases() {
    return {{"exclusive_refuses_a_second", exclusive_refuses_a_second},
            {"shared_distributes", shared_distributes},
            {"failover_takes_over", failover_takes_over},
            {"unsubscribe", unsubscribe},
            {"initial_positions", initial_positions},
            {"seek", seek},
            {"topics_and_partitions", topics_and_partitions}};
}

}  // namespace weft::client_cases
