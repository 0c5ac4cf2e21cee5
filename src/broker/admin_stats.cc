// Statistics of topics, with the members that pulsar-admin prints.

#include <algorithm>

#include "broker/admin.h"
#include "broker/connection.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

double average(double bytes, double messages) { return messages > 0 ? bytes / messages : 0; }

json publisher_stats(Producer& producer) {
    const auto rate = producer.messages_in.per_second();
    const auto bytes = producer.bytes_in.per_second();
    return {{"accessMode", name_of(producer.access)},
            {"msgRateIn", rate},
            {"msgThroughputIn", bytes},
            {"averageMsgSize", average(bytes, rate)},
            {"chunkedMessageRate", 0.0},
            {"producerId", producer.id},
            {"supportsPartialProducer", false},
            {"producerName", producer.name},
            {"address", str_cat("/", producer.address)},
            {"connectedSince", producer.connected_since},
            {"clientVersion", producer.client_version},
            {"metadata", producer.metadata}};
}

json consumer_stats(Consumer& consumer) {
    auto& counters = consumer.counters;
    json stats{{"msgRateOut", counters.messages_out.per_second()},
               {"msgThroughputOut", counters.bytes_out.per_second()},
               {"bytesOutCounter", counters.bytes_out.total()},
               {"msgOutCounter", counters.messages_out.total()},
               {"msgRateRedeliver", counters.redelivered.per_second()},
               {"messageAckRate", counters.acked.per_second()},
               {"chunkedMessageRate", 0.0},
               {"consumerName", consumer.name},
               {"availablePermits", consumer.permits},
               {"unackedMessages", consumer.unacked},
               {"avgMessagesPerEntry",
                counters.entries_out == 0 ? 1 : counters.messages_out.total() / counters.entries_out},
               {"blockedConsumerOnUnackedMsgs", consumer.blocked},
               {"address", str_cat("/", consumer.address)},
               {"connectedSince", consumer.connected_since},
               {"clientVersion", consumer.client_version},
               {"lastAckedTimestamp", counters.last_acked_ms},
               {"lastConsumedTimestamp", counters.last_consumed_ms},
               {"lastConsumedFlowTimestamp", counters.last_flow_ms},
               {"metadata", consumer.metadata}};
    if (counters.last_acked_ms != 0) stats["lastAckedTime"] = timestamp_text(counters.last_acked_ms);
    if (counters.last_consumed_ms != 0) stats["lastConsumedTime"] = timestamp_text(counters.last_consumed_ms);
    return stats;
}

// What of the topic's bytes an amount of entries takes, on average.
std::uint64_t share_of(const store::LedgerInfo& kept, std::uint64_t entries) {
    const auto all = kept.end - kept.first;
    if (all == 0) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(kept.bytes) *
                                      static_cast<double>(std::min(entries, all)) / static_cast<double>(all));
}

json subscription_stats(Subscription& subscription, const store::LedgerInfo& kept) {
    const auto* dispatcher = subscription.dispatcher();
    double rate_out = 0, bytes_rate_out = 0, rate_redeliver = 0, rate_ack = 0;
    std::uint64_t messages_out = subscription.counters().messages_out.total();
    std::uint64_t bytes_out = subscription.counters().bytes_out.total();
    std::uint64_t last_acked = 0, last_consumed = 0, last_flow = 0;
    auto consumers = json::array();
    for (auto* consumer : subscription.consumers()) {
        auto stats = consumer_stats(*consumer);
        rate_out += stats["msgRateOut"].get<double>();
        bytes_rate_out += stats["msgThroughputOut"].get<double>();
        rate_redeliver += stats["msgRateRedeliver"].get<double>();
        rate_ack += stats["messageAckRate"].get<double>();
        messages_out += consumer->counters.messages_out.total();
        bytes_out += consumer->counters.bytes_out.total();
        last_acked = std::max(last_acked, consumer->counters.last_acked_ms);
        last_consumed = std::max(last_consumed, consumer->counters.last_consumed_ms);
        last_flow = std::max(last_flow, consumer->counters.last_flow_ms);
        consumers.push_back(std::move(stats));
    }
    const bool has_consumers = !consumers.empty();
    const auto backlog = subscription.backlog();
    json stats{{"msgRateOut", rate_out},
               {"msgThroughputOut", bytes_rate_out},
               {"bytesOutCounter", bytes_out},
               {"msgOutCounter", messages_out},
               {"msgRateRedeliver", rate_redeliver},
               {"messageAckRate", rate_ack},
               {"chunkedMessageRate", 0.0},
               {"msgBacklog", backlog},
               {"backlogSize", share_of(kept, backlog)},
               {"earliestMsgPublishTimeInBacklog", 0},
               {"msgBacklogNoDelayed", backlog},
               {"blockedSubscriptionOnUnackedMsgs", dispatcher != nullptr && dispatcher->blocked()},
               {"msgDelayed", 0},
               {"msgInReplay", 0},
               {"unackedMessages", dispatcher == nullptr ? 0 : dispatcher->unacked()},
               {"type", has_consumers ? name_of(dispatcher->type()) : "None"},
               {"msgRateExpired", 0.0},
               {"totalMsgExpired", 0},
               {"lastExpireTimestamp", 0},
               {"lastConsumedFlowTimestamp", last_flow},
               {"lastConsumedTimestamp", last_consumed},
               {"lastAckedTimestamp", last_acked},
               {"lastMarkDeleteAdvancedTimestamp", 0},
               {"consumers", std::move(consumers)},
               {"isDurable", subscription.durable()},
               {"isReplicated", false},
               {"allowOutOfOrderDelivery", false},
               {"consumersAfterMarkDeletePosition", json::object()},
               {"drainingHashesCount", 0},
               {"drainingHashesClearedTotal", 0},
               {"drainingHashesUnackedMessages", 0},
               {"nonContiguousDeletedMessagesRanges", subscription.cursor().range_count()},
               {"nonContiguousDeletedMessagesRangesSerializedSize", 0},
               {"delayedMessageIndexSizeInBytes", 0},
               {"subscriptionProperties", subscription.properties()},
               {"filterProcessedMsgCount", 0},
               {"filterAcceptedMsgCount", 0},
               {"filterRejectedMsgCount", 0},
               {"filterRescheduledMsgCount", 0},
               {"dispatchThrottledMsgEventsBySubscriptionLimit", 0},
               {"dispatchThrottledBytesEventsBySubscriptionLimit", 0},
               {"dispatchThrottledMsgEventsByTopicLimit", 0},
               {"dispatchThrottledBytesEventsByTopicLimit", 0},
               {"dispatchThrottledMsgEventsByBrokerLimit", 0},
               {"dispatchThrottledBytesEventsByBrokerLimit", 0},
               {"durable", subscription.durable()},
               {"replicated", false}};
    if (has_consumers && dispatcher->active() != nullptr)
        stats["activeConsumerName"] = dispatcher->active()->name;
    return stats;
}

