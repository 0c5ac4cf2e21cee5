// A cluster of control planes in one thread, on topics in memory, with virtual time. cluster_days_test.cc has
// what happens by chance.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <thread>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "worker/control_plane.h"
#include "worker/testing/fake_world.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// What "runs" on one worker; cleaning up is done when the test says so.
class FakeInstances final : public LocalInstances {
  public:
    void want(const model::FunctionName& name, MetaPtr, std::set<std::int32_t> instances,
              Moves given) override {
        if (!given.from.empty() || !given.leaving.empty()) moves[name] = std::move(given);
        if (instances.empty()) {
            wanted.erase(name);
        } else {
            wanted[name] = std::move(instances);
        }
    }
    void retire(const model::FunctionName& name, MetaPtr, std::function<void()> done) override {
        wanted.erase(name);
        retiring.push_back(std::move(done));
    }
    bool finish_one() {
        if (retiring.empty()) return false;
        const auto done = std::move(retiring.front());
        retiring.erase(retiring.begin());
        if (done) done();
        return true;
    }

    std::map<model::FunctionName, std::set<std::int32_t>> wanted;
    std::map<model::FunctionName, Moves> moves;  // the latest
    std::vector<std::function<void()>> retiring;
};

struct Node {
    std::string id;
    std::unique_ptr<FakeInstances> instances;
    std::unique_ptr<ControlPlane> plane;  // null: dead
    bool asleep = false;
};

class Cluster {
  public:
    Cluster() {
        peers.on_write = [this](const Member& to, MetadataChange change,
                                const ::proto::FunctionMetaData& meta, Deadline deadline) -> Result<> {
            Node* const node = find(to.worker_id);
            if (!node || !node->plane || node->asleep) return fail(ErrorCode::unavailable, "nobody listens");
            if (!node->plane->is_leader()) return fail(ErrorCode::unavailable, "not the leader");
            const auto copy = std::make_shared<::proto::FunctionMetaData>(meta);
            return change == MetadataChange::update ? node->plane->put(copy, deadline)
                                                    : node->plane->remove(copy, {}, deadline);
        };
        peers.on_order = [this](const Member& to, const std::string& path, Deadline deadline) -> Result<> {
            Node* const node = find(to.worker_id);
            const auto worker = path.find("workerId=");
            if (!node || !node->plane || worker == path.npos)
                return fail(ErrorCode::unavailable, "nobody listens");
            return node->plane->drain(path.substr(worker + 9), deadline);
        };
    }

    Node& start(const std::string& id) {
        Node* node = find(id);
        if (!node) node = &nodes.emplace_back(Node{id, nullptr, nullptr});
        PlaneOptions options;
        options.label = id;
        options.topics = TopicNames::of_java_workers("public/functions");
        options.worker_id = id;
        options.participant = id + ":host:1";
        options.tenant = "public";
        options.ns = "functions";
        options.leader_patience = 0s;
        options.now = [this] { return now; };
        options.compact_every = compact_every;
        node->asleep = false;
        node->instances = std::make_unique<FakeInstances>();
        node->plane =
            std::make_unique<ControlPlane>(std::move(options), topics, admin, peers, *node->instances);
        return *node;
    }
    static void kill(Node& node) {
        node.plane.reset();
        node.instances.reset();
    }
    Node* find(const std::string& id) {
        const auto found = std::ranges::find(nodes, id, &Node::id);
        return found == nodes.end() ? nullptr : &*found;
    }
    static bool step(Node& node) {
        return node.plane && !node.asleep && node.plane->step(Deadline::after(1s)).has_value();
    }
    void settle(int rounds = 20) {
        for (int round = 0; round < rounds; ++round) {
            now += 1s;
            for (Node& node : nodes) {
                step(node);
                while (node.plane && !node.asleep && node.instances->finish_one()) {
                }
            }
        }
    }
    Node* leader() {
        for (Node& node : nodes) {
            if (node.plane && !node.asleep && node.plane->is_leader()) return &node;
        }
        return nullptr;
    }
    std::vector<Record> log(const std::string& topic) {
        return topics.log("persistent://public/functions/" + topic);
    }

