// The worker's REST before there is a worker, and the document that describes it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "worker/functions_api.h"
#include "worker/route_table.h"

namespace weft::worker {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

http::Response ask(const http::Router& router, const std::string& method, const std::string& path) {
    http::Request request;
    request.method = method;
    request.path = request.raw_path = path;
    return router.handle(request);
}

http::Router routes_without_worker() {
    http::Router router;
    add_function_routes(router, [] { return nullptr; });
    return router;
}

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

TEST(Rest, every_route_stands_in_the_document_and_nothing_else) {
    const auto router = routes_without_worker();
    const auto answer = ask(router, "GET", "/admin/openapi.json");
    ASSERT_EQ(answer.status, 200);
    const json document = json::parse(answer.body);
    std::multiset<std::string> described, served;
    for (const auto& [path, operations] : document["paths"].items()) {
        for (const auto& [method, operation] : operations.items()) {
            EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << method << " " << path;
            described.insert(method + " " + path);
        }
    }
    for (const auto& route : router.routes()) {
        const auto blank = route.find(' ');
        served.insert(lower(route.substr(0, blank)) + route.substr(blank));
    }
    EXPECT_EQ(described, served);
    EXPECT_THAT(served, Contains("post /admin/v3/sinks/{tenant}/{namespace}/{name}"));
}

TEST(Rest, forms_and_queries_are_described) {
    RouteTable table;
    table.add("POST", "/a/{b}", Rule::known,
              {.summary = "s", .form = "c:json! d:file", .query = "e! f", .status = 204}, {});
    const json post = json::parse(openapi_json(table.rows(), "1"))["paths"]["/a/{b}"]["post"];
    const json form = post["requestBody"]["content"]["multipart/form-data"];
    EXPECT_EQ(form["schema"]["required"], json({"c"}));
    EXPECT_EQ(form["encoding"]["c"]["contentType"], "application/json");
    EXPECT_EQ(form["schema"]["properties"]["d"]["format"], "binary");
    ASSERT_EQ(post["parameters"].size(), 3);
    EXPECT_EQ(post["parameters"][0]["in"], "path");
    EXPECT_EQ(post["parameters"][1]["required"], true);
    EXPECT_EQ(post["parameters"][2]["required"], false);
    EXPECT_TRUE(post["responses"].contains("204"));
}

TEST(Rest, before_the_worker_is_there_it_says_not_yet) {
    const auto router = routes_without_worker();
    for (const auto path : {"/admin/v3/functions/public/default", "/admin/v3/sources/public/default",
                            "/admin/v3/sink/public/default", "/admin/v2/functions/public/default",
                            "/admin/v2/worker/cluster", "/admin/worker-stats/functionsmetrics"}) {
        const auto answer = ask(router, "GET", path);
        EXPECT_EQ(answer.status, 503) << path;
        EXPECT_THAT(answer.body, HasSubstr("not done initializing")) << path;
    }
    EXPECT_EQ(ask(router, "GET", "/initialized").status, 503);
    EXPECT_EQ(ask(router, "GET", "/metrics").body, "");
}

TEST(Rest, the_brokers_metrics_stay_on_the_page) {
    http::Router router;
    router.add("GET", "/metrics", [](const http::Request&) { return http::Response::text("broker 1\n"); });
    add_function_routes(router, [] { return nullptr; });
    EXPECT_EQ(ask(router, "GET", "/metrics").body, "broker 1\n");
    EXPECT_THAT(ask(router, "GET", "/metrics").content_type, HasSubstr("version=0.0.4"));
}

}  // namespace
}  // namespace weft::worker
