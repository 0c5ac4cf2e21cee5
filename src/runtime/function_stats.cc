#include "runtime/function_stats.h"

#include "base/str_cat.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {

double FunctionStats::Counters::latency_ms() const {
    if (called == 0) return 0;
    return std::chrono::duration<double, std::milli>(time).count() / static_cast<double>(called);
}

FunctionStats::Counters& FunctionStats::window() {
    const SteadyTime now = steady_now();
    if (now - window_start_ >= 60s) {
        window_start_ += std::chrono::floor<std::chrono::minutes>(now - window_start_);
        window_ = {};
    }
    return window_;
}

void FunctionStats::received(std::uint64_t messages) {
    const std::lock_guard lock(mutex_);
    total_.received += messages;
    window().received += messages;
}

void FunctionStats::processed(std::uint64_t called, std::uint64_t ok, Duration time) {
    const std::lock_guard lock(mutex_);
    for (Counters* counters : {&total_, &window()}) {
        counters->called += called;
        counters->ok += ok;
        counters->time += time;
    }
    last_invocation_ms_ = wall_clock_ms();
}

void FunctionStats::keep(std::deque<Exception>& list, std::string_view text) {
    if (list.size() == kExceptionsKept) list.pop_front();
    list.push_back({std::string(text.substr(0, kExceptionBytesMax)), wall_clock_ms()});
}

void FunctionStats::user_exception(std::string_view text) {
    const std::lock_guard lock(mutex_);
    ++total_.user_exceptions;
    ++window().user_exceptions;
    keep(user_exceptions_, text);
}

void FunctionStats::system_exception(std::string_view text) {
    const std::lock_guard lock(mutex_);
    ++total_.system_exceptions;
    ++window().system_exceptions;
    keep(system_exceptions_, text);
}

void FunctionStats::metric(std::string_view name, double value) {
    const std::lock_guard lock(mutex_);
    auto it = metrics_.find(name);
    if (it == metrics_.end()) {
        if (metrics_.size() == kMetricNamesMax) return;
        it = metrics_.emplace(name, Metric{}).first;
    }
    it->second.sum += value;
    ++it->second.count;
}

void FunctionStats::fill(::proto::FunctionStatus& status) const {
    const std::lock_guard lock(mutex_);
    status.set_numreceived(static_cast<std::int64_t>(total_.received));
    status.set_numsuccessfullyprocessed(static_cast<std::int64_t>(total_.ok));
    status.set_numuserexceptions(static_cast<std::int64_t>(total_.user_exceptions));
    status.set_numsystemexceptions(static_cast<std::int64_t>(total_.system_exceptions));
    status.set_averagelatency(total_.latency_ms());
    status.set_lastinvocationtime(static_cast<std::int64_t>(last_invocation_ms_));
    for (const Exception& e : user_exceptions_) {
        auto& added = *status.add_latestuserexceptions();
        added.set_exceptionstring(e.text);
        added.set_mssinceepoch(static_cast<std::int64_t>(e.at_ms));
    }
    for (const Exception& e : system_exceptions_) {
        auto& added = *status.add_latestsystemexceptions();
        added.set_exceptionstring(e.text);
        added.set_mssinceepoch(static_cast<std::int64_t>(e.at_ms));
    }
}

void FunctionStats::fill(::proto::MetricsData& metrics) const {
    const std::lock_guard lock(mutex_);
    metrics.set_receivedtotal(static_cast<std::int64_t>(total_.received));
    metrics.set_processedsuccessfullytotal(static_cast<std::int64_t>(total_.ok));
    metrics.set_userexceptionstotal(static_cast<std::int64_t>(total_.user_exceptions));
    metrics.set_systemexceptionstotal(static_cast<std::int64_t>(total_.system_exceptions));
    metrics.set_avgprocesslatency(total_.latency_ms());
    metrics.set_lastinvocation(static_cast<std::int64_t>(last_invocation_ms_));
    const Counters minute = steady_now() - window_start_ < 60s ? window_ : Counters{};
    metrics.set_receivedtotal_1min(static_cast<std::int64_t>(minute.received));
    metrics.set_processedsuccessfullytotal_1min(static_cast<std::int64_t>(minute.ok));
    metrics.set_userexceptionstotal_1min(static_cast<std::int64_t>(minute.user_exceptions));
    metrics.set_systemexceptionstotal_1min(static_cast<std::int64_t>(minute.system_exceptions));
    metrics.set_avgprocesslatency_1min(minute.latency_ms());
    for (const auto& [name, metric] : metrics_) {
        (*metrics.mutable_usermetrics())[str_cat("user_metric_", name, "_sum")] = metric.sum;
        (*metrics.mutable_usermetrics())[str_cat("user_metric_", name, "_count")] =
            static_cast<double>(metric.count);
    }
}

}  // namespace weft::runtime