    SteadyTime now{};
    Duration compact_every = 0s;
    testing::FakeTopics topics;
    testing::FakeAdmin admin{topics};
    testing::FakePeers peers;
    std::list<Node> nodes;
};

std::shared_ptr<::proto::FunctionMetaData> function(const std::string& name, int parallelism,
                                                    std::uint64_t created, std::uint64_t version = 0) {
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    auto& details = *meta->mutable_functiondetails();
    details.set_tenant("t");
    details.set_namespace_("n");
    details.set_name(name);
    details.set_runtime(::proto::FunctionDetails::PYTHON);
    details.set_parallelism(parallelism);
    meta->set_createtime(created);
    meta->set_version(version);
    return meta;
}
const Deadline kNow = Deadline::after(0s);

/// "worker f:0 f:1" for each worker that runs something.
std::vector<std::string> running(Cluster& cluster) {
    std::vector<std::string> lines;
    for (const Node& node : cluster.nodes) {
        if (!node.plane) continue;
        std::string line = node.id;
        for (const auto& [name, ids] : node.instances->wanted) {
            for (const auto id : ids) str_append(line, " ", name.name, ":", id);
        }
        lines.push_back(line);
    }
    return lines;
}

/// a, b and c, with six functions of one instance each: "a f0:0 f3:0", "b f1:0 f4:0", "c f2:0 f5:0".
void start_three_with_six_functions(Cluster& cluster) {
    for (const auto* id : {"a", "b", "c"}) cluster.start(id);
    cluster.settle();
    for (int f = 0; f < 6; ++f)
        ASSERT_TRUE(cluster.leader()->plane->put(function(str_cat("f", f), 1, 1), kNow));
    cluster.settle();
    ASSERT_THAT(running(cluster), ElementsAre("a f0:0 f3:0", "b f1:0 f4:0", "c f2:0 f5:0"));
}

TEST(Cluster, a_write_on_any_worker_is_spread_over_all) {
    Cluster cluster;
    for (const auto* id : {"a", "b", "c"}) cluster.start(id);
    cluster.settle();
    ASSERT_EQ(cluster.leader(), cluster.find("a"));
    ASSERT_TRUE(cluster.find("b")->plane->put(function("f", 3, 1), kNow));
    ASSERT_TRUE(cluster.find("c")->plane->put(function("g", 1, 1), kNow));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0 g:0", "b f:1", "c f:2"));
    EXPECT_EQ(cluster.log("assignments").size(), 4U);
    for (const Node& node : cluster.nodes) EXPECT_EQ(node.plane->functions().size(), 2U);
    int gone = 0;
    ASSERT_TRUE(cluster.find("b")->plane->remove(function("f", 3, 1, 1), [&] { ++gone; }, kNow));
    EXPECT_EQ(gone, 0);
    cluster.settle();
    EXPECT_EQ(gone, 1);
    EXPECT_THAT(running(cluster), ElementsAre("a g:0", "b", "c"));
    EXPECT_EQ(cluster.log("assignments").size(), 7U);
    const auto stale = cluster.find("b")->plane->put(function("g", 2, 1), kNow);
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().message, "Update request ignored because it is out of date. Please try again.");
}

TEST(Cluster, what_a_dead_worker_had_goes_elsewhere_after_the_grace_and_nothing_else_moves) {
    Cluster cluster;
    ASSERT_NO_FATAL_FAILURE(start_three_with_six_functions(cluster));
    Cluster::kill(*cluster.find("a"));
    for (Node& node : cluster.nodes) Cluster::step(node);
    EXPECT_EQ(cluster.leader(), cluster.find("b")) << "the next leads at once";
    cluster.now += 1s;
    for (Node& node : cluster.nodes) Cluster::step(node);
    EXPECT_EQ(cluster.log("assignments").size(), 6U) << "the dead may come back";
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("b f0:0 f1:0 f4:0", "c f2:0 f3:0 f5:0"));
    EXPECT_EQ(cluster.log("assignments").size(), 8U);
    cluster.start("a");
    cluster.settle();
    EXPECT_EQ(cluster.log("assignments").size(), 8U) << "a worker that joins moves nothing";
    ASSERT_TRUE(cluster.find("a")->plane->put(function("f6", 1, 1), kNow));
    ASSERT_TRUE(cluster.leader()->plane->rebalance(kNow));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f2:0 f6:0", "b f0:0 f1:0 f4:0", "c f3:0 f5:0"));
}

