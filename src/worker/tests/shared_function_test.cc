// A function whose instances run on several workers, as one of them tells of it.

#include <gmock/gmock.h>

#include "worker/testing/worker_life.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// With two others: one of Weft's has an instance of f, and Pulsar's own one runs j.
class SharedFunction : public WorkerTest {
  protected:
    void SetUp() override {
        WorkerTest::SetUp();
        pulsars = join("java:host:10");
        two = join("two:host:9");
        create("f", R"(,"parallelism":2)");
        ASSERT_TRUE(life->settled("f"));
        auto meta = std::make_shared<::proto::FunctionMetaData>();
        auto& details = *meta->mutable_functiondetails();
        details.set_tenant("public");
        details.set_namespace_("default");
        details.set_name("j");
        details.set_parallelism(1);
        details.set_componenttype(::proto::FunctionDetails::FUNCTION);
        ASSERT_TRUE(life->java.put(meta, Deadline::after(kPatience)));
        ASSERT_THAT(world.starter.running(), ElementsAre("f:0"));
        world.peers.on_ask = [this](const Member& worker, const std::string& request) -> Result<std::string> {
            const std::lock_guard lock(mutex);
            asked.insert(str_cat(worker.worker_id, ' ', request));
            const auto answer = answers.find(request);
            if (answer == answers.end())
                return fail(ErrorCode::unavailable, worker.url(), ": nobody listens");
            return answer->second;
        };
    }
    std::unique_ptr<Membership> join(const std::string& name) {
        return std::move(
            *world.topics.join("persistent://public/functions/coordinate", name, [] {}, Deadline::never()));
    }
    std::set<std::string> asked_until_now() {
        const std::lock_guard lock(mutex);
        return std::exchange(asked, {});
    }

    std::unique_ptr<Membership> pulsars, two;
    std::mutex mutex;
    std::set<std::string> asked;
    std::map<std::string, std::string> answers{
        {"GET " + kPath + "j/0/status",
         R"({"running":true,"numReceived":6,)"
         R"("latestUserExceptions":[{"exceptionString":"e","timestampMs":3}]})"},
        {"GET " + kPath + "f/status?instances=local",
         R"({"numInstances":1,"instances":[{"instanceId":1,"status":{"running":true,"numReceived":7,)"
         R"("averageLatency":0.25,"packageDigest":"abc"}}]})"},
        {"GET " + kPath + "j/0/stats",
         R"({"receivedTotal":6,"avgProcessLatency":null,"userMetrics":{"x":1.0}})"},
        {"GET " + kPath + "f/stats?instances=local",
         R"({"instances":[{"instanceId":1,"metrics":{"receivedTotal":7,"1min":{"receivedTotal":2}}}]})"},
        {"POST " + kPath + "f/restart?instances=local", ""},
        {"POST " + kPath + "j/0/restart", ""},
    };
};

TEST_F(SharedFunction, is_told_of_by_all_its_workers) {
    const json status = get(kPath + "f/status");
    EXPECT_EQ(status["numRunning"], 2);
    ASSERT_EQ(status["instances"].size(), 2);
    EXPECT_EQ(status["instances"][0]["status"]["numReceived"], 5);
    const json by_two = status["instances"][1]["status"];
    EXPECT_EQ(by_two["numReceived"], 7);
    EXPECT_EQ(by_two["workerId"], "two");
    EXPECT_EQ(by_two["averageLatency"], 0.25);
    EXPECT_EQ(by_two["packageDigest"], "abc");
    const json stats = get(kPath + "f/stats");
    EXPECT_EQ(stats["receivedTotal"], 5 + 7);
    EXPECT_EQ(stats["1min"]["receivedTotal"], 2);
    EXPECT_FALSE(stats.contains("notAnswered"));
    EXPECT_EQ(get("/admin/v2/functions/public/default/f/status")["functionStatusList"].size(), 2);
}

