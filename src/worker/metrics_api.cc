// The part of FunctionsApi that tells what was counted: /metrics and functionsmetrics.

#include <nlohmann/json.hpp>

#include "model/function_details.h"
#include "observe/metrics_page.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/answers.h"
#include "worker/detail/gather.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

using observe::escaped_label;
using observe::MetricsPage;

constexpr Duration kMetricsPatience = 2s;  // a page that is late is of no use: Prometheus asks again

struct Counted {
    AssignmentEvent assignment;
    ::proto::MetricsData metrics;
};

std::string labels_of(const Counted& counted, const std::string& cluster) {
    const auto& [name, id] = counted.assignment.key;
    return str_cat("tenant=\"", escaped_label(name.tenant), "\",namespace=\"",
                   escaped_label(str_cat(name.tenant, '/', name.ns)), "\",name=\"", escaped_label(name.name),
                   "\",instance_id=\"", id, "\",cluster=\"", escaped_label(cluster), "\",fqfn=\"",
                   escaped_label(name.full()), '"');
}

/// The mean times what it is the mean of.
void add_latency(MetricsPage& page, std::string_view name, const std::string& labels, double mean,
                 std::int64_t count) {
    const auto calls = static_cast<double>(count);
    page.summary(name, labels, mean * calls, calls);
}

void add_function(MetricsPage& page, const ::proto::MetricsData& m, const std::string& labels) {
    page.counter("pulsar_function_received_total", labels, m.receivedtotal());
    page.counter("pulsar_function_processed_successfully_total", labels, m.processedsuccessfullytotal());
    page.counter("pulsar_function_system_exceptions_total", labels, m.systemexceptionstotal());
    page.counter("pulsar_function_user_exceptions_total", labels, m.userexceptionstotal());
    page.gauge("pulsar_function_last_invocation", labels, m.lastinvocation());
    add_latency(page, "pulsar_function_process_latency_ms", labels, m.avgprocesslatency(),
                m.processedsuccessfullytotal() + m.userexceptionstotal());
    // They start anew each minute, so they are no counters, whatever their names say.
    page.gauge("pulsar_function_received_1min_total", labels, m.receivedtotal_1min());
    page.gauge("pulsar_function_processed_successfully_1min_total", labels,
               m.processedsuccessfullytotal_1min());
    page.gauge("pulsar_function_system_exceptions_1min_total", labels, m.systemexceptionstotal_1min());
    page.gauge("pulsar_function_user_exceptions_1min_total", labels, m.userexceptionstotal_1min());
    add_latency(page, "pulsar_function_process_latency_ms_1min", labels, m.avgprocesslatency_1min(),
                m.processedsuccessfullytotal_1min() + m.userexceptionstotal_1min());
    constexpr std::string_view kPrefix = "user_metric_", kSum = "_sum";
    for (const auto& [key, sum] : m.usermetrics()) {
        const auto count = key.ends_with(kSum)
                               ? m.usermetrics().find(key.substr(0, key.size() - kSum.size()) + "_count")
                               : m.usermetrics().end();
        if (count == m.usermetrics().end() || !key.starts_with(kPrefix)) continue;
        const std::string name = key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSum.size());
        page.summary("pulsar_function_user_metric", str_cat(labels, ",metric=\"", escaped_label(name), '"'),
                     sum, count->second);
    }
}

void add_connector(MetricsPage& page, const ::proto::MetricsData& m, const std::string& labels,
                   const std::string& prefix) {
    page.counter(prefix + "received_total", labels, m.receivedtotal());
    page.counter(prefix + "written_total", labels, m.processedsuccessfullytotal());
    page.counter(prefix + "system_exceptions_total", labels, m.systemexceptionstotal());
    page.gauge(prefix + "last_invocation", labels, m.lastinvocation());
}

void add_worker(MetricsPage& page, const WorkerMetrics& metrics, const std::string& labels) {
    const std::string prefix = "pulsar_function_worker_";
    const auto add = [&](std::string_view name, const observe::Timing& timing) {
        page.summary(prefix + std::string(name), labels, timing);
    };
    add("start_instance_process_time_ms", metrics.start_instance_process_time_ms);
    add("stop_instance_process_time_ms", metrics.stop_instance_process_time_ms);
}

}  // namespace

void ask_metrics(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                 ::proto::MetricsData& metrics, Deadline deadline) {
    const auto runner = runners.find(name);
    if (runner && !runner->metrics(id, metrics, deadline)) metrics.Clear();
}

std::string FunctionsApi::metrics_text(Deadline deadline) const {
    MetricsPage page;
    const std::string cluster = str_cat("cluster=\"", escaped_label(options_.cluster_name), '"');
    std::vector<Counted> here;
    std::int64_t functions = 0, expected = 0;
    for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
        for (auto& assignment : plane->assignments()) {
            if (assignment.worker_id == options_.worker_id) here.push_back({std::move(assignment), {}});
        }
        for (const auto& meta : plane->functions()) {
            ++functions;
            expected += model::instances_of(meta->functiondetails());
        }
    }
    deadline = deadline.at_most(kMetricsPatience);
    gather(here.size(), [&](std::size_t i) {
        const auto& key = here[i].assignment.key;
        ask_metrics(runners_, key.function, key.instance_id, here[i].metrics, deadline);
    });
    for (const auto& counted : here) {
        const auto labels = labels_of(counted, options_.cluster_name);
        switch (model::component_of(counted.assignment.meta->functiondetails())) {
            case model::ComponentType::function:
                add_function(page, counted.metrics, labels);
                break;
            case model::ComponentType::source:
                add_connector(page, counted.metrics, labels, "pulsar_source_");
                break;
            case model::ComponentType::sink:
                add_connector(page, counted.metrics, labels, "pulsar_sink_");
                break;
        }
    }
    page.gauge("pulsar_function_worker_instance_count", cluster, here.size());
    const bool leads = java_plane_.is_leader() && native_plane_.is_leader();
    page.gauge("pulsar_function_worker_is_leader", cluster, leads ? 1 : 0);
    if (leads) {
        page.gauge("pulsar_function_worker_total_function_count", cluster, functions);
        page.gauge("pulsar_function_worker_total_expected_instance_count", cluster, expected);
    }
    if (options_.metrics != nullptr) add_worker(page, *options_.metrics, cluster);
    return page.text();
}

FunctionsApi::Answer FunctionsApi::functions_metrics(const http::Request& request) {
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    std::vector<Counted> here;
    for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
        for (auto& assignment : plane->assignments()) {
            if (assignment.worker_id == options_.worker_id) here.push_back({std::move(assignment), {}});
        }
    }
    gather(here.size(), [&](std::size_t i) {
        const auto& key = here[i].assignment.key;
        ask_metrics(runners_, key.function, key.instance_id, here[i].metrics, deadline);
    });
    auto all = nlohmann::ordered_json::array();
    for (const auto& counted : here) {
        const auto& key = counted.assignment.key;
        nlohmann::ordered_json entry;
        entry["name"] = key.function.instance_key(key.instance_id);
        entry["metrics"] = nlohmann::ordered_json::parse(instance_stats_json(counted.metrics));
        all.push_back(std::move(entry));
    }
    return http::Response::json(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace weft::worker