TEST(Cluster, who_does_not_answer_gets_nothing_of_what_a_dead_worker_had) {
    Cluster cluster;
    ASSERT_NO_FATAL_FAILURE(start_three_with_six_functions(cluster));
    cluster.peers.on_ask = [&](const Member& worker, const std::string&) -> Result<std::string> {
        if (!cluster.find(worker.worker_id)->asleep) return "";
        return fail(ErrorCode::unavailable, worker.url(), ": no answer");
    };
    cluster.find("c")->asleep = true;  // the broker has not missed it yet
    Cluster::kill(*cluster.find("a"));
    cluster.settle();
    for (const auto& assignment : cluster.leader()->plane->assignments()) {
        const auto& function = assignment.key.function.name;
        EXPECT_EQ(assignment.worker_id, function == "f2" || function == "f5" ? "c" : "b") << function;
    }
    EXPECT_EQ(cluster.log("assignments").size(), 8U);
    cluster.find("c")->asleep = false;
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("b f0:0 f1:0 f3:0 f4:0", "c f2:0 f5:0"));
}

TEST(Cluster, who_takes_the_lead_on_another_thread_looks_who_is_there_from_then_on) {
    Cluster cluster;
    cluster.topics.set_leader(false);
    ControlPlane& plane = *cluster.start("a").plane;
    plane.start();
    ASSERT_TRUE(plane.wait_until_initialized(Deadline::after(5s)));
    const auto other =
        cluster.topics.join("persistent://public/functions/coordinate", "b:host:1", [] {}, kNow);
    cluster.topics.set_leader_silently(true);
    ASSERT_TRUE(plane.catch_up(Deadline::after(5s)));
    ASSERT_TRUE(plane.is_leader());
    const int asked = cluster.admin.participants_asked;
    const Deadline soon = Deadline::after(3s);  // a follower looks every 5 s
    while (cluster.admin.participants_asked < asked + 3 && !soon.passed()) std::this_thread::yield();
    EXPECT_GE(cluster.admin.participants_asked, asked + 3);
    plane.stop();
}

TEST(Cluster, a_worker_that_is_back_within_the_grace_keeps_what_it_had) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    Cluster::kill(*cluster.find("b"));
    Cluster::step(*cluster.find("a"));
    cluster.now += 1s;
    Cluster::step(*cluster.find("a"));
    Cluster::step(cluster.start("b"));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0", "b f:1"));
    EXPECT_EQ(cluster.log("assignments").size(), 2U);
}

TEST(Cluster, who_leaves_in_order_hands_over_first) {
    for (const std::string leaver : {"a", "b"}) {  // the leader, a follower
        Cluster cluster;
        for (const auto* id : {"a", "b", "c"}) cluster.start(id);
        cluster.settle();
        ASSERT_TRUE(cluster.leader()->plane->put(function("f", 3, 1), kNow));
        cluster.settle();
        cluster.find(leaver)->plane->hand_over(kNow);
        for (const auto& assignment : cluster.leader()->plane->assignments())
            EXPECT_NE(assignment.worker_id, leaver);
        for (Node& node : cluster.nodes) Cluster::step(node);
        EXPECT_THAT(cluster.find(leaver)->instances->wanted, IsEmpty());
        EXPECT_EQ(cluster.leader()->plane->drain_status(leaver)->state, DrainStatus::State::done);
        EXPECT_EQ(cluster.leader()->plane->drain(leaver, kNow).error().code, ErrorCode::precondition_failed);
        Cluster::kill(*cluster.find(leaver));
        cluster.settle();
        EXPECT_EQ(cluster.log("assignments").size(), 4U);
        EXPECT_FALSE(cluster.leader()->plane->drain_status(leaver));
    }
    Cluster alone;
    alone.start("a");
    alone.settle();
    ASSERT_TRUE(alone.leader()->plane->put(function("f", 1, 1), kNow));
    alone.find("a")->plane->hand_over(kNow);
    EXPECT_EQ(alone.log("assignments").size(), 1U) << "there is nobody to take it";
    EXPECT_EQ(alone.leader()->plane->rebalance(kNow).error().message, "Too few workers (need at least 2)");
}

