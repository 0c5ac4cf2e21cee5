// The worker through its REST, on fakes of the broker and of the instances.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "worker/testing/worker_life.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Outcome = testing::FakeTopics::Outcome;

std::string shared_library() {
    std::string elf(
        "\x7f"
        "ELF\x02\x01\x01",
        7);
    elf.resize(64);
    elf[16] = 3;  // ET_DYN
#if defined(__x86_64__)
    elf[18] = 62;
#else
    elf[18] = static_cast<char>(183);
#endif
    return elf;
}

TEST_F(WorkerTest, a_function_lives_from_create_to_delete) {
    EXPECT_EQ(create("f", R"(,"parallelism":2)").status, 204);
    EXPECT_EQ(get(kPath).dump(), R"(["f"])");
    EXPECT_EQ(get(kPath + "f")["inputSpecs"]["in"]["regexPattern"], false);
    EXPECT_EQ(get(kPath + "f")["runtime"], "PYTHON");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0", "f:1"));

    const json status = get(kPath + "f/status");
    EXPECT_EQ(status["numInstances"], 2);
    EXPECT_EQ(status["numRunning"], 2);
    EXPECT_EQ(status["instances"][1]["instanceId"], 1);

    EXPECT_EQ(call("DELETE", kPath + "f").status, 204);
    EXPECT_THAT(world.starter.running(), IsEmpty());
    EXPECT_THAT(world.admin.deleted(), ElementsAre("in public/default/f"));
    EXPECT_EQ(get(kPath).dump(), "[]");
    EXPECT_EQ(reason(call("GET", kPath + "f")), "404 Function f doesn't exist");
    EXPECT_EQ(world.packages(), 0U);
    EXPECT_FALSE(fs::exists(world.folder / "instances/public/default/f"));
}

TEST_F(WorkerTest, the_topics_hold_what_pulsars_worker_would_write) {
    create("f");
    call("DELETE", kPath + "f");
    const auto metadata = log("metadata");
    ASSERT_EQ(metadata.size(), 2U);
    EXPECT_EQ(metadata[0].properties.at("version"), "0");
    EXPECT_EQ(metadata[1].properties.at("version"), "1");
    EXPECT_EQ(metadata[0].key, "");
    const auto created = read_metadata(metadata[0]).value().value();
    EXPECT_EQ(created.change, MetadataChange::update);
    EXPECT_EQ(created.meta->functiondetails().name(), "f");
    EXPECT_EQ(created.meta->packagelocation().originalfilename(), "f.py");
    EXPECT_EQ(read_metadata(metadata[1]).value()->change, MetadataChange::remove);
    const auto assignments = log("assignments");
    ASSERT_EQ(assignments.size(), 2U);
    EXPECT_EQ(assignments[0].key, "public/default/f:0");
    EXPECT_EQ(read_assignment(assignments[0])->worker_id, kWorker);
    EXPECT_EQ(assignments[1].key, "public/default/f:0");
    EXPECT_EQ(assignments[1].payload, "");
    EXPECT_THAT(world.topics.producers, ElementsAre(kWorker + "-leader", kWorker + "-scheduler-manager"));
    EXPECT_THAT(world.topics.readers,
                ElementsAre(kWorker + "-function-assignment-tailer", kWorker + "-function-metadata-tailer"));
    EXPECT_THAT(world.topics.participants, ElementsAre(kWorker + ":localhost:8080"));
}

TEST_F(WorkerTest, native_functions_live_in_topics_of_their_own) {
    const auto created =
        upload("POST", "n", R"({"inputs":["in"],"native":"libn.so"})", shared_library(), "libn.so");
    EXPECT_EQ(created.status, 204) << created.body;
    EXPECT_THAT(log("metadata"), IsEmpty());
    EXPECT_EQ(log("weft-metadata").size(), 1U);
    EXPECT_EQ(log("weft-assignments").size(), 1U);
    ASSERT_TRUE(life->settled("n"));
    EXPECT_EQ(world.starter.last_spec().language, runtime::Language::native);
    EXPECT_EQ(reason(create("n")), "400 Function n already exists") << "names are unique over both";
    create("a");
    EXPECT_EQ(get(kPath).dump(), R"(["a","n"])");
    EXPECT_EQ(get("/admin/v2/worker/assignments").dump(),
              R"({")" + kWorker + R"(":["public/default/a:0","public/default/n:0"]})");
}

