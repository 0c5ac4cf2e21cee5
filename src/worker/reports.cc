#include <nlohmann/json.hpp>

#include "worker/detail/reports.h"

namespace weft::worker {
namespace {

using nlohmann::json;
using ::proto::FunctionStatus;
using Exceptions = google::protobuf::RepeatedPtrField<FunctionStatus::ExceptionInformation>;

const json& member(const json& object, const char* name) {
    static const json kNothing;
    if (!object.is_object()) return kNothing;
    const auto found = object.find(name);
    return found == object.end() ? kNothing : *found;
}
std::string text_in(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}
std::int64_t count_in(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}
double number_in(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_number() ? value.get<double>() : 0;
}

void read_exceptions(const json& object, const char* name, Exceptions& exceptions) {
    const json& list = member(object, name);
    if (!list.is_array()) return;
    for (const json& each : list) {
        auto& exception = *exceptions.Add();
        exception.set_exceptionstring(text_in(each, "exceptionString"));
        exception.set_mssinceepoch(count_in(each, "timestampMs"));
    }
}

/// The members that the three kinds of components call differently.
struct Words {
    const char *received, *processed, *last;
};
constexpr Words words_of(model::ComponentType type) {
    switch (type) {
        case model::ComponentType::source:
            return {"numReceivedFromSource", "numWritten", "lastReceivedTime"};
        case model::ComponentType::sink:
            return {"numReadFromPulsar", "numWrittenToSink", "lastReceivedTime"};
        case model::ComponentType::function:
            break;
    }
    return {"numReceived", "numSuccessfullyProcessed", "lastInvocationTime"};
}

}  // namespace

void read_instance_status(const json& told, model::ComponentType type, StatusReport& report) {
    auto& status = report.status;
    const Words words = words_of(type);
    status.set_running(member(told, "running") == true);
    status.set_failureexception(text_in(told, "error"));
    status.set_weftcontainment(text_in(told, "containment"));
    status.set_weftlimits(text_in(told, "limits"));
    status.set_numrestarts(count_in(told, "numRestarts"));
    status.set_numreceived(count_in(told, words.received));
    status.set_numsuccessfullyprocessed(count_in(told, words.processed));
    status.set_lastinvocationtime(count_in(told, words.last));
    status.set_averagelatency(number_in(told, "averageLatency"));
    status.set_numuserexceptions(count_in(told, "numUserExceptions"));
    status.set_numsystemexceptions(count_in(told, "numSystemExceptions"));
    status.set_numsourceexceptions(count_in(told, "numSourceExceptions"));
    status.set_numsinkexceptions(count_in(told, "numSinkExceptions"));
    read_exceptions(told, "latestUserExceptions", *status.mutable_latestuserexceptions());
    read_exceptions(told, "latestSystemExceptions", *status.mutable_latestsystemexceptions());
    read_exceptions(told, "latestSourceExceptions", *status.mutable_latestsourceexceptions());
    read_exceptions(told, "latestSinkExceptions", *status.mutable_latestsinkexceptions());
    report.package_digest = text_in(told, "packageDigest");
}

void read_instance_stats(const json& told, StatsReport& report) {
    auto& metrics = report.metrics;
    metrics.set_receivedtotal(count_in(told, "receivedTotal"));
    metrics.set_processedsuccessfullytotal(count_in(told, "processedSuccessfullyTotal"));
    metrics.set_systemexceptionstotal(count_in(told, "systemExceptionsTotal"));
    metrics.set_userexceptionstotal(count_in(told, "userExceptionsTotal"));
    metrics.set_avgprocesslatency(number_in(told, "avgProcessLatency"));
    metrics.set_lastinvocation(count_in(told, "lastInvocation"));
    const json& minute = member(told, "1min");
    metrics.set_receivedtotal_1min(count_in(minute, "receivedTotal"));
    metrics.set_processedsuccessfullytotal_1min(count_in(minute, "processedSuccessfullyTotal"));
    metrics.set_systemexceptionstotal_1min(count_in(minute, "systemExceptionsTotal"));
    metrics.set_userexceptionstotal_1min(count_in(minute, "userExceptionsTotal"));
    metrics.set_avgprocesslatency_1min(number_in(minute, "avgProcessLatency"));
    const json& user = member(told, "userMetrics");
    if (!user.is_object()) return;
    for (const auto& [name, value] : user.items()) {
        if (value.is_number()) (*metrics.mutable_usermetrics())[name] = value.get<double>();
    }
}

}  // namespace weft::worker