TEST_F(SharedFunction, is_told_of_by_pulsars_own_worker) {
    const json status = get(kPath + "j/status")["instances"][0]["status"];
    EXPECT_EQ(status["workerId"], "java");
    EXPECT_EQ(status["numReceived"], 6);
    EXPECT_EQ(status["latestUserExceptions"][0]["exceptionString"], "e");
    const json stats = get(kPath + "j/stats");
    EXPECT_EQ(stats["receivedTotal"], 6);
    EXPECT_EQ(stats["instances"][0]["metrics"]["userMetrics"]["x"], 1.0);
}

TEST_F(SharedFunction, says_who_did_not_answer) {
    answers.clear();
    const json status = get(kPath + "f/status");
    EXPECT_EQ(status["numRunning"], 1);
    EXPECT_EQ(status["instances"][1]["status"]["error"],
              "Worker two did not answer: http://host:9: nobody listens");
    EXPECT_EQ(get(kPath + "j/status")["instances"][0]["status"]["error"],
              "Worker java did not answer: http://host:10: nobody listens");
    const json stats = get(kPath + "f/stats");
    EXPECT_EQ(stats["receivedTotal"], 5);
    EXPECT_EQ(stats["instances"].size(), 1);
    ASSERT_EQ(stats["notAnswered"].size(), 1);
    EXPECT_EQ(stats["notAnswered"][0]["workerId"], "two");
    EXPECT_EQ(stats["notAnswered"][0]["instanceId"], 1);
    EXPECT_THAT(reason(call("POST", kPath + "f/restart")),
                HasSubstr("500 Not all instances were restarted: Worker two did not answer"));
}

TEST_F(SharedFunction, nonsense_from_another_worker_tells_nothing) {
    for (const auto* nonsense :
         {"", "[]", "null", R"({"instances":7})", R"({"instances":[{"instanceId":"x"}]})",
          R"({"instances":[{"instanceId":1,"status":[1]}]})"}) {
        for (const auto* request : {"f/status?instances=local", "j/0/status", "j/0/stats"})
            answers["GET " + kPath + request] = nonsense;
        EXPECT_EQ(get(kPath + "f/status")["numRunning"], 1) << nonsense;
        EXPECT_EQ(get(kPath + "j/status")["numRunning"], 0) << nonsense;
        EXPECT_EQ(get(kPath + "j/stats")["receivedTotal"], 0) << nonsense;
    }
}

TEST_F(SharedFunction, is_restarted_everywhere_and_single_instances_where_they_are) {
    EXPECT_EQ(call("POST", kPath + "f/restart").status, 204);
    EXPECT_EQ(call("POST", kPath + "j/restart").status, 204);
    EXPECT_THAT(asked_until_now(), ElementsAre("java POST " + kPath + "j/0/restart",
                                               "two POST " + kPath + "f/restart?instances=local"));
    for (const std::string path : {"f/1/status", "f/1/stats"}) {
        const auto answer = call("GET", kPath + path);
        EXPECT_EQ(answer.status, 307) << path;
        EXPECT_EQ(answer.headers.at("Location"), "http://host:9" + kPath + path);
    }
    EXPECT_EQ(call("POST", kPath + "j/0/restart").headers.at("Location"),
              "http://host:10" + kPath + "j/0/restart");
    EXPECT_EQ(call("POST", kPath + "f/0/restart").status, 204);
    EXPECT_THAT(asked_until_now(), IsEmpty());
}

TEST_F(SharedFunction, is_told_of_in_part_to_another_worker) {
    http::Request request;
    request.method = "GET";
    request.path = request.raw_path = kPath + "f/status";
    request.query["instances"] = "local";
    request.deadline = Deadline::after(kPatience);
    const json status = json::parse(life->router.handle(request).body);
    ASSERT_EQ(status["instances"].size(), 1);
    EXPECT_EQ(status["instances"][0]["instanceId"], 0);
    EXPECT_THAT(asked_until_now(), IsEmpty());
}

}  // namespace
}  // namespace weft::worker