TEST_F(WorkerTest, instances_get_their_package_under_its_own_name) {
    create("f", R"(,"userConfig":{"k":1})");
    ASSERT_TRUE(life->settled("f"));
    const auto spec = world.starter.last_spec();
    EXPECT_EQ(fs::path(spec.package_path).filename(), "f.py");
    EXPECT_TRUE(fs::exists(spec.package_path));
    EXPECT_TRUE(fs::is_directory(spec.scratch_directory));
    EXPECT_EQ(spec.function_id.size(), 36U);
    EXPECT_EQ(spec.service_url, "pulsar://x:1");
    EXPECT_EQ(spec.worker_id, kWorker);
}

TEST_F(WorkerTest, everything_survives_a_restart) {
    create("f", R"(,"parallelism":3)");
    create("g");
    create("gone");
    upload("POST", "n", R"({"inputs":["in"],"native":"libn.so"})", shared_library(), "libn.so");
    call("POST", kPath + "f/1/stop");
    call("DELETE", kPath + "gone");
    const auto before = get(kPath + "f");
    ASSERT_TRUE(life->settled("f"));
    const auto writes = log("metadata").size() + log("assignments").size();
    live();
    EXPECT_EQ(get(kPath).dump(), R"(["f","g","n"])");
    EXPECT_EQ(get(kPath + "f"), before);
    for (const auto* name : {"f", "g", "n"}) ASSERT_TRUE(life->settled(name));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0", "f:2", "g:0", "n:0"));
    EXPECT_EQ(log("metadata").size() + log("assignments").size(), writes) << "a restart writes nothing";
    EXPECT_EQ(reason(create("f")), "400 Function f already exists");
}

TEST_F(WorkerTest, a_function_deleted_just_before_a_crash_is_cleaned_up_by_the_next_life) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto created = read_metadata(log("metadata")[0]).value().value();
    life.reset();
    ::proto::FunctionMetaData last = *created.meta;
    last.set_version(1);
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::remove, last, kWorker));
    live();
    EXPECT_EQ(get(kPath).dump(), "[]");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.admin.deleted(), ElementsAre("in public/default/f"));
    EXPECT_EQ(log("assignments").back().payload, "");
}

TEST_F(WorkerTest, a_function_may_be_made_again_while_its_past_is_cleaned_up) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    world.admin.refuse(3);
    EXPECT_EQ(call("DELETE", kPath + "f").status, 204);
    EXPECT_EQ(create("f").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.events(), ElementsAre("start f:0", "stop f:0", "start f:0"));
    EXPECT_THAT(world.admin.deleted(), ElementsAre("in public/default/f"));
    EXPECT_EQ(get(kPath + "f/status")["numRunning"], 1);
    live();
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(get(kPath + "f/status")["numRunning"], 1);
}

TEST_F(WorkerTest, subscriptions_stay_if_asked_to) {
    create("f", R"(,"cleanupSubscription":false)");
    call("DELETE", kPath + "f");
    EXPECT_THAT(world.admin.deleted(), IsEmpty());
}

TEST_F(WorkerTest, an_instance_that_does_not_start_says_why_and_is_tried_again) {
    world.starter.fail_starts(1'000'000);
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const json status = get(kPath + "f/0/status");
    EXPECT_EQ(status["running"], false);
    EXPECT_EQ(status["error"], "no process could be made");
    EXPECT_EQ(status["workerId"], kWorker);
    EXPECT_FALSE(status.contains("latestUserExceptions")) << "null is left out";
    world.starter.fail_starts(0);
    const auto runner = life->runners.find({"public", "default", "f"});
    for (int i = 0; i < 10'000 && world.starter.running().empty(); ++i) {
        runner->want(life->java.find({"public", "default", "f"}), {0});
        ASSERT_TRUE(life->settled("f"));
    }
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
}

