#include "broker/retention.h"

#include <algorithm>

namespace weft::broker {
namespace {

constexpr auto kMarkEvery = 1min;
constexpr std::uint64_t kMarkBytes = 16U << 20;
constexpr auto kYoungAge = 10min;
constexpr std::uint64_t kYoungBytes = 64U << 20;

}  // namespace

void RetentionMarks::note(SteadyTime now, store::EntryId end, std::uint64_t bytes) {
    if (!marks_.empty() && now - marks_.back().at < kMarkEvery && bytes - marks_.back().bytes < kMarkBytes)
        return;
    marks_.push_back({now, end, bytes});
    if (marks_.size() <= kMarksMax) return;
    // Thin out: every second mark of the older half goes.
    std::deque<Mark> kept;
    for (std::size_t i = 0; i < marks_.size(); ++i) {
        if (i > marks_.size() / 2 || i % 2 == 0) kept.push_back(marks_[i]);
    }
    marks_ = std::move(kept);
}

store::EntryId RetentionMarks::older_than(SteadyTime now, Duration age) const {
    store::EntryId point = 0;
    for (const auto& mark : marks_) {
        if (now - mark.at < age) break;
        point = mark.end;
    }
    return point;
}

store::EntryId RetentionMarks::beyond(std::uint64_t bytes, std::uint64_t newest) const {
    store::EntryId point = 0;
    for (const auto& mark : marks_) {
        if (bytes - mark.bytes < newest) break;
        point = mark.end;
    }
    return point;
}

store::EntryId trim_point(const RetentionMarks& marks, const RetentionInput& input) {
    const auto old_enough = marks.older_than(input.now, kYoungAge);
    const auto too_much = marks.beyond(input.bytes, kYoungBytes);
    const auto point =
        input.acked_by_all
            ? (input.disk_is_full ? *input.acked_by_all
                                  : std::min(*input.acked_by_all, std::max(old_enough, too_much)))
            : std::min(old_enough, too_much);
    const auto& policy = input.policy;
    if (policy.minutes == 0 && policy.megabytes == 0) return point;
    // Pulsar lets go of what is beyond either limit; -1 takes a limit away.
    store::EntryId old = 0;
    if (policy.minutes > 0) old = marks.older_than(input.now, std::chrono::minutes(policy.minutes));
    if (policy.megabytes > 0) {
        old = std::max(old, marks.beyond(input.bytes, static_cast<std::uint64_t>(policy.megabytes) << 20));
    }
    return std::min(point, old);
}

}  // namespace weft::broker
