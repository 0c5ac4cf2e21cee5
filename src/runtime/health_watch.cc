#include "runtime/health_watch.h"

#include <algorithm>
#include <ctime>

#include "wire/proto/Function.pb.h"

namespace weft::runtime {
namespace {

constexpr Duration kConcernAfter = 5s;

std::string time_text(std::uint64_t wall_ms) {
    const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::int64_t seconds_of(Duration time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

HealthPolicy with_timeout(HealthPolicy policy, Duration timeout) {
    if (policy.call_limit > Duration::zero()) policy.call_limit = std::max(policy.call_limit, timeout);
    return policy;
}

}  // namespace

Duration timeout_of(const InstanceSpec& spec) {
    ::proto::FunctionDetails details;
    details.ParseFromString(spec.function_details);
    return std::chrono::milliseconds(details.source().timeoutms());
}

HealthWatch::HealthWatch(HealthPolicy policy, Duration timeout) : policy_(with_timeout(policy, timeout)) {}

Duration HealthWatch::interval() const {
    return std::clamp<Duration>(std::min(policy_.call_limit, policy_.answer_limit) / 8, 10ms, 10s);
}

void HealthWatch::restart() {
    asked_.reset();
    stuck_since_.reset();
    steps_ = 0;
}

void HealthWatch::asked(SteadyTime now) {
    if (!asked_) asked_ = now;
}

void HealthWatch::answered(std::uint64_t steps, bool in_user_code, std::string about, SteadyTime now) {
    asked_.reset();
    const bool same = stuck_since_ && steps == steps_;
    steps_ = steps;
    about_ = std::move(about);
    if (!in_user_code) {
        stuck_since_.reset();
    } else if (!same) {
        stuck_since_ = now;
        stuck_since_ms_ = wall_clock_ms();
    }
}

std::string HealthWatch::no_progress(SteadyTime now) const {
    return str_cat("no progress for ", seconds_of(now - *stuck_since_), " s, since ",
                   time_text(stuck_since_ms_), ", on ", about_);
}

std::optional<std::string> HealthWatch::hung(SteadyTime now) const {
    if (!on()) return std::nullopt;
    if (asked_ && now - *asked_ >= policy_.answer_limit) {
        return str_cat("the instance hung: it has not answered its supervisor for ",
                       seconds_of(now - *asked_),
                       " s (the last that it worked on: ", about_.empty() ? "nothing" : about_, ")");
    }
    if (!stuck_since_ || now - *stuck_since_ < policy_.call_limit) return std::nullopt;
    return str_cat("the instance hung: ", no_progress(now), "; one call may last ",
                   seconds_of(policy_.call_limit), " s");
}

std::optional<std::string> HealthWatch::concern(SteadyTime now) const {
    if (!stuck_since_ || now - *stuck_since_ < std::min<Duration>(policy_.call_limit / 2, kConcernAfter))
        return std::nullopt;
    return no_progress(now);
}

}  // namespace weft::runtime