TEST_F(WorkerTest, an_instance_that_moves_runs_on_until_who_has_it_now_asks_for_it) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto runner = life->runners.find({"public", "default", "f"});
    runner->want(life->java.find({"public", "default", "f"}), {}, {.from = {}, .leaving = {0}});
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    EXPECT_FALSE(runner->wait_until_left(Deadline::after(0s)));
    const auto let_go = [this](const std::string& instance) {
        http::Request request;
        request.method = "PUT";
        request.path = request.raw_path = "/admin/v2/worker/let-go";
        request.query["instance"] = instance;
        request.deadline = Deadline::after(kPatience);
        return life->router.handle(request).status;
    };
    EXPECT_EQ(let_go("public/default/f:0"), 204);
    EXPECT_THAT(world.starter.running(), IsEmpty());
    EXPECT_TRUE(runner->wait_until_left(Deadline::after(0s)));
    EXPECT_EQ(let_go("public/default/other:0"), 204) << "it isn't here";
    EXPECT_EQ(let_go("other"), 400);
}

TEST_F(WorkerTest, an_instance_that_comes_back_before_it_has_left_begins_anew) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto runner = life->runners.find({"public", "default", "f"});
    const MetaPtr meta = life->java.find({"public", "default", "f"});
    runner->want(meta, {}, {.from = {}, .leaving = {0}});
    runner->want(meta, {0}, {.from = {{0, {Member{"other", "host", 1}}}}, .leaving = {}});
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.events(), ElementsAre("start f:0", "stop f:0", "start f:0"));
}

TEST_F(WorkerTest, an_instance_that_another_worker_has_ends_at_once) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto runner = life->runners.find({"public", "default", "f"});
    runner->want(life->java.find({"public", "default", "f"}), {}, {.from = {}, .leaving = {0}});
    runner->lose(0);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), IsEmpty());
}

TEST_F(WorkerTest, what_stays_here_is_not_let_go) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto runner = life->runners.find({"public", "default", "f"});
    EXPECT_FALSE(runner->let_go(0, Deadline::after(20ms)));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    runner->shut_down(Deadline::after(kPatience));
    EXPECT_TRUE(runner->let_go(0, Deadline::after(20ms))) << "nobody tells it any more that it has moved";
}

TEST_F(WorkerTest, an_instance_that_nobody_asks_for_ends_by_itself) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto runner = life->runners.find({"public", "default", "f"});
    runner->want(life->java.find({"public", "default", "f"}), {}, {.from = {}, .leaving = {0}});
    EXPECT_TRUE(runner->wait_until_left(Deadline::after(kPatience)));
    EXPECT_THAT(world.starter.running(), IsEmpty());
}

TEST_F(WorkerTest, status_and_stats_are_as_pulsar_writes_them) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(
        call("GET", kPath + "f/status").body,
        R"({"numInstances":1,"numRunning":1,"instances":[{"instanceId":0,"status":{"running":true,)"
        R"("error":"",)"
        R"("numRestarts":0,"numReceived":5,"numSuccessfullyProcessed":4,"numUserExceptions":1,)"
        R"("latestUserExceptions":[{"exceptionString":"boom","timestampMs":1234}],"numSystemExceptions":0,)"
        R"("latestSystemExceptions":[],"averageLatency":0.5,"lastInvocationTime":99,"workerId":")" +
            kWorker + R"(","packageDigest":")" + package::sha256_hex("def process(x): return x") +
            R"("}}]})");
    EXPECT_EQ(
        call("GET", kPath + "f/stats").body,
        R"({"receivedTotal":5,"processedSuccessfullyTotal":4,"systemExceptionsTotal":0,)"
        R"("userExceptionsTotal":0,)"
        R"("avgProcessLatency":0.5,"1min":{"receivedTotal":0,"processedSuccessfullyTotal":0,)"
        R"("systemExceptionsTotal":0,"userExceptionsTotal":0,"avgProcessLatency":null},)"
        R"("lastInvocation":null,)"
        R"("instances":[{"instanceId":0,"metrics":{"receivedTotal":5,"processedSuccessfullyTotal":4,)"
        R"("systemExceptionsTotal":0,"userExceptionsTotal":0,"avgProcessLatency":0.5,)"
        R"("1min":{"receivedTotal":0,)"
        R"("processedSuccessfullyTotal":0,"systemExceptionsTotal":0,"userExceptionsTotal":0,)"
        R"("avgProcessLatency":null},"lastInvocation":null,"userMetrics":{"user_metric_x_sum":2.0}}}]})");
    EXPECT_EQ(get(kPath + "f/0/stats")["receivedTotal"], 5);
    EXPECT_EQ(reason(call("GET", kPath + "f/1/status")),
              "400 Function f doesn't have instance with id 1 (instanceId: use 0 to 0)");
    EXPECT_EQ(reason(call("GET", kPath + "f/x/stats")),
              "400 Function f doesn't have instance with id x (instanceId: use 0 to 0)");
    EXPECT_EQ(reason(call("GET", kPath + "none/status")), "404 Function none doesn't exist");
}