json topic_stats(Engine& engine, Topic& topic) {
    const auto kept = topic.info();
    const auto rate_in = topic.messages_in.per_second();
    const auto bytes_rate_in = topic.bytes_in.per_second();
    double rate_out = 0, bytes_rate_out = 0;
    std::uint64_t messages_out = 0, bytes_out = 0, backlog_bytes = 0, ranges = 0;
    auto subscriptions = json::object();
    for (const auto& [name, subscription] : topic.subscriptions()) {
        auto stats = subscription_stats(*subscription, kept);
        rate_out += stats["msgRateOut"].get<double>();
        bytes_rate_out += stats["msgThroughputOut"].get<double>();
        messages_out += stats["msgOutCounter"].get<std::uint64_t>();
        bytes_out += stats["bytesOutCounter"].get<std::uint64_t>();
        backlog_bytes = std::max(backlog_bytes, stats["backlogSize"].get<std::uint64_t>());
        ranges += subscription->cursor().range_count();
        subscriptions[name] = std::move(stats);
    }
    auto publishers = json::array();
    for (const auto& [name, producer] : topic.producers().all())
        publishers.push_back(publisher_stats(*producer));
    const auto& compaction = topic.compaction;
    return {{"msgRateIn", rate_in},
            {"msgThroughputIn", bytes_rate_in},
            {"msgRateOut", rate_out},
            {"msgThroughputOut", bytes_rate_out},
            {"bytesInCounter", topic.bytes_in.total()},
            {"msgInCounter", topic.messages_in.total()},
            {"systemTopicBytesInCounter", 0},
            {"bytesOutCounter", bytes_out},
            {"msgOutCounter", messages_out},
            {"bytesOutInternalCounter", 0},
            {"averageMsgSize", average(bytes_rate_in, rate_in)},
            {"msgChunkPublished", false},
            {"storageSize", kept.bytes},
            {"backlogSize", backlog_bytes},
            {"backlogQuotaLimitSize", -1},
            {"backlogQuotaLimitTime", -1},
            {"oldestBacklogMessageAgeSeconds", -1},
            {"publishRateLimitedTimes", 0},
            {"earliestMsgPublishTimeInBacklogs", 0},
            {"offloadedStorageSize", 0},
            {"lastOffloadLedgerId", 0},
            {"lastOffloadSuccessTimeStamp", 0},
            {"lastOffloadFailureTimeStamp", 0},
            {"ongoingTxnCount", 0},
            {"abortedTxnCount", 0},
            {"committedTxnCount", 0},
            {"publishers", std::move(publishers)},
            {"waitingPublishers", topic.producers().waiting_count()},
            {"subscriptions", std::move(subscriptions)},
            {"replication", json::object()},
            {"deduplicationStatus", "Disabled"},
            {"nonContiguousDeletedMessagesRanges", ranges},
            {"nonContiguousDeletedMessagesRangesSerializedSize", 0},
            {"delayedMessageIndexSizeInBytes", 0},
            {"compaction",
             {{"lastCompactionRemovedEventCount", compaction.removed},
              {"lastCompactionSucceedTimestamp", compaction.succeeded_ms},
              {"lastCompactionFailedTimestamp", compaction.failed_ms},
              {"lastCompactionDurationTimeInMills",
               std::chrono::duration_cast<std::chrono::milliseconds>(compaction.took).count()}}},
            {"ownerBroker", engine.broker_id()}};
}

