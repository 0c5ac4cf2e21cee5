// /metrics in Prometheus' text format; names are Pulsar's where Pulsar has one.

#include "broker/admin.h"
#include "observe/metrics_page.h"

namespace weft::broker {
namespace {

using observe::MetricsPage;

std::string escaped(std::string_view text) { return observe::escaped_label(text); }

void add_subscription(MetricsPage& page, const std::string& topic_labels, Subscription& subscription) {
    const auto labels = str_cat(topic_labels, ",subscription=\"", escaped(subscription.name()), "\"");
    double rate_out = 0;
    double bytes_out = 0;
    for (auto* consumer : subscription.consumers()) {
        rate_out += consumer->counters.messages_out.per_second();
        bytes_out += consumer->counters.bytes_out.per_second();
    }
    const auto* dispatcher = subscription.dispatcher();
    page.gauge("pulsar_subscription_back_log", labels, subscription.backlog());
    page.gauge("pulsar_subscription_msg_rate_out", labels, rate_out);
    page.gauge("pulsar_subscription_msg_throughput_out", labels, bytes_out);
    page.gauge("pulsar_subscription_unacked_messages", labels,
               dispatcher == nullptr ? 0 : dispatcher->unacked());
    page.gauge("pulsar_subscription_blocked_on_unacked_messages", labels,
               dispatcher != nullptr && dispatcher->blocked() ? 1 : 0);
    page.gauge("pulsar_subscription_consumers_count", labels, subscription.consumers().size());
}

void add_topic(MetricsPage& page, const std::string& cluster, Topic& topic) {
    const auto labels = str_cat(cluster, ",namespace=\"", topic.name().namespace_full(), "\",topic=\"",
                                escaped(topic.name().full()), "\"");
    std::uint64_t consumers = 0;
    for (const auto& [name, subscription] : topic.subscriptions()) {
        consumers += subscription->consumers().size();
        add_subscription(page, labels, *subscription);
    }
    page.gauge("pulsar_subscriptions_count", labels, topic.subscriptions().size());
    page.gauge("pulsar_producers_count", labels, topic.producers().size());
    page.gauge("pulsar_consumers_count", labels, consumers);
    page.gauge("pulsar_rate_in", labels, topic.messages_in.per_second());
    page.gauge("pulsar_throughput_in", labels, topic.bytes_in.per_second());
    page.gauge("pulsar_storage_size", labels, topic.info().bytes);
    page.counter("pulsar_in_messages_total", labels, topic.messages_in.total());
    page.counter("pulsar_in_bytes_total", labels, topic.bytes_in.total());
}

void get_metrics(Engine& engine, const http::Request&, Reply reply) {
    MetricsPage page;
    const auto cluster = str_cat("cluster=\"", escaped(engine.options().cluster), "\"");
    for (const auto& [name, topic] : engine.open_topics()) add_topic(page, cluster, *topic);
    page.gauge("pulsar_broker_topics_count", cluster, engine.open_topics().size());
    page.gauge("pulsar_active_connections", cluster, engine.connection_count());
    const auto stats = engine.store().stats();
    page.counter("weft_store_syncs_total", cluster, stats.syncs);
    page.counter("weft_store_appended_entries_total", cluster, stats.appended_entries);
    page.counter("weft_store_appended_bytes_total", cluster, stats.appended_bytes);
    page.counter("weft_store_written_bytes_total", cluster, stats.written_bytes);
    page.gauge("weft_store_segments", cluster, stats.segments);
    page.gauge("weft_store_last_sync_microseconds", cluster, stats.sync_us_last);
    reply(http::Response::text(page.text()));
}

}  // namespace

void add_metrics_routes(AdminRouter& routes) { routes.add("GET", "/metrics", Rule::metrics, get_metrics); }

}  // namespace weft::broker