TEST_F(WorkerTest, stop_start_and_restart) {
    create("f", R"(,"parallelism":2)");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(reason(call("POST", kPath + "f/start")),
              "400 Operation not permitted (function f runs already: stop it before you start it)");
    EXPECT_EQ(call("POST", kPath + "f/1/stop").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0")) << "the other one runs on";
    EXPECT_EQ(get(kPath + "f/status")["numRunning"], 1);
    EXPECT_EQ(reason(call("POST", kPath + "f/1/stop")),
              "400 Operation not permitted (function f is stopped already: start it first)");
    EXPECT_EQ(call("POST", kPath + "f/start").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.events(), ElementsAre("start f:0", "start f:1", "stop f:1", "start f:1"));
    EXPECT_EQ(call("POST", kPath + "f/0/restart").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(world.starter.events().size(), 6U);
    EXPECT_EQ(world.starter.running().size(), 2U);
    EXPECT_EQ(reason(call("POST", kPath + "f/7/restart")),
              "400 public/default/f/7 doesn't exist (instanceId: use 0 to 1)");
    EXPECT_EQ(call("POST", kPath + "f/restart").status, 204);
}

TEST_F(WorkerTest, an_update_replaces_program_and_configuration) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(reason(upload("PUT", "f", config_with(""), std::nullopt)),
              "400 Update contains no change (functionConfig = "
              "{\"className\":\"f.F\",\"inputs\":[\"in\"],\"output\":\"out\",\"py\":\"f.py\"}: change a "
              "field, or upload a package)");
    EXPECT_EQ(reason(upload("PUT", "none", config_with(""))), "400 Function none doesn't exist");
    EXPECT_EQ(reason(upload("PUT", "f", R"({"inputs":["other"]})")),
              "400 Input Topics cannot be altered (inputs = other: delete the function and create it anew, "
              "or leave the field out)");
    EXPECT_EQ(upload("PUT", "f", R"({"userConfig":{"a":1},"parallelism":2})", std::nullopt).status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(get(kPath + "f")["userConfig"]["a"], 1);
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0", "f:1"));
    EXPECT_EQ(upload("PUT", "f", "{}", "def process(x): return 2", "g.py").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(fs::path(world.starter.last_spec().package_path).filename(), "g.py");
    EXPECT_EQ(upload("PUT", "f", R"({"parallelism":1})", std::nullopt).status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    EXPECT_EQ(log("assignments").back().key, "public/default/f:0");
    EXPECT_EQ(get("/admin/v2/worker/assignments")[kWorker].size(), 1U);
}

TEST_F(WorkerTest, broken_requests_get_pulsars_answers) {
    const auto answer = [&](const std::string& config, const std::optional<std::string>& file = "x = 1",
                            const std::string& file_name = "f.py") {
        return reason(upload("POST", "f", config, file, file_name));
    };
    EXPECT_EQ(answer(""),
              "400 Function config is not provided (part functionConfig = nothing: send it as JSON)");
    EXPECT_EQ(answer(" "),
              "400 Function config is not provided (part functionConfig = nothing: send it as JSON)");
    EXPECT_THAT(answer("{"), StartsWith("400 The function config is not valid JSON"));
    EXPECT_EQ(
        answer(R"({"py":"f.py","inputs":["in"]})"),
        "400 Function classname cannot be null (className = nothing: give module.Class or module.function)");
    EXPECT_EQ(answer(config_with(""), std::nullopt),
              "400 Function Package is not provided (part data = nothing: upload the file)");
    EXPECT_EQ(
        answer(config_with(""), ""),
        "400 Function Package is not provided: the file is empty (part data = f.py: upload the file itself)");
    EXPECT_THAT(answer(config_with(""), "PK\x03\x04", "f.zip"), HasSubstr("f.zip is not a zip archive"));
    EXPECT_THAT(answer(config_with(""), "PK\x03\x04", "f.egg"),
                HasSubstr("upload a .py file, a .zip or a wheel (.whl)"));
    EXPECT_THAT(answer(config_with(""), std::string("a\0b", 3)), HasSubstr("binary data"));
    EXPECT_THAT(answer(config_with(""), "x", "../../etc/cron.d/f.py"),
                StartsWith("400 The package's file name"));
    EXPECT_THAT(answer(R"({"inputs":["in"],"native":"f.so"})", "not a library", "f.so"),
                HasSubstr("not a shared library for this machine"));
    EXPECT_EQ(
        answer(config_with(R"(,"timeoutMs":-1)")),
        "400 Function timeout must be a positive number (timeoutMs = -1: use 1 or more, or leave it out)");
    EXPECT_THAT(answer(config_with(R"(,"windowConfig":{"windowLengthCount":1})")),
                "400 There is currently no support windowing in python (windowConfig = given: leave it out)");
    EXPECT_EQ(answer(R"({"inputs":["in"],"className":"F"})"),
              "400 Function language runtime is either not set or cannot be determined (runtime = nothing: "
              "use JAVA (--jar), PYTHON (--py), GO (--go) or NATIVE (--native))");
    EXPECT_EQ(reason(call("POST", kPath + "f", "{}", "application/json")),
              "400 The request must be multipart/form-data with the parts functionConfig and data, it is "
              "application/json");
    EXPECT_EQ(call("POST", kPath + "f", "garbage", "multipart/form-data; boundary=x").status, 400);
    EXPECT_EQ(reason(call("POST", "/admin/v3/functions/nobody/default/f", "", "")).substr(0, 3), "400");
    http::MultipartBuilder parts;
    parts.add("functionConfig", "application/json", config_with(""));
    parts.add("url", "text/plain", "function://public/default/f@1");
    const std::string type = parts.content_type(), body = parts.finish();
    EXPECT_EQ(
        reason(call("POST", kPath + "f", body, type)),
        "400 url = function://public/default/f@1 does not exist: store it with 'packages upload' first");
    EXPECT_THAT(get(kPath), IsEmpty());
    EXPECT_THAT(log("metadata"), IsEmpty());
    EXPECT_EQ(world.packages(), 0U);
}

TEST_F(WorkerTest, a_trigger_sends_one_message_and_answers_with_its_output) {
    ASSERT_EQ(create("f").status, 204);
    ASSERT_EQ(upload("POST", "two", R"({"className":"f.F","inputs":["a","b"],"py":"f.py"})").status, 204);
    ASSERT_TRUE(life->settled("f") && life->settled("two"));
    const auto trigger = [&](const std::string& name,
                             const std::vector<std::pair<std::string, std::string>>& parts) {
        http::MultipartBuilder body;
        for (const auto& [part, content] : parts) body.add(part, "text/plain", content);
        const std::string type = body.content_type();
        return call("POST", kPath + name + "/trigger", body.finish(), type);
    };
    const auto answer = trigger("f", {{"data", "x"}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "persistent://public/default/in x persistent://public/default/out");
    EXPECT_EQ(trigger("f", {{"dataStream", "y"}, {"topic", "in"}}).status, 200);
    EXPECT_EQ(reason(trigger("f", {{"topic", "in"}})),
              "400 Trigger Data is not provided (data = nothing: send it as the part data or dataStream)");
    EXPECT_EQ(reason(trigger("f", {{"data", "x"}, {"topic", "other"}})),
              "400 Function in trigger function has unidentified topic (topic = other: use in)");
    EXPECT_THAT(
        reason(trigger("two", {{"data", "x"}})),
        ::testing::StartsWith("400 Function in trigger function has more than 1 input topics (topic = "
                              "nothing: use "));
    EXPECT_EQ(trigger("two", {{"data", "x"}, {"topic", "persistent://public/default/b"}}).status, 204);
    EXPECT_EQ(reason(trigger("f", {{"data", "late"}})), "408 Request Timed Out");
    EXPECT_EQ(reason(trigger("f", {{"data", "lost"}})), "500 no receipt") << "not to be sent again";
    EXPECT_EQ(reason(trigger("nobody", {{"data", "x"}})), "404 Function nobody doesn't exist");
    ASSERT_EQ(call("POST", kPath + "f/stop").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(
        reason(trigger("f", {{"data", "x"}})),
        "400 Function in trigger function is not ready (public/default/f has no running instance: start "
        "it, or try again)");
}

TEST_F(WorkerTest, tenant_and_namespace_must_exist) {
    http::MultipartBuilder parts;
    parts.add("functionConfig", "application/json", config_with(""));
    parts.add("data", "application/octet-stream", "x = 1", "f.py");
    const std::string type = parts.content_type(), body = parts.finish();
    EXPECT_EQ(reason(call("POST", "/admin/v3/functions/nobody/default/f", body, type)),
              "400 Tenant does not exist (tenant = nobody: create it, or use another)");
    EXPECT_EQ(reason(call("POST", "/admin/v3/functions/public/nowhere/f", body, type)),
              "400 Namespace does not exist (namespace = public/nowhere: create it, or use another)");
}

TEST_F(WorkerTest, what_is_not_served_says_so) {
    EXPECT_EQ(call("POST", "/admin/v3/sources/public/default/s").status, 400);
    EXPECT_EQ(call("GET", "/admin/v3/sinks/public/default").body, "[]");
    EXPECT_EQ(call("GET", "/admin/v3/sinks/builtinsinks").body, "[]");
    EXPECT_EQ(call("GET", "/admin/v2/functions/public/default").body, "[]");
    EXPECT_EQ(call("GET", "/admin/v3/functions/connectors").body, "[]");
    EXPECT_EQ(call("PUT", "/admin/v2/worker/rebalance").status, 400);
}

TEST_F(WorkerTest, tells_about_itself) {
    const std::string self = R"({"workerId":")" + kWorker + R"(","workerHostname":"localhost","port":8080})";
    EXPECT_EQ(call("GET", "/admin/v2/worker/cluster").body, "[" + self + "]");
    EXPECT_EQ(call("GET", "/admin/v2/worker/cluster/leader").body, self);
    EXPECT_EQ(call("GET", "/admin/v2/worker/cluster/leader/ready").body, "true");
    EXPECT_EQ(call("GET", "/initialized").body, "true");
    EXPECT_THAT(call("GET", "/version").body, StartsWith(R"({"version":")"));
}

TEST_F(WorkerTest, a_write_that_got_lost_is_no_success_and_leaves_nothing) {
    world.topics.fail_next_append("functions/metadata", Outcome::lost);
    EXPECT_THAT(reason(create("f")), HasSubstr("503 The function's metadata may not have been stored"));
    ASSERT_TRUE(life->ready());
    EXPECT_EQ(call("GET", kPath + "f").status, 404);
    EXPECT_EQ(create("f").status, 204);
}

TEST_F(WorkerTest, a_write_of_unknown_outcome_is_found_when_the_topic_is_read_again) {
    world.topics.fail_next_append("functions/metadata", Outcome::stored_but_unknown);
    EXPECT_EQ(create("f").status, 503);
    ASSERT_TRUE(life->ready());
    EXPECT_EQ(call("GET", kPath + "f").status, 200);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    EXPECT_EQ(reason(create("f")), "400 Function f already exists");
}

TEST_F(WorkerTest, assignments_that_could_not_be_written_follow) {
    world.topics.fail_next_append("functions/assignments", Outcome::lost);
    EXPECT_EQ(create("f").status, 204) << "the function is stored";
    ASSERT_TRUE(life->ready());
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    EXPECT_EQ(log("assignments").size(), 1U);
}

TEST_F(WorkerTest, without_leadership_writes_are_refused_and_instances_run_on) {
    create("f");
    ASSERT_TRUE(life->settled("f"));
    world.topics.set_leader(false);
    while (life->java.is_leader()) std::this_thread::yield();  // it notices on its own thread
    EXPECT_EQ(reason(create("g")), "503 Leader not yet ready. Please retry again");
    EXPECT_EQ(call("GET", kPath + "f").status, 200);
    EXPECT_EQ(call("GET", "/admin/v2/worker/cluster/leader/ready").status, 503);
    EXPECT_THAT(world.starter.running(), ElementsAre("f:0"));
    world.topics.set_leader(true);
    ASSERT_TRUE(life->ready());
    EXPECT_EQ(create("g").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_THAT(world.starter.events(), ::testing::Contains("start f:0").Times(1)) << "f wasn't touched";
}

TEST_F(WorkerTest, a_worker_before_its_broker_answers_not_yet_and_catches_up) {
    create("f");
    life.reset();
    world.topics.set_down(true);
    life.emplace(world);
    const std::string not_yet =
        "503 Function worker service is not done initializing. Please try again in a little while.";
    EXPECT_EQ(reason(call("GET", kPath + "f")), not_yet);
    EXPECT_EQ(reason(create("g")), not_yet);
    EXPECT_EQ(call("GET", "/initialized").status, 503);
    EXPECT_EQ(call("GET", "/initialized").body, "");
    world.topics.set_down(false);
    ASSERT_TRUE(life->ready());
    EXPECT_EQ(call("GET", kPath + "f").status, 200);
}

TEST_F(WorkerTest, broken_messages_in_the_topics_are_skipped) {
    create("f");
    life.reset();
    for (const auto* topic : {"metadata", "assignments", "weft-metadata", "weft-assignments"}) {
        const std::string full = std::string("persistent://public/functions/") + topic;
        world.topics.put(full, {"", "\xff\xff\xff garbage", {}});
        world.topics.put(full, {"no name", "\xff garbage", {}});
        world.topics.put(full, {"no name", "", {}});
        world.topics.put(full, {"", "", {}});
    }
    live();
    EXPECT_EQ(get(kPath).dump(), R"(["f"])");
}

TEST_F(WorkerTest, functions_of_languages_that_it_does_not_run_say_so) {
    life.reset();
    ::proto::FunctionMetaData java;
    auto& details = *java.mutable_functiondetails();
    details.set_tenant("public");
    details.set_namespace_("default");
    details.set_name("j");
    details.set_parallelism(1);
    details.set_componenttype(::proto::FunctionDetails::FUNCTION);
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::update, java, "other"));
    live();
    ASSERT_TRUE(life->settled("j"));
    EXPECT_EQ(get(kPath + "j/0/status")["error"],
              "runtime = JAVA can't be run by this worker: there is no java-instance.jar: unpack Apache "
              "Pulsar and start with --pulsar-home DIRECTORY (or PULSAR_HOME), or give "
              "functionRuntimeFactoryConfigs.javaInstanceJarLocation");
    EXPECT_EQ(call("DELETE", kPath + "j").status, 204);
}

TEST_F(WorkerTest, a_package_of_the_brokers_service_is_fetched_at_each_start) {
    life.reset();
    ::proto::FunctionMetaData meta;
    auto& details = *meta.mutable_functiondetails();
    details.set_tenant("public");
    details.set_namespace_("default");
    details.set_name("p");
    details.set_parallelism(1);
    details.set_runtime(::proto::FunctionDetails::PYTHON);
    details.set_componenttype(::proto::FunctionDetails::FUNCTION);
    meta.mutable_packagelocation()->set_packagepath("function://public/default/p@0");
    meta.mutable_packagelocation()->set_originalfilename("p.py");
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::update, meta, "java"));
    world.named_packages["function://public/default/p@0"] = "def process(x): return x";
    live();
    ASSERT_TRUE(life->settled("p"));
    EXPECT_THAT(world.starter.running(), ElementsAre("p:0"));
    EXPECT_EQ(get(kPath + "p/status")["instances"][0]["status"]["packageDigest"],
              package::sha256_hex("def process(x): return x"));
    life->api.collect_packages();
    EXPECT_EQ(world.packages(), 1U) << "held while it runs";
    EXPECT_EQ(call("DELETE", kPath + "p").status, 204);
    EXPECT_EQ(world.packages(), 0U);
}

TEST_F(WorkerTest, a_package_in_distributed_log_comes_from_a_java_worker_or_the_status_has_the_cure) {
    life.reset();
    ::proto::FunctionMetaData meta;
    auto& details = *meta.mutable_functiondetails();
    details.set_tenant("public");
    details.set_namespace_("default");
    details.set_name("d");
    details.set_parallelism(1);
    details.set_runtime(::proto::FunctionDetails::PYTHON);
    details.set_componenttype(::proto::FunctionDetails::FUNCTION);
    meta.mutable_packagelocation()->set_packagepath("public/default/d/0f-d.py");
    meta.mutable_packagelocation()->set_originalfilename("d.py");
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::update, meta, "java"));
    world.java_workers = {{"gone", "h", 1, false}, {"other", "h", 2, true}};
    live();
    ASSERT_TRUE(life->settled("d"));
    EXPECT_EQ(
        get(kPath + "d/0/status")["error"],
        "The package public/default/d/0f-d.py is only in DistributedLog, which Pulsar's own workers read, "
        "and none gives it (gone: nobody is there): update it with its package: pulsar-admin functions "
        "update --tenant public --namespace default --name d --py FILE");
    EXPECT_EQ(call("GET", kPath + "d").status, 200) << "it is not forgotten";
    EXPECT_EQ(call("GET", kPath + "d/download").status, 503);

    life.reset();
    world.java_workers.push_back({"java", "h", 3, false});
    world.peers.packages_of["java public/default/d"] = "def process(x): return x";
    live();
    ASSERT_TRUE(life->settled("d"));
    EXPECT_THAT(world.starter.running(), ElementsAre("d:0"));
    EXPECT_EQ(call("GET", kPath + "d/download").body, "def process(x): return x");
}

TEST_F(WorkerTest, an_update_keeps_the_type_names_that_java_workers_have_found_in_the_package) {
    life.reset();
    ::proto::FunctionMetaData meta;
    auto& details = *meta.mutable_functiondetails();
    details.set_tenant("public");
    details.set_namespace_("default");
    details.set_name("t");
    details.set_classname("t.T");
    details.GetReflection()->SetBool(&details, details.GetDescriptor()->FindFieldByName("autoAck"), true);
    details.set_parallelism(1);
    details.set_runtime(::proto::FunctionDetails::PYTHON);
    details.set_componenttype(::proto::FunctionDetails::FUNCTION);
    details.mutable_source()->set_typeclassname("java.lang.String");
    (*details.mutable_source()->mutable_inputspecs())["persistent://public/default/in"];
    details.mutable_sink()->set_typeclassname("java.lang.Integer");
    meta.mutable_packagelocation()->set_packagepath("function://public/default/t@0");
    meta.mutable_packagelocation()->set_originalfilename("t.py");
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::update, meta, "java"));
    world.named_packages["function://public/default/t@0"] = "class T: pass";
    live();
    const auto types = [this] {
        const auto& now = life->java.find({"public", "default", "t"})->functiondetails();
        return str_cat(now.source().typeclassname(), " ", now.sink().typeclassname());
    };
    ASSERT_EQ(reason(upload("PUT", "t", R"({"userConfig":{"a":1}})", std::nullopt)), "204");
    EXPECT_EQ(types(), "java.lang.String java.lang.Integer");
    ASSERT_EQ(reason(upload("PUT", "t", R"({"userConfig":{"a":2}})", "class T: pass", "t.py")), "204");
    EXPECT_EQ(types(), "java.lang.String java.lang.Integer") << "the same package, from elsewhere";
    ASSERT_EQ(reason(upload("PUT", "t", R"({"userConfig":{"a":3}})", "class T: other", "t.py")), "204");
    EXPECT_EQ(types(), " ") << "nobody has looked into it";
}

TEST_F(WorkerTest, strange_names_stay_inside_the_instances_folder) {
    for (const std::string name : {"..", ".", "a%2Fb", "%2e%2e%2fx", "sp%20ace", "a:b", "%C3%A4"}) {
        const auto created = create(name);
        if (created.status == 204) {
            EXPECT_EQ(call("DELETE", kPath + name).status, 204) << name;
        } else {
            EXPECT_TRUE(created.status == 400 || created.status == 404 || created.status == 405)
                << name << created.body;
        }
    }
    for (const auto& entry : fs::directory_iterator(world.folder)) {
        EXPECT_THAT(entry.path().filename().string(),
                    ::testing::AnyOf("packages", "instances", "environments", "package-names"));
    }
    EXPECT_EQ(reason(create("a%2Fb")),
              "400 Function name 'a/b' is invalid: slashes and control characters can't be used");
}

}  // namespace
}  // namespace weft::worker
