// Who is there, and which worker runs which instance.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "wire/proto/Function.pb.h"
#include "worker/schedule.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MetaPtr meta_of(const std::string& name, int parallelism,
                ::proto::FunctionDetails::Runtime runtime = ::proto::FunctionDetails::PYTHON) {
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    auto& details = *meta->mutable_functiondetails();
    details.set_tenant("t");
    details.set_namespace_("n");
    details.set_name(name);
    details.set_parallelism(parallelism);
    details.set_runtime(runtime);
    return meta;
}
model::FunctionName named(const std::string& name) { return {"t", "n", name}; }

std::vector<std::string> shown(const std::vector<AssignmentEvent>& events) {
    std::vector<std::string> out;
    for (const auto& e : events)
        out.push_back(str_cat(e.key.function.name, ":", e.key.instance_id, "=", e.worker_id));
    return out;
}

TEST(Participants, are_read_from_their_names) {
    const auto member = parse_participant("c-standalone-fw-host-6750:host:6750");
    ASSERT_TRUE(member);
    EXPECT_EQ(member->worker_id, "c-standalone-fw-host-6750");
    EXPECT_EQ(member->url(), "http://host:6750");
    EXPECT_EQ(parse_participant("w:::1:80")->url(), "http://[::1]:80");
    for (const auto* broken :
         {"", ":", "::", "w:host", "w:host:", "w:host:x", "w:host:70000", ":host:1", "w::1"})
        EXPECT_FALSE(parse_participant(broken)) << broken;
}

TEST(Absences, are_waited_for_and_end) {
    Absences absences;
    const SteadyTime start{};
    const std::set<std::string> holders{"a", "b"};
    EXPECT_THAT(absences.waited_for(holders, {"a"}, start, 2s), ElementsAre("b"));
    EXPECT_THAT(absences.waited_for(holders, {"a"}, start + 1s, 2s), ElementsAre("b"));
    EXPECT_THAT(absences.waited_for(holders, {"a", "b"}, start + 1500ms, 2s), IsEmpty());
    EXPECT_THAT(absences.waited_for(holders, {"a"}, start + 2s, 2s), ElementsAre("b")) << "counted anew";
    EXPECT_THAT(absences.waited_for(holders, {"a"}, start + 4s, 2s), IsEmpty());
    EXPECT_THAT(absences.waited_for(holders, {}, start + 4s, 0s), IsEmpty());
}

TEST(Schedule, instances_of_one_function_are_spread) {
    Workforce force{{{"a", {1}}, {"b", {1}}}, {}};
    const InstanceAssignments current{{0, {"a", meta_of("f", 2)}}};
    EXPECT_THAT(shown(plan_assignments(named("f"), current.at(0).meta, {}, force)),
                ElementsAre("f:0=a", "f:1=b"));
    Workforce even{{{"a", {1}}, {"b", {1}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("f"), current.at(0).meta, current, even)), ElementsAre("f:1=b"));
}

TEST(Schedule, what_a_waited_for_worker_has_stays_but_it_gets_no_more) {
    Workforce force{{{"a", {0}}}, {"away"}};
    const auto meta = meta_of("f", 2);
    EXPECT_THAT(shown(plan_assignments(named("f"), meta, {{0, {"away", meta}}}, force)),
                ElementsAre("f:1=a"));
}

TEST(Schedule, java_functions_go_to_workers_that_run_them) {
    const auto java = meta_of("j", 2, ::proto::FunctionDetails::JAVA);
    Workforce mixed{{{"java", {5, false}}, {"weft", {0, true}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("j"), java, {}, mixed)), ElementsAre("j:0=java", "j:1=java"));
    Workforce weft{{{"weft", {0, true}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("j"), java, {}, weft)), ElementsAre("j:0=weft", "j:1=weft"))
        << "its status says why it doesn't run";
    Workforce all{{{"java", {4000, false}}, {"weft", {0, true}}}, {}};
    Assignments assigned;
    for (int id = 0; id < 2; ++id) assigned[named("j")][id] = {"java", java};
    for (int id = 0; id < 2; ++id) assigned[named("p")][id] = {"java", meta_of("p", 2)};
    EXPECT_THAT(shown(plan_rebalance(assigned, all)), ElementsAre("p:0=weft", "p:1=weft"));
}

TEST(Schedule, what_a_weft_worker_keeps_goes_to_weft_workers) {
    const auto kept = std::make_shared<::proto::FunctionMetaData>(*meta_of("k", 2));
    kept->mutable_packagelocation()->set_packagepath("weft-package://abc");
    Workforce mixed{{{"java", {0, false}}, {"weft", {5000, true}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("k"), kept, {}, mixed)), ElementsAre("k:0=weft", "k:1=weft"));
    Workforce java{{{"java", {0, false}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("k"), kept, {}, java)), ElementsAre("k:0=java", "k:1=java"));
    Workforce uneven{{{"java", {0, false}}, {"weft", {2000, true}}}, {}};
    EXPECT_THAT(plan_rebalance({{named("k"), {{0, {"weft", kept}}, {1, {"weft", kept}}}}}, uneven),
                IsEmpty());
}

TEST(Schedule, what_is_in_distributed_log_goes_to_javas_workers) {
    const auto kept = std::make_shared<::proto::FunctionMetaData>(*meta_of("d", 1));
    kept->mutable_packagelocation()->set_packagepath("t/n/d/0f-d.py");
    Workforce mixed{{{"java", {5000, false}}, {"weft", {0, true}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("d"), kept, {}, mixed)), ElementsAre("d:0=java"));
    kept->mutable_packagelocation()->set_packagepath("function://t/n/d@0");
    EXPECT_THAT(shown(plan_assignments(named("d"), kept, {}, mixed)), ElementsAre("d:0=weft"));
}

