// Who may do what. The table of routes, routes.def, is what Pulsar 4.0.8 answers to the same roles.

#include "broker/access.h"

#include <map>
#include <nlohmann/json.hpp>

#include "broker/tests/broker_fixture.h"
#include "security/tokens.h"

namespace weft::broker {
namespace {

using nlohmann::json;

constexpr const char* kTopic = "persistent://t/ns/topic";

struct AccessTest : testing::Test {
    AccessTest() : broker(files, options()) {
        as("admin", "PUT", "tenants/t", R"({"adminRoles":["tadmin"],"allowedClusters":["standalone"]})");
        as("admin", "PUT", "namespaces/t/ns", "{}");
        grant("prod", "produce");
        grant("cons", "consume");
        grant("subr", "consume");
        grant("fun", "functions");
        for (const char* topic : {"topic", "keep"}) as("admin", "PUT", str_cat("persistent/t/ns/", topic));
        as("admin", "PUT", "persistent/t/ns/topic/subscription/sub");
        as("admin", "POST", "namespaces/t/ns/permissions/subscription/sub", R"(["subr"])");
    }
    BrokerOptions options() const {
        BrokerOptions made;
        made.access.authenticator = *security::Authenticator::create(
            {.enabled = true,
             .providers = {"AuthenticationProviderToken"},
             .token_secret_key = "data:;base64," + security::base64(secret)});
        made.access.authorization = true;
        made.access.super_users = {"admin", "proxy"};
        made.access.proxy_roles = {"proxy", "proxy2"};
        made.access.refresh_check = 10ms;
        return made;
    }
    std::string token(const std::string& role, std::int64_t expires = 0) const {
        return *security::create_token({.subject = role, .expires_at_seconds = expires},
                                       *security::TokenKey::secret(secret));
    }
    http::Response ask(const std::string& role, std::string method, std::string path, std::string body = {},
                       const std::string& original = {}) {
        std::map<std::string, std::string> headers;
        if (!role.empty()) headers["authorization"] = "Bearer " + token(role);
        if (!original.empty()) headers["x-original-principal"] = original;
        return broker.rest(std::move(method), std::move(path), std::move(body), std::move(headers));
    }
    void as(const std::string& role, const char* method, const std::string& path, std::string body = {}) {
        const auto answer = ask(role, method, "/admin/v2/" + path, std::move(body));
        EXPECT_EQ(answer.status / 100, 2) << method << ' ' << path << ": " << answer.body;
    }
    void grant(const std::string& role, std::string_view action) {
        as("admin", "POST", "namespaces/t/ns/permissions/" + role, str_cat("[\"", action, "\"]"));
    }
    static Command connect_command(const std::string& method, const std::string& data,
                                   const std::string& original = {}) {
        auto command = TestClient::make(Command::CONNECT);
        auto& connect = *command.mutable_connect();
        connect.set_client_version("test");
        connect.set_protocol_version(21);
        if (!method.empty()) connect.set_auth_method_name(method);
        if (!data.empty()) connect.set_auth_data(data);
        if (!original.empty()) connect.set_original_principal(original);
        connect.mutable_feature_flags()->set_supports_auth_refresh(true);
        return command;
    }
    std::unique_ptr<TestClient> connected(const std::string& role, std::int64_t expires = 0) {
        auto client = std::make_unique<TestClient>(broker);
        client->send(connect_command("token", token(role, expires)));
        client->expect(Command::CONNECTED);
        return client;
    }
    void sent_away(const Command& command, proto::ServerError error, const std::string& text) {
        TestClient client(broker);
        client.send(command);
        const auto answer = client.expect(Command::ERROR).command.error();
        EXPECT_EQ(answer.error(), error);
        EXPECT_EQ(answer.message(), text);
        EXPECT_EQ(answer.request_id(), ~0ULL);
        EXPECT_TRUE(client.wait_for_close());
    }

