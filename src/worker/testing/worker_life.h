#pragma once
// The worker's REST on fakes of the broker and of the instances, for tests.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "http/client.h"
#include "http/server.h"
#include "worker/function_credentials.h"
#include "worker/functions_api.h"
#include "worker/package_exchange.h"
#include "worker/testing/fake_world.h"

namespace weft::worker {

namespace fs = std::filesystem;
using nlohmann::json;

inline constexpr Duration kPatience = 20s;
inline constexpr Duration kLeavingMax = 500ms;
inline const std::string kWorker = "c-standalone-fw-localhost-8080";
inline const std::string kPath = "/admin/v3/functions/public/default/";

/// What stays when a worker ends: the broker and the disk.
struct World {
    World() {
        std::string pattern = (fs::temp_directory_path() / "weft-worker-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
    }
    ~World() { fs::remove_all(folder); }
    std::size_t packages() const {
        const fs::directory_iterator all(folder / "packages");
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

    fs::path folder;
    testing::FakeTopics topics;
    testing::FakeAdmin admin{topics};
    testing::FakePeers peers;
    testing::FakeStarter starter;
    testing::FakeTrigger trigger;
    std::map<std::string, std::string> named_packages;       // of the broker's package service
    std::vector<Member> java_workers;                        // that are asked for packages
    std::shared_ptr<const FunctionCredentials> credentials;  // null: functions are what the worker is
    runtime::JavaOptions java;
    security::ClientSettings of_worker = {
        .auth_plugin = "token", .auth_params = "token:of-the-worker", .tls = {}};
};

/// One life of a worker.
struct Life {
    explicit Life(World& w)
        : world(w),
          packages(std::move(*package::Packages::open({world.folder, "/usr/bin/python3", "", "", 0}))) {
        for (ControlPlane* plane : {&java, &native}) plane->start();
        add_function_routes(router, [this] { return &api; });
    }
    ~Life() {
        java.stop();
        native.stop();
        runners.shut_down(Deadline::after(kPatience));
        pool.stop();
    }
    static PlaneOptions options(TopicNames topics) {
        PlaneOptions plane;
        plane.label = "test";
        plane.topics = std::move(topics);
        plane.worker_id = kWorker;
        plane.participant = kWorker + ":localhost:8080";
        plane.tenant = "public";
        plane.ns = "functions";
        plane.backoff_min = 1ms;
        plane.backoff_max = 5ms;
        plane.leader_patience = 20ms;
        plane.reschedule_after = 0s;
        return plane;
    }
    bool ready() const {
        return java.wait_until_leader(Deadline::after(kPatience)) &&
               native.wait_until_leader(Deadline::after(kPatience));
    }
    bool settled(const std::string& name) const {
        const auto runner = runners.find({"public", "default", name});
        return !runner || runner->wait_settled(Deadline::after(kPatience));
    }

    /// The package service is the world's; all else is looked for as a worker does.
    Result<std::string> foreign(const ::proto::FunctionMetaData& meta, Deadline deadline) const {
        const auto found = world.named_packages.find(meta.packagelocation().packagepath());
        if (found != world.named_packages.end()) return found->second;
        return exchange.fetch_foreign(meta, deadline);
    }

    World& world;
    http::Router router;
    package::Packages packages;
    PackageExchange exchange{*packages.store,
                             world.peers,
                             [this](Deadline) { return world.java_workers; },
                             {.web_url = "", .urls = {}}};
    JobPool pool{"test", 4};
    FunctionRunners runners{
        RunnerContext{.pool = pool,
                      .starter = world.starter,
                      .admin = world.admin,
                      .packages = packages,
                      .instances_dir = world.folder / "instances",
                      .worker_id = kWorker,
                      .cluster_name = "standalone",
                      .python = "python3",
                      .service_url = "pulsar://x:1",
                      .web_url = "http://x:2",
                      .retry_min = 1ms,
                      .retry_max = 4ms,
                      .broker_security = world.of_worker,
                      .java = world.java,
                      .credentials = world.credentials,
                      .leaving_max = kLeavingMax,
                      .fetch_foreign = [this](const ::proto::FunctionMetaData& meta, Deadline deadline) {
                          return foreign(meta, deadline);
                      }}};
    ControlPlane java{options(TopicNames::of_java_workers("public/functions")), world.topics, world.admin,
                      world.peers, runners};
    ControlPlane native{options(TopicNames::of_weft_workers("public/functions")), world.topics, world.admin,
                        world.peers, runners};
    FunctionsApi api{{.worker_id = kWorker,
                      .hostname = "localhost",
                      .web_port = 8080,
                      .delete_patience = kPatience,
                      .start_patience = 1ms,
                      .trigger_patience = kPatience,
                      .trigger = &world.trigger,
                      .credentials = world.credentials,
                      .peers = &world.peers,
                      .fetch_foreign = [this](const ::proto::FunctionMetaData& meta,
                                              Deadline deadline) { return foreign(meta, deadline); }},
                     java,
                     native,
                     runners,
                     packages,
                     world.admin};
};

class WorkerTest : public ::testing::Test {
  protected:
    void live() {
        life.reset();
        life.emplace(world);
        ASSERT_TRUE(life->ready());
    }
    void SetUp() override { live(); }
    void TearDown() override { life.reset(); }  // until then its threads use what derived tests have

    http::Response call(const std::string& method, const std::string& path, std::string body = "",
                        const std::string& type = "") {
        http::Request request;
        request.headers = headers;
        request.method = method;
        request.path = request.raw_path = path;
        request.body = std::move(body);
        if (!type.empty()) request.headers["content-type"] = type;
        request.deadline = Deadline::after(kPatience);
        return life->router.handle(request);
    }
    http::Response upload(const std::string& method, const std::string& name, const std::string& config,
                          const std::optional<std::string>& file = "def process(x): return x",
                          const std::string& file_name = "f.py") {
        http::MultipartBuilder parts;
        if (!config.empty()) parts.add("functionConfig", "application/json", config);
        if (file) parts.add("data", "application/octet-stream", *file, file_name);
        const std::string type = parts.content_type();
        return call(method, kPath + name, parts.finish(), type);
    }
    http::Response create(const std::string& name, const std::string& extra = "") {
        return upload("POST", name, config_with(extra));
    }
    static std::string config_with(const std::string& extra) {
        return R"({"className":"f.F","inputs":["in"],"output":"out","py":"f.py")" + extra + "}";
    }
    static std::string reason(const http::Response& response) {
        const auto body = json::parse(response.body, nullptr, false);
        return body.is_object() ? str_cat(response.status, " ", body.value("reason", ""))
                                : str_cat(response.status);
    }
    json get(const std::string& path) { return json::parse(call("GET", path).body, nullptr, false); }
    std::vector<Record> log(const std::string& topic) {
        return world.topics.log("persistent://public/functions/" + topic);
    }

    World world;
    std::optional<Life> life;
    decltype(http::Request::headers) headers;  // of each request
};

}  // namespace weft::worker
