// Who is told to be active, seeks, lists of topics.
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "case.h"

namespace weft::client_cases {
namespace {

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
    bool wait_for_count(std::size_t count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 30s, [&] { return events.size() >= count; });
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

Result<> failover_goes_by_priority(Context& c) {
    const std::string topic = c.topic("priority");
    std::unique_ptr<Consumer> consumers[3];
    ActiveEvents events[3];
    for (std::size_t i = 0; i < 3; ++i) {  // each better than those before it, by a name that comes later
        auto options = subscription("s", SubscriptionType::failover);
        options.name = str_cat("consumer-", i);
        options.priority_level = 2 - static_cast<std::int32_t>(i);
        WEFT_TRY(consumers[i], consumer(c, topic, options));
        consumers[i]->on_active_change([&events, i](bool active) { events[i].add(active); });
        for (std::size_t k = 0; k <= i; ++k) EXPECT(events[k].wait_for_last(k == i), i, " ", k);
    }
    WEFT_TRY(const auto stats, c.admin.topic_stats(topic, soon()));
    const auto* listed = stats.find("s");
    EXPECT(listed != nullptr && listed->active_consumer == "consumer-2");
    EXPECT(listed->consumers.size() == 3 && listed->consumers.front().name == "consumer-2");
    WEFT_TRY_VOID(consumers[1]->close(soon()));
    WEFT_TRY_VOID(consumers[2]->close(soon()));
    EXPECT(events[0].wait_for_last(true));
    WEFT_TRY_VOID(cut_connections(c.service_url));
    EXPECT(events[0].wait_for_count(5), "a lost connection ends it, until it is back");
    EXPECT(events[0].events == (std::vector{true, false, true, false, true}));
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
    return {{"failover_takes_over", failover_takes_over},
            {"failover_goes_by_priority", failover_goes_by_priority},
            {"seek", seek},
            {"topics_and_partitions", topics_and_partitions}};
}

}  // namespace weft::client_cases
