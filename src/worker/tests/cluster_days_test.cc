// Days of a cluster's life under simulation. WEFT_CLUSTER_DAYS and WEFT_CLUSTER_STORMS say how many, from
// WEFT_CLUSTER_SEED on: a violation is replayed by its seed. WEFT_CLUSTER_REPORT names a file for what
// happened.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "worker/testing/simulated_cluster.h"

namespace weft::worker {
namespace {

using Cluster = testing::SimulatedCluster;

std::uint64_t asked(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void add(Cluster::Figures& sum, const Cluster::Figures& more) {
    sum.requests += more.requests;
    sum.confirmed += more.confirmed;
    sum.steps += more.steps;
    sum.rests += more.rests;
    sum.leaders += more.leaders;
    sum.kills += more.kills;
    sum.leaves += more.leaves;
    sum.pauses += more.pauses;
    sum.sleeps_in_calls += more.sleeps_in_calls;
    sum.cuts += more.cuts;
    sum.expired += more.expired;
    sum.broker_restarts += more.broker_restarts;
    sum.failed_appends += more.failed_appends;
    sum.longest_overlap = std::max(sum.longest_overlap, more.longest_overlap);
    sum.longest_gap = std::max(sum.longest_gap, more.longest_gap);
}

/// One JSON object, a line: what a run did.
void report(const std::string& name, std::uint64_t lives, const Cluster::Figures& f, Duration took) {
    const char* const path = std::getenv("WEFT_CLUSTER_REPORT");
    if (!path) return;
    std::ofstream(path, std::ios::app) << str_cat(
        R"({"name":")", name, R"(","lives":)", lives, R"(,"seconds":)", took / 1s, R"(,"requests":)",
        f.requests, R"(,"confirmed":)", f.confirmed, R"(,"steps":)", f.steps, R"(,"checks at rest":)",
        f.rests, R"(,"changes of leader":)", f.leaders, R"(,"kills":)", f.kills, R"(,"leaves":)", f.leaves,
        R"(,"pauses":)", f.pauses, R"(,"sleeps in a call":)", f.sleeps_in_calls, R"(,"cuts":)", f.cuts,
        R"(,"expired sessions":)", f.expired, R"(,"broker restarts":)", f.broker_restarts,
        R"(,"failed appends":)", f.failed_appends, R"(,"longest overlap ms":)", f.longest_overlap / 1ms,
        R"(,"longest gap ms":)", f.longest_gap / 1ms, "}\n");
}

void live(const std::string& name, std::uint64_t lives, Duration length, const Cluster::Rates& rates) {
    const SteadyTime began = steady_now();
    Cluster::Figures sum;
    const std::uint64_t first = asked("WEFT_CLUSTER_SEED", 1);
    for (std::uint64_t seed = first; seed < first + lives; ++seed) {
        Cluster cluster(seed, rates);
        const std::string violation = cluster.run(length);
        if (!violation.empty()) FAIL() << "seed " << seed << ": " << violation;
        add(sum, cluster.figures());
    }
    EXPECT_GT(sum.rests, lives);
    EXPECT_GT(sum.confirmed, lives);
    report(name, lives, sum, steady_now() - began);
}

TEST(ClusterDays, a_day_with_the_troubles_of_a_day) { live("days", asked("WEFT_CLUSTER_DAYS", 2), 24h, {}); }

TEST(ClusterDays, an_hour_with_the_troubles_of_days) {
    Cluster::Rates storm;
    for (Duration* const mean : {&storm.change, &storm.kill, &storm.machine_lost, &storm.leave, &storm.pause,
                                 &storm.cut, &storm.peers_cut, &storm.slow_link, &storm.broker_restart,
                                 &storm.compaction, &storm.rebalance, &storm.drain})
        *mean /= 30;
    storm.append_lost = storm.append_stored_but_unknown = 0.02;
    storm.answer_lost = 0.05;
    storm.sleeps_in_a_call = 0.002;
    live("stormy hours", asked("WEFT_CLUSTER_STORMS", 10), 1h, storm);
}

}  // namespace
}  // namespace weft::worker
