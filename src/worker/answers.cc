#include "worker/answers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::worker {
namespace {

using json = nlohmann::ordered_json;

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void add_exceptions(json& list, const auto& exceptions) {
    for (const auto& exception : exceptions) {
        list.push_back(
            {{"exceptionString", exception.exceptionstring()}, {"timestampMs", exception.mssinceepoch()}});
    }
}

using Exceptions = google::protobuf::RepeatedPtrField<::proto::FunctionStatus::ExceptionInformation>;

/// Only of an instance that runs: of others nothing is known.
void add_latest(json& data, const char* member, const InstanceStatus& instance,
                std::initializer_list<const Exceptions*> lists) {
    if (instance.worker_id.empty() || !instance.status->running()) return;
    json& latest = data[member] = json::array();
    for (const Exceptions* list : lists) add_exceptions(latest, *list);
}

void add_function_status(json& data, const InstanceStatus& instance) {
    const auto& status = *instance.status;
    data["numReceived"] = status.numreceived();
    data["numSuccessfullyProcessed"] = status.numsuccessfullyprocessed();
    data["numUserExceptions"] = status.numuserexceptions();
    add_latest(data, "latestUserExceptions", instance, {&status.latestuserexceptions()});
    data["numSystemExceptions"] =
        status.numsystemexceptions() + status.numsourceexceptions() + status.numsinkexceptions();
    add_latest(
        data, "latestSystemExceptions", instance,
        {&status.latestsystemexceptions(), &status.latestsourceexceptions(), &status.latestsinkexceptions()});
    data["averageLatency"] = std::isfinite(status.averagelatency()) ? status.averagelatency() : 0.0;
    data["lastInvocationTime"] = status.lastinvocationtime();
}

void add_source_status(json& data, const InstanceStatus& instance) {
    const auto& status = *instance.status;
    data["numReceivedFromSource"] = status.numreceived();
    data["numSystemExceptions"] =
        status.numsystemexceptions() + status.numuserexceptions() + status.numsinkexceptions();
    add_latest(
        data, "latestSystemExceptions", instance,
        {&status.latestuserexceptions(), &status.latestsystemexceptions(), &status.latestsinkexceptions()});
    data["numSourceExceptions"] = status.numsourceexceptions();
    add_latest(data, "latestSourceExceptions", instance, {&status.latestsourceexceptions()});
    data["numWritten"] = status.numsuccessfullyprocessed();
    data["lastReceivedTime"] = status.lastinvocationtime();
}

void add_sink_status(json& data, const InstanceStatus& instance) {
    const auto& status = *instance.status;
    data["numReadFromPulsar"] = status.numreceived();
    data["numSystemExceptions"] =
        status.numsystemexceptions() + status.numuserexceptions() + status.numsourceexceptions();
    add_latest(
        data, "latestSystemExceptions", instance,
        {&status.latestuserexceptions(), &status.latestsystemexceptions(), &status.latestsourceexceptions()});
    data["numSinkExceptions"] = status.numsinkexceptions();
    add_latest(data, "latestSinkExceptions", instance, {&status.latestsinkexceptions()});
    data["numWrittenToSink"] = status.numsuccessfullyprocessed();
    data["lastReceivedTime"] = status.lastinvocationtime();
}

json status_data(const InstanceStatus& instance, model::ComponentType type) {
    json data;
    data["running"] = instance.status->running();
    data["error"] = instance.status->failureexception();
    data["numRestarts"] = instance.status->numrestarts();
    switch (type) {
        case model::ComponentType::function:
            add_function_status(data, instance);
            break;
        case model::ComponentType::source:
            add_source_status(data, instance);
            break;
        case model::ComponentType::sink:
            add_sink_status(data, instance);
            break;
    }
    if (!instance.worker_id.empty()) data["workerId"] = instance.worker_id;
    if (!instance.status->weftlimits().empty()) data["limits"] = instance.status->weftlimits();
    if (!instance.status->weftcontainment().empty()) data["containment"] = instance.status->weftcontainment();
    if (!instance.package_digest.empty()) data["packageDigest"] = instance.package_digest;  // Weft's own
    return data;
}

json number_or_null(double value) {
    return value == 0 || !std::isfinite(value) ? json(nullptr) : json(value);
}
json number_or_null(std::int64_t value) { return value == 0 ? json(nullptr) : json(value); }

/// What a FunctionStats and an instance's stats have in common.
struct Totals {
    std::int64_t received = 0, processed = 0, system = 0, user = 0;
    double latency = 0;

