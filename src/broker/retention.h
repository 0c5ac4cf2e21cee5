#pragma once
// Retention: how long a topic keeps entries that no durable subscription still needs. Pure.
//
// The rule. Entries that a durable subscription has not acked stay. Of the others, those within the
// namespace's retention policy stay (Pulsar's retention_policies: minutes and MiB, -1 = no limit, both 0 =
// none). Besides, as in Pulsar, where the ledger that is being written is never deleted, young entries stay,
// so that whoever produces first and reads later finds them:
// - where durable subscriptions have acked them: what is younger than 10 minutes and within the topic's
// newest 64 MiB;
// - in a topic without a durable subscription: what is younger than 10 minutes or within its newest 64 MiB.
// While the disk is full, what all durable subscriptions have acked goes at once, but for the policy.
// Age and size are known to within a minute and 16 MiB; what was there before a restart counts as written at
// the restart. Trimming happens when acks or entries come, once a minute at most for other topics, never on a
// timer of its own.

#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.h"
#include "store/store.h"

namespace weft::broker {

struct RetentionPolicy {
    std::int64_t minutes = 0;    // -1: no limit
    std::int64_t megabytes = 0;  // -1: no limit
    bool operator==(const RetentionPolicy&) const = default;
};

/// What grew when: a few marks along a topic.
class RetentionMarks {
  public:
    static constexpr std::size_t kMarksMax = 256;
    /// Entries below `end` were there at `now`; `bytes` of them since the topic was opened.
    void note(SteadyTime now, store::EntryId end, std::uint64_t bytes);
    /// The entry below which everything is older than `age` (unset: age doesn't matter, nothing is old
    /// enough).
    store::EntryId older_than(SteadyTime now, Duration age) const;
    /// The entry below which everything is beyond the newest `newest` bytes of `bytes`.
    store::EntryId beyond(std::uint64_t bytes, std::uint64_t newest) const;

  private:
    struct Mark {
        SteadyTime at;
        store::EntryId end;
        std::uint64_t bytes;
    };
    std::deque<Mark> marks_;
};

struct RetentionInput {
    SteadyTime now;
    store::EntryId end = 0;   // of the topic
    std::uint64_t bytes = 0;  // appended since the topic was opened
    std::optional<store::EntryId>
        acked_by_all;  // the lowest position of its durable subscriptions; unset: it has none
    RetentionPolicy policy;
    bool disk_is_full = false;
};

/// The entry below which a topic may be trimmed.
store::EntryId trim_point(const RetentionMarks& marks, const RetentionInput& input);

}  // namespace weft::broker
