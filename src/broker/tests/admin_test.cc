// The admin REST. What Pulsar 4.0.8 answered to the same requests stands here.

#include <nlohmann/json.hpp>

#include "broker/tests/broker_fixture.h"

namespace weft::broker {
namespace {

using nlohmann::json;

struct AdminTest : testing::Test {
    store::SimFileSystem files;
    TestBroker broker{files};

    void expect(const char* method, const char* path, int status, const char* body, const char* sent = "") {
        const auto answer = broker.rest(method, str_cat("/admin/v2/", path), sent);
        EXPECT_EQ(answer.status, status) << method << " " << path << ": " << answer.body;
        EXPECT_EQ(answer.body, body) << method << " " << path;
    }
    json get(const char* path) {
        const auto answer = broker.rest("GET", str_cat("/admin/v2/", path));
        EXPECT_EQ(answer.status, 200) << path << ": " << answer.body;
        return json::parse(answer.body, nullptr, false);
    }
};

TEST_F(AdminTest, tenants) {
    expect("GET", "clusters", 200, R"(["standalone"])");
    expect("GET", "tenants", 200, R"(["public"])");
    expect("GET", "tenants/nosuch", 404, R"({"reason":"Tenant does not exist"})");
    expect("PUT", "tenants/t", 412,
           R"x({"reason":"Clusters cannot be null (allowedClusters = null: give [\"standalone\"])"})x", "{}");
    expect(
        "PUT", "tenants/t", 412,
        R"x({"reason":"Clusters do not exist (allowedClusters = [\"zzz\"]: the only one is standalone)"})x",
        R"({"allowedClusters":["zzz"]})");
    const char* good = R"({"allowedClusters":["standalone"],"adminRoles":["x"]})";
    expect("PUT", "tenants/t", 204, "", good);
    expect("PUT", "tenants/t", 409, R"({"reason":"Tenant already exist"})", good);
    expect("POST", "tenants/nosuch", 404, R"({"reason":"Tenant nosuch not found"})", good);
    expect("GET", "tenants/t", 200, R"({"adminRoles":["x"],"allowedClusters":["standalone"]})");
    expect("PUT", "tenants/a b", 412,
           R"x({"reason":"Tenant name is not valid (tenant = a b: letters, digits and -=:._ can be used)"})x",
           good);
    expect("PUT", "namespaces/t/n", 204, "");
    expect("DELETE", "tenants/t", 409, R"({"reason":"The tenant still has active namespaces"})");
    expect("DELETE", "namespaces/t/n", 204, "");
    expect("DELETE", "tenants/t", 204, "");
    expect("DELETE", "tenants/t", 404, R"({"reason":"Tenant doesn't exist"})");
}

TEST_F(AdminTest, namespaces) {
    expect("GET", "namespaces/nosuch", 404, R"({"reason":"Tenant not found"})");
    expect("PUT", "namespaces/nosuch/n", 404, R"({"reason":"Tenant does not exist"})");
    expect("PUT", "namespaces/public/n", 204, "");
    expect("PUT", "namespaces/public/n", 409, R"({"reason":"Namespace already exists"})");
    expect("PUT", "namespaces/public/m", 403,
           R"({"reason":"Cluster [zzz] is not in the list of allowed clusters list for tenant [public]"})",
           R"({"replication_clusters":["zzz"]})");
    expect("GET", "namespaces/public", 200, R"(["public/default","public/functions","public/n"])");
    expect("GET", "namespaces/public/nosuch", 404, R"({"reason":"Namespace does not exist"})");
    expect("GET", "namespaces/public/n/retention", 200, "");
    expect("POST", "namespaces/public/n/retention", 204, "",
           R"({"retentionTimeInMinutes":10,"retentionSizeInMB":20})");
    EXPECT_EQ(get("namespaces/public/n")["retention_policies"]["retentionSizeInMB"], 20);
    EXPECT_EQ(get("namespaces/public/functions")["retention_policies"]["retentionTimeInMinutes"], -1);
    expect("PUT", "persistent/public/n/t", 204, "");
    expect("DELETE", "namespaces/public/n", 409, R"({"reason":"Cannot delete non empty namespace"})");
}

TEST_F(AdminTest, topics) {
    expect("GET", "persistent/public/nosuch", 404, R"({"reason":"Namespace does not exist"})");
    expect("PUT", "persistent/public/nosuch/t", 404, R"({"reason":"Namespace not found"})");
    expect("PUT", "persistent/public/default/t", 204, "");
    expect("PUT", "persistent/public/default/t", 409, R"({"reason":"This topic already exists"})");
    expect("GET", "persistent/public/default", 200, R"(["persistent://public/default/t"])");
    const char* missing = R"({"reason":"Topic persistent://public/default/x not found"})";
    for (const char* path : {"stats", "lastMessageId", "partitions", "subscriptions", "internalStats"}) {
        expect("GET", str_cat("persistent/public/default/x/", path).c_str(), 404, missing);
    }
    expect("DELETE", "persistent/public/default/x", 404, missing);
    expect("GET", "persistent/public/default/t/partitions", 200, R"({"partitions":0,"deleted":false})");
    expect("DELETE", "persistent/public/default/t", 204, "");
    expect("GET", "persistent/public/default", 200, "[]");
}

TEST_F(AdminTest, partitioned_topics) {
    expect("PUT", "persistent/public/default/p/partitions", 204, "", "2");
    expect("GET", "persistent/public/default/p/partitions", 200, R"({"partitions":2,"deleted":false})");
    EXPECT_EQ(get("persistent/public/default").size(), 2U);
    expect("GET", "persistent/public/default/partitioned", 200, R"(["persistent://public/default/p"])");
    EXPECT_EQ(get("persistent/public/default/p/partitioned-stats")["metadata"]["partitions"], 2);
    expect("PUT", "persistent/public/default/p/subscription/s", 204, "");
    expect("GET", "persistent/public/default/p-partition-1/subscriptions", 200, R"(["s"])");
    EXPECT_EQ(broker.rest("DELETE", "/admin/v2/persistent/public/default/p").status, 409);
    EXPECT_EQ(broker.rest("PUT", "/admin/v2/persistent/public/default/q/partitions", "0").status, 406);
    EXPECT_EQ(broker.rest("PUT", "/admin/v2/persistent/public/default/q/partitions", "{oops").status, 406);
    expect("DELETE", "persistent/public/default/p/partitions", 204, "");
    EXPECT_EQ(get("persistent/public/default").size(), 0U);
}

TEST_F(AdminTest, subscriptions) {
    auto client = TestClient::connected(broker);
    client->open_producer("persistent://public/default/t");
    client->store(0, "a");
    client->store(1, "b");
    const std::string base = "persistent/public/default/t/";
    expect("PUT", (base + "subscription/end").c_str(), 204, "");
    expect("PUT", (base + "subscription/end").c_str(), 409,
           R"({"reason":"Subscription already exists for topic"})");
    expect("PUT", (base + "subscription/start").c_str(), 204, "", R"({"ledgerId":-1,"entryId":-1})");
    auto stats = get((base + "stats").c_str());
    EXPECT_EQ(stats["subscriptions"]["end"]["msgBacklog"], 0);
    EXPECT_EQ(stats["subscriptions"]["start"]["msgBacklog"], 2);
    EXPECT_EQ(stats["subscriptions"]["start"]["type"], "None");
    EXPECT_EQ(stats["publishers"][0]["producerName"], "standalone-0-0");
    EXPECT_EQ(stats["msgInCounter"], 2);
    expect("POST", (base + "subscription/start/skip_all").c_str(), 204, "");
    EXPECT_EQ(get((base + "stats").c_str())["subscriptions"]["start"]["msgBacklog"], 0);
    const char* missing = R"({"reason":"Subscription x not found for topic persistent://public/default/t"})";
    expect("DELETE", (base + "subscription/x").c_str(), 404, missing);
    client->subscribe({.topic = "persistent://public/default/t", .subscription = "end", .name = "me"});
    EXPECT_EQ(get((base + "stats").c_str())["subscriptions"]["end"]["activeConsumerName"], "me");
    expect("DELETE", (base + "subscription/end").c_str(), 412,
           R"({"reason":"Subscription has active connected consumers"})");
    expect("DELETE", (base + "subscription/start").c_str(), 204, "");
    expect("GET", (base + "subscriptions").c_str(), 200, R"(["end"])");
}

TEST_F(AdminTest, skips_peeks_and_keeps_properties) {
    auto client = TestClient::connected(broker);
    client->open_producer("persistent://public/default/t");
    for (std::uint64_t i = 0; i < 3; ++i) client->store(i, std::string(1, static_cast<char>('a' + i)));
    const std::string base = "persistent/public/default/t/", cursor = base + "subscription/s";
    expect("PUT", cursor.c_str(), 204, "", R"({"ledgerId":-1,"entryId":-1,"properties":{"k":"v"}})");
    expect("GET", (cursor + "/properties").c_str(), 200, R"({"k":"v"})");
    expect("PUT", (cursor + "/properties").c_str(), 204, "", R"({"x":"y"})");
    expect("GET", (cursor + "/properties").c_str(), 200, R"({"x":"y"})");
    expect("PUT", (base + "properties").c_str(), 204, "", R"({"b":"2"})");
    expect("GET", (base + "properties").c_str(), 200, R"({"b":"2"})");

    const auto backlog = [&] { return get((base + "stats").c_str())["subscriptions"]["s"]["msgBacklog"]; };
    const auto peeked = broker.rest("GET", str_cat("/admin/v2/", cursor, "/position/2"));
    EXPECT_EQ(peeked.body, "b");
    EXPECT_TRUE(peeked.headers.at("X-Pulsar-Message-ID").ends_with(":1"));
    expect("GET", (cursor + "/position/4").c_str(), 404, R"({"reason":"Message not found"})");
    expect("POST", (cursor + "/skip/x").c_str(), 400,
           R"({"reason":"the count in the path must be a whole number: x"})");
    expect("POST", (cursor + "/skip/2").c_str(), 204, "");
    EXPECT_EQ(backlog(), 1);
    EXPECT_EQ(broker.rest("GET", str_cat("/admin/v2/", cursor, "/position/1")).body, "c");
    expect("POST", (cursor + "/skip/99").c_str(), 204, "");
    EXPECT_EQ(backlog(), 0);

    const auto first = get((base + "messageid/0").c_str());
    EXPECT_EQ(first["entryId"], 0);
    const std::string id = str_cat(base, "ledger/", first["ledgerId"].get<std::uint64_t>(), "/entry/");
    EXPECT_EQ(broker.rest("GET", str_cat("/admin/v2/", id, "2")).body, "c");
    expect("GET", (id + "3").c_str(), 404, R"({"reason":"Message not found"})");
    const std::string at_first = str_cat(R"({"ledgerId":)", first["ledgerId"].get<std::uint64_t>(),
                                         R"(,"entryId":0,"isExcluded":true})");
    expect("POST", (cursor + "/resetcursor").c_str(), 204, "", at_first.c_str());
    EXPECT_EQ(backlog(), 2);
}

TEST_F(AdminTest, a_partitioned_topics_subscriptions_are_on_all_partitions) {
    expect("PUT", "persistent/public/default/p/partitions", 204, "", "2");
    expect("PUT", "persistent/public/default/p/subscription/s", 204, "");
    expect("GET", "persistent/public/default/p/subscriptions", 200, R"(["s"])");
    expect("POST", "persistent/public/default/p/subscription/s/resetcursor/0", 204, "");
    expect("POST", "persistent/public/default/p/subscription/s/skip_all", 204, "");
    expect("POST", "persistent/public/default/p/subscription/s/resetcursor", 405,
           R"({"reason":"Reset-cursor at position is not allowed for partitioned-topic"})", "{}");
    expect("DELETE", "persistent/public/default/p/subscription/s", 204, "");
    expect("GET", "persistent/public/default/p-partition-1/subscriptions", 200, "[]");
    expect("POST", "persistent/public/default/p/createMissedPartitions", 204, "");
    expect("PUT", "persistent/public/default/q/partitions", 501,
           R"({"reason":"a partitioned topic keeps no properties: leave them out"})",
           R"({"partitions":2,"properties":{"a":"b"}})");
}

TEST_F(AdminTest, schemas_are_deleted) {
    expect("POST", "schemas/public/default/t/schema", 200, R"({"version":0})",
           R"({"type":"STRING","schema":"","properties":{}})");
    expect("DELETE", "schemas/public/default/t/schema", 200, R"({"version":0})");
    expect("GET", "schemas/public/default/t/schema", 404, R"({"reason":"Schema not found"})");
}

TEST_F(AdminTest, refuses_half_a_retention) {
    const auto answer = broker.rest("POST", "/admin/v2/namespaces/public/default/retention",
                                    R"({"retentionTimeInMinutes":10,"retentionSizeInMB":0})");
    EXPECT_EQ(answer.status, 412);
    EXPECT_TRUE(answer.body.contains("Setting a single time or size limit to 0 is invalid")) << answer.body;
}

TEST_F(AdminTest, brokers_lookups_and_metrics) {
    broker.run([&] { broker.broker().set_web_urls("http://127.0.0.1:8080", ""); });
    expect("GET", "brokers/health", 200, "ok");
    expect("GET", "brokers/standalone", 200, R"(["127.0.0.1:8080"])");
    const auto look = broker.rest("GET", "/lookup/v2/topic/persistent/public/default/x");
    EXPECT_EQ(json::parse(look.body)["brokerUrl"], broker.broker().service_url());
    EXPECT_EQ(broker.rest("GET", "/lookup/v2/topic/persistent/public/nosuch/x").status, 404);
    auto client = TestClient::connected(broker);
    client->subscribe({.topic = "persistent://public/default/t", .subscription = "a\"b"});
    const auto page = broker.rest("GET", "/metrics").body;
    EXPECT_NE(
        page.find("pulsar_subscription_back_log{cluster=\"standalone\",namespace=\"public/default\",topic="
                  "\"persistent://public/default/t\",subscription=\"a\\\"b\"} 0\n"),
        std::string::npos)
        << page;
}

TEST_F(AdminTest, refuses_what_is_too_large) {
    EXPECT_EQ(broker.rest("PUT", "/admin/v2/tenants/t", std::string(100'000, ' ')).status, 413);
    EXPECT_EQ(broker.rest("PUT", "/admin/v2/tenants/" + std::string(2000, 't'), "{}").status, 413);
}

TEST_F(AdminTest, a_position_that_cannot_be_read_moves_no_cursor) {
    auto client = TestClient::connected(broker);
    client->open_producer("persistent://public/default/t");
    client->store(0, "a");
    const std::string base = "persistent/public/default/t/";
    expect("PUT", (base + "subscription/s").c_str(), 204, "", R"({"ledgerId":-1,"entryId":-1})");
    for (const char* body :
         {"", "{", "{}", R"({"ledgerId":"x","entryId":0})", R"({"ledgerId":1.5,"entryId":0})"}) {
        const auto answer = broker.rest("POST", "/admin/v2/" + base + "subscription/s/resetcursor", body);
        EXPECT_EQ(answer.status, 400) << body;
        EXPECT_NE(answer.body.find("it must be {\\\"ledgerId\\\": n"), std::string::npos) << answer.body;
        EXPECT_EQ(get((base + "stats").c_str())["subscriptions"]["s"]["msgBacklog"], 1) << body;
    }
    EXPECT_EQ(broker.rest("PUT", "/admin/v2/" + base + "subscription/x", "[1]").status, 400);
    expect("GET", (base + "subscriptions").c_str(), 200, R"(["s"])");
}

TEST_F(AdminTest, refuses_what_nests_too_deep) {
    const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
    const auto answer = broker.rest("PUT", "/admin/v2/namespaces/public/deep", R"({"x":)" + deep + "}");
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find("64 levels"), std::string::npos) << answer.body;
    expect("GET", "namespaces/public", 200, R"(["public/default","public/functions"])");
    for (const char* path :
         {"tenants/t", "persistent/public/default/t", "persistent/public/default/t/partitions",
          "persistent/public/default/t/subscription/s"}) {
        EXPECT_GE(broker.rest("PUT", str_cat("/admin/v2/", path), deep).status, 400) << path;
    }
    expect("GET", "persistent/public/default", 200, "[]");
}

}  // namespace
}  // namespace weft::broker