    const std::string secret = *security::new_secret("HS256");
    store::SimFileSystem files;
    TestBroker broker;
};

std::int64_t now_seconds() { return static_cast<std::int64_t>(wall_clock_ms() / 1000); }

// For admin, tadmin, prod, cons, fun, subr, other and nobody: allowed, or 401, or 403.
struct Row {
    const char* route;
    const char* answers;
};
constexpr Row kRoutes[] = {
#define WEFT_ROUTE(route, answers) {route, answers},
#include "broker/tests/routes.def"
#undef WEFT_ROUTE
};
constexpr const char* kRoles[] = {"admin", "tadmin", "prod", "cons", "fun", "subr", "other", ""};

std::string path_of(std::string pattern) {
    const std::pair<const char*, const char*> kValues[] = {
        {"{tenant}", "t"},           {"{namespace}", "ns"}, {"{topic}", "topic"}, {"{subscription}", "sub"},
        {"{cluster}", "standalone"}, {"{timestamp}", "1"},  {"{count}", "1"},     {"{position}", "1"},
        {"{ledger}", "0"},           {"{entry}", "0"},      {"{version}", "0"},   {"{role}", "x"},
        {"{name}", "other"}};
    for (const auto& [name, value] : kValues) {
        if (const auto at = pattern.find(name); at != std::string::npos)
            pattern.replace(at, std::strlen(name), value);
    }
    EXPECT_EQ(pattern.find('{'), std::string::npos) << pattern << ": give the parameter a value here";
    return pattern;
}

TEST_F(AccessTest, each_route_is_for_those_that_pulsar_says) {
    http::Router router;
    broker.broker().add_routes(router);
    std::map<std::string, std::string> rules;
    for (const Row& row : kRoutes) rules[row.route] = row.answers;
    const auto routes = router.routes();
    EXPECT_EQ(routes.size(), rules.size());
    for (const std::string& route : routes) {
        ASSERT_TRUE(rules.contains(route)) << route << ": say here who may";
        const std::string method = route.substr(0, route.find(' '));
        std::string answers;
        for (const char* role : kRoles) {
            const int status = ask(role, method, path_of(route.substr(method.size() + 1))).status;
            answers += status == 401 ? '1' : status == 403 ? '3' : 'y';
        }
        EXPECT_EQ(answers, rules[route]) << route;
    }
}

TEST_F(AccessTest, who_is_not_known_is_not_let_in) {
    for (const std::string& wrong :
         {std::string("Bearer x.y.z"), "Bearer " + token("admin", now_seconds() - 5),
          std::string("Basic YTpi"), std::string("Bearer ")}) {
        EXPECT_EQ(broker.rest("GET", "/admin/v2/tenants", "", {{"authorization", wrong}}).status, 401)
            << wrong;
    }
    const auto refused = [&](const std::string& method, const std::string& data) {
        sent_away(connect_command(method, data), proto::AuthenticationError, "Failed to authenticate");
    };
    refused("", "");
    refused("none", "");
    refused("token", "");
    refused("token", "x.y.z");
    refused("token", token("admin", now_seconds() - 5));
    refused("tls", "");
    TestClient early(broker);
    early.send(TestClient::make(Command::PING));
    EXPECT_TRUE(early.wait_for_close());
}

TEST_F(AccessTest, roles_have_the_rights_that_were_granted) {
    const auto may = [&](const std::string& role) {
        std::string may;
        const auto client = connected(role);
        std::uint64_t id = 0;
        client->ask_for_producer(kTopic, "", proto::Shared);
        may += client->next().command.type() == Command::PRODUCER_SUCCESS ? "p" : "-";
        for (const char* subscription : {"own", "sub"}) {
            auto command = TestClient::make(Command::SUBSCRIBE);
            auto& subscribe = *command.mutable_subscribe();
            subscribe.set_topic(kTopic);
            subscribe.set_subscription(subscription);
            subscribe.set_subtype(proto::CommandSubscribe::Shared);
            subscribe.set_consumer_id(++id);
            subscribe.set_request_id(100 + id);
            client->send(command);
            const auto answer = client->next().command;
            may += answer.type() == Command::SUCCESS ? "c" : "-";
            if (answer.type() == Command::ERROR) {
                EXPECT_EQ(answer.error().error(), proto::AuthorizationError);
                EXPECT_EQ(answer.error().message(), "Client is not authorized to subscribe");
            }
        }
        auto lookup = TestClient::make(Command::LOOKUP);
        lookup.mutable_lookuptopic()->set_topic(kTopic);
        lookup.mutable_lookuptopic()->set_request_id(7);
        client->send(lookup);
        may += client->next().command.lookuptopicresponse().response() ==
                       proto::CommandLookupTopicResponse::Connect
                   ? "l"
                   : "-";
        auto partitions = TestClient::make(Command::PARTITIONED_METADATA);
        partitions.mutable_partitionmetadata()->set_topic(kTopic);
        partitions.mutable_partitionmetadata()->set_request_id(8);
        client->send(partitions);
        may += client->next().command.partitionmetadataresponse().has_error() ? "-" : "m";
        auto topics = TestClient::make(Command::GET_TOPICS_OF_NAMESPACE);
        topics.mutable_gettopicsofnamespace()->set_namespace_("t/ns");
        topics.mutable_gettopicsofnamespace()->set_request_id(9);
        client->send(topics);
        may += client->next().command.type() == Command::ERROR ? "-" : "t";
        return may;
    };
    EXPECT_EQ(may("admin"), "pcclmt");
    EXPECT_EQ(may("tadmin"), "pcclmt");
    EXPECT_EQ(may("prod"), "p--lmt");
    EXPECT_EQ(may("cons"), "-c-lmt");
    EXPECT_EQ(may("subr"), "-cclmt");
    EXPECT_EQ(may("fun"), "------");
    EXPECT_EQ(may("other"), "------");
    as("tadmin", "POST", "persistent/t/ns/topic/permissions/other", R"(["consume"])");
    EXPECT_EQ(may("other"), "-c-lm-");
    EXPECT_EQ(json::parse(ask("tadmin", "GET", "/admin/v2/persistent/t/ns/topic/permissions").body)["other"],
              json::parse(R"(["consume"])"));
    as("tadmin", "DELETE", "persistent/t/ns/topic/permissions/other");
    EXPECT_EQ(may("other"), "------");
    EXPECT_EQ(ask("tadmin", "DELETE", "/admin/v2/persistent/t/ns/topic/permissions/other").status, 412);
}

TEST_F(AccessTest, a_right_that_is_taken_ends_what_stands_on_it) {
    const auto producer = connected("prod"), consumer = connected("cons"), admin = connected("admin");
    producer->open_producer(kTopic);
    consumer->subscribe({.topic = kTopic, .subscription = "own"});
    admin->open_producer(kTopic);
    as("tadmin", "DELETE", "namespaces/t/ns/permissions/prod");
    producer->expect(Command::CLOSE_PRODUCER);
    EXPECT_TRUE(consumer->silent());
    as("tadmin", "DELETE", "namespaces/t/ns/permissions/cons");
    consumer->expect(Command::CLOSE_CONSUMER);
    EXPECT_TRUE(admin->silent());
    producer->ask_for_producer(kTopic, "", proto::Shared);
    EXPECT_EQ(producer->expect(Command::ERROR).command.error().message(),
              "Client is not authorized to Produce");
    grant("prod", "produce");
    producer->open_producer(kTopic, "", 2);
}

TEST_F(AccessTest, a_tenant_loses_its_admin) {
    const auto client = connected("tadmin");
    client->open_producer(kTopic);
    as("admin", "POST", "tenants/t", R"({"adminRoles":["ann"],"allowedClusters":["standalone"]})");
    client->expect(Command::CLOSE_PRODUCER);
    EXPECT_EQ(ask("tadmin", "GET", "/admin/v2/namespaces/t").status, 401);
    EXPECT_EQ(ask("ann", "GET", "/admin/v2/namespaces/t").status, 200);
}

TEST_F(AccessTest, permissions_are_shown_and_refused_as_by_pulsar) {
    EXPECT_EQ(
        json::parse(ask("admin", "GET", "/admin/v2/namespaces/t/ns/permissions").body),
        json::parse(R"({"prod":["produce"],"cons":["consume"],"subr":["consume"],"fun":["functions"]})"));
    EXPECT_EQ(json::parse(ask("admin", "GET", "/admin/v2/namespaces/t/ns/permissions/subscription").body),
              json::parse(R"({"sub":["subr"]})"));
    const auto refusal = ask("admin", "POST", "/admin/v2/namespaces/t/ns/permissions/x", R"(["fly"])");
    EXPECT_EQ(refusal.status, 400);
    EXPECT_NE(refusal.body.find("functions"), std::string::npos) << refusal.body;
    as("admin", "DELETE", "namespaces/t/ns/permissions/sub/subr");
    EXPECT_EQ(ask("admin", "GET", "/admin/v2/namespaces/t/ns/permissions/subscription").body, "{}");
    EXPECT_EQ(ask("admin", "DELETE", "/admin/v2/namespaces/t/ns/permissions/sub/subr").status, 404);
    EXPECT_EQ(ask("other", "GET", "/admin/v2/namespaces/nothing/ns").status, 404);
    EXPECT_EQ(ask("other", "GET", "/admin/v2/tenants/nothing").status, 401);
}

TEST_F(AccessTest, proxies_speak_for_those_whom_they_name) {
    const auto status = [&](const char* role, const char* original) {
        return ask(role, "GET", "/admin/v2/persistent/t/ns/topic/stats", "", original).status;
    };
    EXPECT_EQ(status("proxy", "prod"), 200);
    EXPECT_EQ(status("proxy", "other"), 401);
    EXPECT_EQ(status("proxy", ""), 401);
    EXPECT_EQ(status("proxy", "proxy2"), 401);
    EXPECT_EQ(status("proxy2", "prod"), 401);  // has no rights of its own
    EXPECT_EQ(status("admin", "prod"), 401);
    EXPECT_EQ(status("prod", "prod"), 200);
    sent_away(connect_command("token", token("proxy")), proto::AuthorizationError, "Invalid roles.");
    sent_away(connect_command("token", token("admin"), "prod"), proto::AuthorizationError, "Invalid roles.");
    TestClient client(broker);
    client.send(connect_command("token", token("proxy"), "prod"));
    client.expect(Command::CONNECTED);
    client.open_producer(kTopic);
    EXPECT_EQ(ask("cons", "GET", "/metrics").status, 200);
}

TEST_F(AccessTest, who_can_give_new_credentials_stays) {
    const auto client = connected("prod", now_seconds() + 2);
    const auto challenge = client->expect(Command::AUTH_CHALLENGE).command.authchallenge().challenge();
    EXPECT_EQ(challenge.auth_method_name(), "token");
    EXPECT_EQ(challenge.auth_data(), "PulsarAuthRefresh");
    const auto answer = [&](const std::string& data) {
        auto command = TestClient::make(Command::AUTH_RESPONSE);
        command.mutable_authresponse()->mutable_response()->set_auth_method_name("token");
        command.mutable_authresponse()->mutable_response()->set_auth_data(data);
        return command;
    };
    client->send(answer(token("prod")));
    client->open_producer(kTopic);

    const auto silent = connected("prod", now_seconds() + 2), other = connected("prod"),
               wrong = connected("prod");
    silent->expect(Command::AUTH_CHALLENGE);
    EXPECT_TRUE(silent->wait_for_close());
    other->send(answer(token("cons")));
    EXPECT_TRUE(other->wait_for_close());
    wrong->send(answer(token("prod", now_seconds() - 5)));
    EXPECT_EQ(wrong->expect(Command::ERROR).command.error().error(), proto::AuthenticationError);
    EXPECT_TRUE(wrong->wait_for_close());
}

TEST(Access, patterns_are_for_many_roles_where_they_are_allowed) {
    for (const bool wildcards : {false, true}) {
        const std::string secret = *security::new_secret("HS256");
        BrokerOptions options;
        options.access.authenticator = *security::Authenticator::create(
            {.enabled = true,
             .providers = {"AuthenticationProviderToken"},
             .token_secret_key = "data:;base64," + security::base64(secret)});
        options.access.authorization = true;
        options.access.super_users = {"admin"};
        options.access.wildcards = wildcards;
        store::SimFileSystem files;
        TestBroker broker(files, options);
        const auto ask = [&](const std::string& role, const char* method, const char* path,
                             const char* body) {
            const auto token =
                *security::create_token({.subject = role}, *security::TokenKey::secret(secret));
            return broker.rest(method, path, body, {{"authorization", "Bearer " + token}}).status;
        };
        for (const char* pattern : {"ann*", "*ben"}) {
            const std::string path = str_cat("/admin/v2/namespaces/public/default/permissions/", pattern);
            EXPECT_EQ(ask("admin", "POST", path.c_str(), R"(["consume"])"), 204);
        }
        for (const char* role : {"anna", "reuben"})
            EXPECT_EQ(ask(role, "GET", "/admin/v2/persistent/public/default", ""), wildcards ? 200 : 403)
                << role;
        EXPECT_EQ(ask("joan", "GET", "/admin/v2/persistent/public/default", ""), 403);
    }
}

}  // namespace
}  // namespace weft::broker