TEST(Schedule, heartbeat_functions_run_on_their_own_worker_only) {
    const model::FunctionName name{"pulsar-function", "heartbeat", "b"};
    Workforce force{{{"a", {0}}, {"b", {9}}}, {}};
    EXPECT_THAT(shown(plan_assignments(name, meta_of("b", 1), {}, force)), ElementsAre("b:0=b"));
    Workforce without{{{"a", {0}}}, {}};
    EXPECT_THAT(plan_assignments(name, meta_of("b", 1), {}, without), IsEmpty());
}

MetaPtr heavy(const std::string& name, double cpu, std::uint64_t ram_gib) {
    auto meta = std::make_shared<::proto::FunctionMetaData>(*meta_of(name, 1));
    meta->mutable_functiondetails()->mutable_resources()->set_cpu(cpu);
    meta->mutable_functiondetails()->mutable_resources()->set_ram(static_cast<std::int64_t>(ram_gib << 30U));
    return meta;
}

TEST(Schedule, an_instance_weighs_the_larger_part_of_its_cpu_and_ram) {
    EXPECT_EQ(weight_of(*meta_of("f", 1)), 1000U) << "nothing asked for: an ordinary one";
    EXPECT_EQ(weight_of(*heavy("f", 1, 1)), 1000U);
    EXPECT_EQ(weight_of(*heavy("f", 4, 2)), 4000U);
    EXPECT_EQ(weight_of(*heavy("f", 0.5, 8)), 8000U);
    EXPECT_EQ(weight_of(*heavy("f", 1e300, 1)), kWeightMax);
    Workforce force{{{"a", {0}}, {"b", {0}}}, {}};
    EXPECT_THAT(shown(plan_assignments(named("big"), heavy("big", 3, 1), {}, force)), ElementsAre("big:0=a"));
    EXPECT_THAT(shown(plan_assignments(named("f"), meta_of("f", 4), {}, force)),
                ElementsAre("f:0=b", "f:1=b", "f:2=b", "f:3=a"));
}

TEST(Rebalance, counts_weight_and_not_heads) {
    Assignments all;
    all[named("big")][0] = {"a", heavy("big", 3, 1)};
    for (int f = 0; f < 4; ++f) all[named(str_cat("f", f))][0] = {"a", meta_of(str_cat("f", f), 1)};
    Workforce force{{{"a", {7000}}, {"b", {0}}}, {}};
    const auto moves = plan_rebalance(all, force);
    std::uint64_t moved = 0;
    for (const auto& move : moves) moved += weight_of(*move.meta);
    EXPECT_TRUE(moved == 3000 || moved == 4000) << moved;
    Workforce even{{{"a", {3000}}, {"b", {3000}}}, {}};
    Assignments three;
    three[named("big")][0] = {"a", heavy("big", 3, 1)};
    for (int f = 0; f < 3; ++f) three[named(str_cat("f", f))][0] = {"b", meta_of(str_cat("f", f), 1)};
    EXPECT_THAT(plan_rebalance(three, even), IsEmpty());
}

TEST(Rebalance, a_joining_worker_gets_its_share_and_no_more_moves) {
    Assignments all;
    for (int f = 0; f < 20; ++f) {
        const std::string name = str_cat("f", f);
        for (int id = 0; id < 3; ++id) all[named(name)][id] = {id % 2 == 0 ? "a" : "b", meta_of(name, 3)};
    }
    Workforce force{{{"a", {40'000}}, {"b", {20'000}}, {"c", {0}}}, {}};
    const auto moves = plan_rebalance(all, force);
    EXPECT_EQ(moves.size(), 20U);
    for (const auto& move : moves) EXPECT_EQ(move.worker_id, "c");
    EXPECT_THAT(plan_rebalance({}, {}), IsEmpty());
}

TEST(Rebalance, ends_in_balance_with_the_least_moves_whatever_the_start) {
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        const int workers = 2 + static_cast<int>(random() % 5);
        Workforce force;
        for (int w = 0; w < workers; ++w) force.takers[str_cat("w", w)] = {};
        Assignments all;
        std::size_t total = 0;
        for (unsigned f = 0; f < random() % 30; ++f) {
            const std::string name = str_cat("f", f);
            const int parallelism = 1 + static_cast<int>(random() % 4);
            for (int id = 0; id < parallelism; ++id, ++total) {
                const std::string worker = str_cat("w", random() % static_cast<unsigned>(workers));
                all[named(name)][id] = {worker, meta_of(name, parallelism)};
                force.takers.at(worker).load += 1000;
            }
        }
        const std::size_t share = total / static_cast<std::size_t>(workers);
        std::size_t over = 0, over_by_one = 0, under = 0;
        for (const auto& [id, worker] : force.takers) {
            const std::size_t instances = worker.load / 1000;
            over += instances > share + 1 ? instances - share - 1 : 0;
            over_by_one += instances > share ? instances - share : 0;
            under += instances < share ? share - instances : 0;
        }
        const auto moves = plan_rebalance(all, force);
        for (const auto& move : moves) {
            force.takers.at(all[move.key.function][move.key.instance_id].worker_id).load -= 1000;
            force.takers.at(move.worker_id).load += 1000;
        }
        for (const auto& [id, worker] : force.takers) {
            EXPECT_GE(worker.load / 1000, share);
            EXPECT_LE(worker.load / 1000, share + 1);
        }
        EXPECT_EQ(moves.size(), std::max(over, under)) << "round " << round << ", at most " << over_by_one;
    }
}

}  // namespace
}  // namespace weft::worker