TEST(Cluster, who_leaves_asks_again_while_another_takes_the_lead) {
    Cluster cluster;
    for (const auto* id : {"a", "b", "c"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 3, 1), kNow));
    cluster.settle();
    const auto order = cluster.peers.on_order;
    int asked = 0;
    cluster.peers.on_order = [&](const Member& to, const std::string& path, Deadline deadline) -> Result<> {
        if (++asked == 1) return fail(ErrorCode::unavailable, "it leaves");
        return order(to, path, deadline);
    };
    cluster.find("b")->plane->hand_over(Deadline::after(200ms));
    EXPECT_EQ(asked, 2);
    for (const auto& assignment : cluster.leader()->plane->assignments())
        EXPECT_NE(assignment.worker_id, "b");
}

TEST(Cluster, who_left_in_order_and_is_back_before_the_leader_looks_takes_its_share_again) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    cluster.find("b")->plane->hand_over(kNow);
    Cluster::kill(*cluster.find("b"));
    Cluster::step(cluster.start("b"));
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->rebalance(kNow));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:1", "b f:0"));
}

TEST(Cluster, who_was_drained_joins_when_a_leader_of_pulsars_own_has_forgotten_it_or_never_does) {
    for (const bool forgets : {true, false}) {
        Cluster cluster;
        auto java =
            cluster.topics.join("persistent://public/functions/coordinate", "java:host:1", [] {}, kNow);
        std::string known = R"({"status":"SUCCESS","lastError":""})";
        int asked = 0;
        cluster.peers.on_ask = [&](const Member& worker, const std::string& request) -> Result<std::string> {
            EXPECT_EQ(worker.worker_id, "java");
            EXPECT_EQ(request, "GET /admin/v2/worker/leader/drain?workerId=b");
            ++asked;
            return known;
        };
        Node& node = cluster.start("b");
        const auto first = node.plane->step(Deadline::after(1s));
        ASSERT_FALSE(first);
        EXPECT_THAT(first.error().message, ::testing::HasSubstr("workerListProbeIntervalSec"));
        const auto members = [&] {
            return cluster.topics.stats_of("persistent://public/functions/coordinate").members.size();
        };
        EXPECT_EQ(members(), 1U);
        if (forgets) {
            known = R"({"status":"ERROR","lastError":"Worker b not found in drain records"})";
        } else {
            cluster.now += 200s;
        }
        EXPECT_TRUE(node.plane->step(Deadline::after(1s)));
        EXPECT_EQ(members(), 2U);
        EXPECT_EQ(asked, 2);
    }
}

TEST(Cluster, who_gets_an_instance_knows_who_lets_go_of_it) {
    const model::FunctionName f{"t", "n", "f"};
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    cluster.find("b")->plane->hand_over(kNow);
    for (Node& node : cluster.nodes) Cluster::step(node);
    EXPECT_THAT(running(cluster), ElementsAre("a f:0 f:1", "b"));
    ASSERT_THAT(cluster.find("a")->instances->moves[f].from, ::testing::SizeIs(1));
    EXPECT_EQ(cluster.find("a")->instances->moves[f].from[1].at(0).worker_id, "b");
    EXPECT_THAT(cluster.find("b")->instances->moves[f].leaving, ElementsAre(1));
}

TEST(Cluster, an_instance_that_moves_on_at_once_runs_on_where_it_was) {
    const model::FunctionName f{"t", "n", "f"};
    Cluster cluster;
    for (const auto* id : {"a", "b", "c"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 3, 1), kNow));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0", "b f:1", "c f:2"));
    cluster.find("c")->plane->hand_over(kNow);
    const std::string by_way_of = cluster.leader()->plane->assignments_of(f).at(2).worker_id;
    cluster.find(by_way_of)->plane->hand_over(kNow);
    for (Node& node : cluster.nodes) Cluster::step(node);
    const std::string last = cluster.leader()->plane->assignments_of(f).at(2).worker_id;
    std::vector<std::string> asked;
    for (const Member& from : cluster.find(last)->instances->moves[f].from[2])
        asked.push_back(from.worker_id);
    EXPECT_THAT(asked, ElementsAre(by_way_of, "c"));
    EXPECT_TRUE(cluster.find("c")->instances->moves[f].leaving.contains(2));
}