void get_stats(Engine& engine, const http::Request& request, Reply reply) {
    if (auto* const topic = open_topic_of(engine, request, reply)) {
        reply(http::Response::json(to_text(topic_stats(engine, *topic))));
    }
}

// Adds the numbers of one partition to those of the whole.
void add_up(json& whole, const json& part) {
    for (const auto& [key, value] : part.items()) {
        if (value.is_number() && value.get<double>() >= 0 && whole.contains(key) && whole[key].is_number()) {
            whole[key] = value.is_number_float()
                             ? json(whole[key].get<double>() + value.get<double>())
                             : json(whole[key].get<std::int64_t>() + value.get<std::int64_t>());
        } else if (value.is_object() && key == "subscriptions") {
            if (!whole.contains(key)) whole[key] = json::object();
            for (const auto& [name, stats] : value.items()) {
                if (whole[key].contains(name)) {
                    add_up(whole[key][name], stats);
                } else {
                    whole[key][name] = stats;
                }
            }
        } else if (!whole.contains(key)) {
            whole[key] = value;
        }
    }
}

void get_partitioned_stats(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    const auto count = engine.metadata().partitions(*name);
    if (count == 0) return reply(refused(404, str_cat("Partitioned Topic not found: ", name->full())));
    json whole = json::object();
    auto partitions = json::object();
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto part = wire::TopicName::parse(str_cat(name->full(), "-partition-", index));
        const auto topic = engine.open_topic(*part, Engine::Missing::create);
        if (!topic) return reply(refused(500, topic.error().message));
        auto stats = topic_stats(engine, **topic);
        add_up(whole, stats);
        partitions[part->full()] = std::move(stats);
    }
    whole["metadata"] = {{"partitions", count}, {"deleted", false}};
    whole["partitions"] = is_set(request, "perPartition") ? std::move(partitions) : json::object();
    reply(http::Response::json(to_text(whole)));
}

std::string position_text(store::LedgerId ledger, EntryId one_past) {
    return str_cat(ledger, ":", static_cast<std::int64_t>(one_past) - 1);
}

json compacted_ledger(Engine& engine, const Topic& topic) {
    json shown{
        {"ledgerId", -1}, {"entries", -1}, {"size", -1}, {"offloaded", false}, {"underReplicated", false}};
    if (const auto& view = topic.compacted()) {
        shown["ledgerId"] = view->ledger;
        shown["entries"] = view->entries;
        shown["size"] = engine.store().info(view->ledger).value_or(store::LedgerInfo{}).bytes;
    }
    return shown;
}

void get_internal_stats(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    const auto kept = topic->info();
    const auto entries = kept.end - kept.first;
    auto cursors = json::object();
    for (const auto& [name, subscription] : topic->subscriptions()) {
        const auto& cursor = subscription->cursor();
        cursors[name] = {{"markDeletePosition", position_text(topic->ledger(), cursor.position())},
                         {"readPosition", position_text(topic->ledger(), cursor.position() + 1)},
                         {"waitingReadOp", false},
                         {"pendingReadOps", 0},
                         {"messagesConsumedCounter", 0},
                         {"cursorLedger", 0},
                         {"cursorLedgerLastEntry", 0},
                         {"state", "Open"},
                         {"active", !subscription->consumers().empty()},
                         {"numberOfEntriesSinceFirstNotAckedMessage", subscription->backlog()},
                         {"totalNonContiguousDeletedMessagesRange", cursor.range_count()},
                         {"subscriptionHavePendingRead", false},
                         {"subscriptionHavePendingReplayRead", false},
                         {"properties", json::object()}};
    }
    const json body{{"entriesAddedCounter", kept.end},
                    {"numberOfEntries", entries},
                    {"totalSize", kept.bytes},
                    {"currentLedgerEntries", entries},
                    {"currentLedgerSize", kept.bytes},
                    {"waitingCursorsCount", topic->subscriptions().size()},
                    {"pendingAddEntriesCount", 0},
                    {"lastConfirmedEntry", position_text(topic->ledger(), kept.end)},
                    {"state", "LedgerOpened"},
                    {"ledgers", json::array({{{"ledgerId", topic->ledger()},
                                              {"entries", entries},
                                              {"size", kept.bytes},
                                              {"offloaded", false},
                                              {"underReplicated", false}}})},
                    {"cursors", std::move(cursors)},
                    {"schemaLedgers", json::array()},
                    {"compactedLedger", compacted_ledger(engine, *topic)}};
    reply(http::Response::json(to_text(body)));
}

}  // namespace

void add_stats_routes(AdminRouter& routes) {
    const std::string topic = "/admin/v2/persistent/{tenant}/{namespace}/{topic}";
    routes.add("GET", topic + "/stats", Rule::use_topic, get_stats);
    routes.add("GET", topic + "/internalStats", Rule::use_topic, get_internal_stats);
    routes.add("GET", topic + "/partitioned-stats", Rule::use_topic, get_partitioned_stats);
}

}  // namespace weft::broker
