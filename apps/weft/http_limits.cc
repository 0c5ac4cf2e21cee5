#include "http_limits.h"

#include <charconv>

namespace weft::app {

namespace {

struct Range {
    std::uint32_t min, max;
};

Result<> take(const config::SettingsView& settings, std::string_view key, Range range, std::uint32_t& into) {
    const auto value = settings.integer(key);
    if (!value) return {};
    if (*value < range.min || *value > range.max)
        return settings.refuse(key,
                               str_cat("give ", range.min, " to ", range.max, ": there has to be a bound"));
    into = static_cast<std::uint32_t>(*value);
    return {};
}

// Pulsar's default, 100, holds if only the other key is given.
Result<> take_rate(const config::SettingsView& settings, double& into) {
    if (!settings.boolean("httpRequestsLimitEnabled").value_or(false)) return {};
    const std::string text = settings.text("httpRequestsMaxPerSecond").value_or("100");
    double rate = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
    if (error != std::errc() || end != text.data() + text.size() || !(rate >= 0.01 && rate <= 1e6))
        return settings.refuse("httpRequestsMaxPerSecond", "give 0.01 to 1000000");
    into = rate;
    return {};
}

}  // namespace

Result<> take_http_limits(const config::SettingsView& settings, http::ServerOptions& into) {
    WEFT_TRY_VOID(take(settings, "numHttpServerThreads", {1, 256}, into.threads));
    WEFT_TRY_VOID(take(settings, "maxHttpServerConnections", {1, 1'000'000}, into.connections_max));
    WEFT_TRY_VOID(take(settings, "maxConcurrentHttpRequests", {1, 1'000'000}, into.requests_waiting_max));
    return take_rate(settings, into.requests_per_second_max);
}

}  // namespace weft::app
