#pragma once
// FunctionStats: what an instance has counted, as the status and the stats of the REST API show it. Any
// thread; called once per chunk of messages, not per message.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace proto {
class FunctionStatus;
class MetricsData;
}  // namespace proto

namespace weft::runtime {

class FunctionStats {
  public:
    void received(std::uint64_t messages);
    /// A chunk went through the function: `ok` of its messages without a failure, in `time` for all `called`.
    void processed(std::uint64_t called, std::uint64_t ok, Duration time);
    void user_exception(std::string_view text);
    void system_exception(std::string_view text);
    /// A value of a metric that the function reports; names past kMetricNamesMax are dropped.
    void metric(std::string_view name, double value);

    void fill(::proto::FunctionStatus& status) const;
    void fill(::proto::MetricsData& metrics) const;

    static constexpr std::size_t kExceptionsKept = 10;
    static constexpr std::size_t kExceptionBytesMax = 16U << 10;  // of one text
    static constexpr std::size_t kMetricNamesMax = 1000;

  private:
    struct Counters {
        std::uint64_t received = 0, ok = 0, user_exceptions = 0, system_exceptions = 0, called = 0;
        Duration time = Duration::zero();
        double latency_ms() const;
    };
    struct Exception {
        std::string text;
        std::uint64_t at_ms = 0;
    };
    struct Metric {
        double sum = 0;
        std::uint64_t count = 0;
    };
    Counters& window();
    static void keep(std::deque<Exception>& list, std::string_view text);

    mutable std::mutex mutex_;
    // Guarded by mutex_.
    Counters total_;
    Counters window_;  // since window_start_; a minute at most, as the Java worker's
    SteadyTime window_start_ = steady_now();
    std::uint64_t last_invocation_ms_ = 0;
    std::deque<Exception> user_exceptions_, system_exceptions_;
    std::map<std::string, Metric, std::less<>> metrics_;
};

}  // namespace weft::runtime