    json members() const {
        return {{"receivedTotal", received},
                {"processedSuccessfullyTotal", processed},
                {"systemExceptionsTotal", system},
                {"userExceptionsTotal", user},
                {"avgProcessLatency", number_or_null(latency)}};
    }
    void add(const Totals& other) {
        received += other.received;
        processed += other.processed;
        system += other.system;
        user += other.user;
    }
};

Totals totals_of(const ::proto::MetricsData& m) {
    return {m.receivedtotal(), m.processedsuccessfullytotal(), m.systemexceptionstotal(),
            m.userexceptionstotal(), m.avgprocesslatency()};
}
Totals last_minute_of(const ::proto::MetricsData& m) {
    return {m.receivedtotal_1min(), m.processedsuccessfullytotal_1min(), m.systemexceptionstotal_1min(),
            m.userexceptionstotal_1min(), m.avgprocesslatency_1min()};
}

/// The mean of those that have one.
class MeanLatency {
  public:
    void add(double latency) {
        if (latency == 0 || !std::isfinite(latency)) return;
        sum_ += latency;
        ++count_;
    }
    double value() const { return count_ == 0 ? 0 : sum_ / count_; }

  private:
    double sum_ = 0;
    int count_ = 0;
};

json stats_data(const ::proto::MetricsData& metrics) {
    json data = totals_of(metrics).members();
    data["1min"] = last_minute_of(metrics).members();
    data["lastInvocation"] = number_or_null(metrics.lastinvocation());
    json& user = data["userMetrics"] = json::object();
    std::vector<std::pair<std::string, double>> sorted(metrics.usermetrics().begin(),
                                                       metrics.usermetrics().end());
    std::ranges::sort(sorted);
    for (const auto& [name, value] : sorted) {
        if (!std::isnan(value)) user[name] = value;
    }
    return data;
}

}  // namespace

std::string instance_status_json(const InstanceStatus& instance, model::ComponentType type) {
    return text_of(status_data(instance, type));
}

std::string function_status_json(const std::vector<InstanceStatus>& instances, model::ComponentType type) {
    const auto running = std::ranges::count_if(instances, [](const auto& i) { return i.status->running(); });
    json list = json::array();
    for (const auto& instance : instances) {
        list.push_back({{"instanceId", instance.instance_id}, {"status", status_data(instance, type)}});
    }
    json status;
    status["numInstances"] = instances.size();
    status["numRunning"] = running;
    status["instances"] = std::move(list);
    return text_of(status);
}

std::string instance_stats_json(const ::proto::MetricsData& metrics) { return text_of(stats_data(metrics)); }

std::string function_stats_json(const std::vector<InstanceMetrics>& instances,
                                const std::vector<SilentInstance>& silent) {
    Totals total, minute;
    MeanLatency latency, minute_latency;
    std::int64_t last_invocation = 0;
    json list = json::array();
    for (const auto& instance : instances) {
        total.add(totals_of(*instance.metrics));
        minute.add(last_minute_of(*instance.metrics));
        latency.add(instance.metrics->avgprocesslatency());
        minute_latency.add(instance.metrics->avgprocesslatency_1min());
        last_invocation = std::max<std::int64_t>(last_invocation, instance.metrics->lastinvocation());
        list.push_back({{"instanceId", instance.instance_id}, {"metrics", stats_data(*instance.metrics)}});
    }
    total.latency = latency.value();
    minute.latency = minute_latency.value();
    json stats = total.members();
    stats["1min"] = minute.members();
    stats["lastInvocation"] = number_or_null(last_invocation);
    stats["instances"] = std::move(list);
    for (const auto& instance : silent) {
        stats["notAnswered"].push_back({{"instanceId", instance.instance_id},
                                        {"workerId", instance.worker_id},
                                        {"error", instance.why}});
    }
    return text_of(stats);
}

std::string strings_json(const std::vector<std::string>& texts) { return text_of(json(texts)); }

}  // namespace weft::worker