TEST(Cluster, nobody_is_asked_for_what_a_dead_worker_had_nor_for_what_moved_long_ago) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    Cluster::kill(*cluster.find("b"));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0 f:1"));
    EXPECT_THAT(cluster.find("a")->instances->moves, IsEmpty());
    cluster.start("b");
    Cluster::kill(*cluster.find("a"));
    cluster.start("a");
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0 f:1", "b"));
    EXPECT_THAT(cluster.find("a")->instances->moves, IsEmpty());
}

TEST(Cluster,
     a_worker_is_sure_of_its_instances_when_it_is_a_member_and_has_read_what_was_written_without_it) {
    const model::FunctionName f{"t", "n", "f"};
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    Node& away = *cluster.find("a");
    away.asleep = true;
    cluster.topics.expire("a");
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0", "b f:0 f:1")) << "as far as a knows";
    EXPECT_FALSE(away.plane->make_sure(kNow));
    EXPECT_TRUE(away.plane->is_leader()) << "as far as it knows";
    cluster.topics.reconnect("a");
    EXPECT_TRUE(away.plane->make_sure(kNow));
    EXPECT_EQ(away.plane->assignments_of(f).at(0).worker_id, "b");
    EXPECT_THAT(running(cluster), ElementsAre("a", "b f:0 f:1"));
    const auto writes = cluster.log("assignments").size();
    EXPECT_TRUE(cluster.find("b")->plane->make_sure(kNow));
    EXPECT_TRUE(cluster.find("b")->plane->is_leader()) << "it is sure already, and goes on";
    EXPECT_EQ(cluster.log("assignments").size(), writes);
}

TEST(Cluster, a_leader_that_got_the_lead_back_is_not_sure_before_it_has_read) {
    const model::FunctionName f{"t", "n", "f"};
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    Node& away = *cluster.find("a");
    ASSERT_TRUE(away.plane->put(function("f", 1, 1), kNow));
    away.asleep = true;
    cluster.topics.expire("a");
    cluster.settle();
    cluster.topics.reconnect("a");
    Cluster::kill(*cluster.find("b"));
    ASSERT_TRUE(away.plane->is_leader()) << "as far as it knows, and the broker says so too";
    EXPECT_TRUE(away.plane->make_sure(kNow));
    EXPECT_EQ(away.plane->assignments_of(f).at(0).worker_id, "b");
}

TEST(Cluster, who_has_joined_knows_who_lets_go_of_what_it_gets) {
    const model::FunctionName f{"t", "n", "f"};
    Cluster cluster;
    cluster.start("a");
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    Node& b = cluster.start("b");
    // It is a member before it runs anything, and gets something before it looks again.
    Cluster::step(b);
    ASSERT_TRUE(cluster.leader()->plane->rebalance(kNow));
    Cluster::step(b);
    ASSERT_THAT(running(cluster), ElementsAre("a f:1", "b f:0"));
    EXPECT_EQ(b.instances->moves[f].from[0].at(0).worker_id, "a");
}

TEST(Cluster, who_has_led_does_not_take_what_it_wrote_for_moves_when_it_reads_it) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    Node& a = *cluster.find("a");
    ASSERT_TRUE(a.plane->put(function("f", 2, 1), kNow));
    for (int round = 0; round < 2; ++round) {
        cluster.settle();
        Cluster::kill(*cluster.find("b"));
        cluster.settle();
        cluster.start("b");
        cluster.settle();
        ASSERT_THAT(running(cluster), ElementsAre("a f:0 f:1", "b"));
        if (round == 0) ASSERT_TRUE(a.plane->rebalance(kNow));
    }
    a.instances->moves.clear();
    cluster.topics.set_leader(false);
    cluster.settle();
    ASSERT_FALSE(a.plane->is_leader());
    EXPECT_THAT(a.instances->moves, IsEmpty());
}

TEST(Cluster, a_rebalance_asks_who_is_there) {
    Cluster cluster;
    cluster.start("a");
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    Cluster::step(cluster.start("b"));
    ASSERT_TRUE(cluster.leader()->plane->rebalance(kNow));
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:1", "b f:0"));
}

TEST(Cluster, a_leader_that_wakes_up_late_writes_nothing) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    Node& late = *cluster.find("a");
    ASSERT_TRUE(late.plane->put(function("f", 1, 1), kNow));
    cluster.settle();
    late.asleep = true;
    cluster.topics.expire("a");
    cluster.settle();
    ASSERT_TRUE(cluster.find("b")->plane->put(function("f", 1, 1, 1), kNow));
    const auto before = cluster.log("metadata").size() + cluster.log("assignments").size();
    late.asleep = false;
    cluster.topics.reconnect("a");
    ASSERT_TRUE(late.plane->is_leader()) << "as far as it knows";
    EXPECT_FALSE(late.plane->put(function("f", 1, 1, 1), kNow));
    EXPECT_EQ(cluster.log("metadata").size() + cluster.log("assignments").size(), before);
    EXPECT_FALSE(late.plane->is_leader());
    cluster.settle();
    EXPECT_EQ(late.plane->find({"t", "n", "f"})->version(), 1U);
    EXPECT_THAT(running(cluster), ElementsAre("a", "b f:0"));
}

TEST(Cluster, a_leader_that_lost_the_lead_and_got_it_back_between_two_looks_reads_what_it_missed) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    Node& a = *cluster.find("a");
    ASSERT_TRUE(a.plane->put(function("f", 1, 1), kNow));
    cluster.settle();
    a.asleep = true;
    cluster.topics.expire("a");
    cluster.settle();
    ASSERT_THAT(cluster.find("b")->instances->wanted, ::testing::SizeIs(1));
    cluster.topics.reconnect("a");
    Cluster::kill(*cluster.find("b"));
    cluster.start("b");
    Cluster::step(*cluster.find("b"));
    a.asleep = false;
    ASSERT_TRUE(a.plane->is_leader()) << "as far as it knows, and the broker says so too";
    cluster.settle();
    EXPECT_EQ(cluster.leader(), &a);
    EXPECT_THAT(running(cluster), ElementsAre("a", "b f:0"));
}

TEST(Cluster, a_leader_has_the_assignments_compacted_when_there_are_new_ones) {
    Cluster cluster;
    cluster.compact_every = 30min;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    EXPECT_THAT(cluster.admin.compacted(), IsEmpty());
    const auto after = [&](Duration time) {
        cluster.now += time;
        cluster.settle(1);
        return cluster.admin.compacted().size();
    };
    EXPECT_EQ(after(30min), 1U);
    EXPECT_EQ(after(31min), 1U) << "nothing was assigned since";
    ASSERT_TRUE(cluster.leader()->plane->put(function("g", 1, 1), kNow));
    cluster.admin.refuse(1);
    EXPECT_EQ(after(1s), 1U) << "it was refused";
    EXPECT_EQ(after(10s), 1U);
    EXPECT_EQ(after(50s), 2U) << "it is tried again after a minute";
    EXPECT_EQ(cluster.admin.compacted().back(), "persistent://public/functions/assignments");
}

TEST(Cluster, a_function_made_again_starts_when_its_past_is_cleaned_up) {
    Cluster cluster;
    for (const auto* id : {"a", "b"}) cluster.start(id);
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 1), kNow));
    cluster.settle();
    ASSERT_TRUE(cluster.leader()->plane->remove(function("f", 2, 1, 1), {}, kNow));
    ASSERT_TRUE(cluster.leader()->plane->put(function("f", 2, 2), kNow));
    for (Node& node : cluster.nodes) Cluster::step(node);
    EXPECT_THAT(running(cluster), ElementsAre("a", "b")) << "the subscription is not deleted yet";
    cluster.settle();
    EXPECT_THAT(running(cluster), ElementsAre("a f:0", "b f:1"));
}

}  // namespace
}  // namespace weft::worker
