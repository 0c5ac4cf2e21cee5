// Who may do what over the worker's REST: the rules of Pulsar's worker, for every route that there is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/testing/temporary_directory.h"
#include "worker/functions_api.h"
#include "worker/testing/fake_world.h"

namespace weft::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The header is the role; "lapsed" stands for a token that is over.
class FakeAuthenticator final : public security::Authenticator {
  public:
    Result<security::Caller> authenticate(std::string_view, std::string_view,
                                          const std::string&) const override {
        return fail(ErrorCode::unauthorized, "not over HTTP");
    }
    Result<security::Caller> authenticate_http(std::string_view authorization,
                                               const std::string& certificate_name) const override {
        if (authorization == "lapsed") return fail(ErrorCode::unauthorized, "the token has expired");
        const std::string role = authorization.empty() ? certificate_name : std::string(authorization);
        if (role.empty()) return fail(ErrorCode::unauthorized, "authentication is required");
        return security::Caller{role, 0};
    }
};

class RestGuardTest : public ::testing::Test {
  protected:
    RestGuardTest() {
        admin.rights.tenant_admins = {"tenant-admin", "proxy"};
        admin.rights.granted = {{"fn", {"functions"}},
                                {"src", {"sources"}},
                                {"snk", {"sinks"}},
                                {"pkg", {"packages"}},
                                {"client", {"produce", "consume"}}};
        access.authenticator = std::make_shared<FakeAuthenticator>();
        access.authorization = true;
        access.super_users = {"root"};
        access.proxy_roles = {"proxy", "other-proxy"};
    }
    RestGuard& guard() {
        if (!guard_) {
            guard_ = std::make_unique<RestGuard>(
                access, *AuditLog::open(audit_file), [this] { return reachable ? &admin : nullptr; },
                [this] { return now; });
            add_function_routes(router, [] { return nullptr; }, guard_.get());
        }
        return *guard_;
    }
    /// The status; of a worker that is not ready, so that nothing but the guard says 401.
    int ask(std::string route, const std::string& role, const std::string& original = "",
            const std::string& query_path = "") {
        guard();
        http::Request request;
        const auto blank = route.find(' ');
        request.method = route.substr(0, blank);
        for (const char c : route.substr(blank + 1)) {
            if (c != '{' && c != '}') request.path.push_back(c);
        }
        request.raw_path = request.path;
        if (!role.empty()) request.headers["authorization"] = role;
        if (!original.empty()) request.headers["x-original-principal"] = original;
        if (!query_path.empty()) request.query["path"] = query_path;
        request.remote_address = from;
        auto answer = router.handle(request);
        body = answer.body;
        return answer.status;
    }
    bool may(const std::string& route, const std::string& role, const std::string& original = "",
             const std::string& query_path = "") {
        return ask(route, role, original, query_path) != 401;
    }

    testing::FakeTopics topics;
    testing::FakeAdmin admin{topics};
    RestAccess access;
    http::Router router;
    std::string audit_file, body, from = "192.0.2.1:5";
    bool reachable = true;
    SteadyTime now = steady_now();

  private:
    std::unique_ptr<RestGuard> guard_;
};

/// Reference section 10, by path: which of the roles may, besides super users. A path that no line is about
/// fails the test: a new route needs its rule here too.
std::optional<std::string> rule_by_the_book(const std::string& route) {
    const std::string path = route.substr(route.find(' ') + 1);
    const auto has = [&](std::string_view text) { return path.find(text) != std::string::npos; };
    if (path == "/metrics" || path == "/initialized" || path == "/version") return "known";
    if (path == "/admin/openapi.json") return "known";
    if (path.ends_with("/worker/cluster/leader/ready")) return "known";
    if (has("/worker/") || has("/worker-stats/")) return "root";
    if (path.starts_with("/admin/v3/packages/{type}/{tenant}/{namespace}")) return "pkg";
    if (has("/builtinsources") || has("/builtinsinks")) return "known";
    if (has("/reloadBuiltIn") || has("/functions/builtins") || path.ends_with("/functions/upload"))
        return "root";
    if (has("/functions/leader/")) return "root";
    if (path.ends_with("/functions/connectors")) return "known";
    if (path.ends_with("/functions/download")) return "root";  // with a path of that form: see below
    if (!has("/{tenant}/{namespace}")) return std::nullopt;
    if (path.starts_with("/admin/v3/source")) return "src";
    if (path.starts_with("/admin/v3/sink")) return "snk";
    if (path.starts_with("/admin/v3/functions/") || path.starts_with("/admin/v2/functions/") ||
        path.starts_with("/admin/functions/"))
        return "fn";
    return std::nullopt;
}

TEST_F(RestGuardTest, each_route_is_for_whom_pulsar_lets_it_be) {
    guard();
    const std::vector<std::string> granted = {"fn", "src", "snk", "pkg"};
    std::map<std::string, int> routes;
    for (const auto& route : router.routes()) {
        const auto rule = rule_by_the_book(route);
        ASSERT_TRUE(rule) << route << " has no rule: say in rule_by_the_book() who may";
        ++routes[*rule];
        EXPECT_FALSE(may(route, "")) << route;
        EXPECT_THAT(body, HasSubstr("Authentication required")) << route;
        EXPECT_FALSE(may(route, "lapsed")) << route;
        EXPECT_TRUE(may(route, "root")) << route;
        EXPECT_EQ(may(route, "stranger"), *rule == "known") << route;
        EXPECT_EQ(may(route, "client"), *rule == "known") << route;
        EXPECT_EQ(may(route, "tenant-admin"), *rule != "root") << route;
        for (const auto& role : granted)
            EXPECT_EQ(may(route, role), *rule == "known" || *rule == role) << route << ' ' << role;
        if (*rule == "known") continue;
        EXPECT_EQ(ask(route, "stranger"), 401) << route;
        EXPECT_THAT(body, HasSubstr("Client is not authorized to perform operation")) << route;
        EXPECT_FALSE(may(route, "proxy")) << route;
        EXPECT_FALSE(may(route, "proxy", "stranger")) << route;
        EXPECT_FALSE(may(route, "proxy", "other-proxy")) << route;
        EXPECT_FALSE(may(route, "other-proxy", "root")) << route << ": a proxy needs the right too";
        EXPECT_EQ(may(route, "proxy", "root"), *rule != "root") << route;
        EXPECT_FALSE(may(route, "stranger", "root")) << route;
        EXPECT_FALSE(may(route, "root", "stranger")) << route << ": not a proxy";
        EXPECT_TRUE(may(route, "root", "root")) << route;
    }
    for (const auto rule : {"known", "root", "fn", "src", "snk", "pkg"}) EXPECT_GE(routes[rule], 7) << rule;
}

TEST_F(RestGuardTest, without_authorization_who_is_known_may) {
    access.authorization = false;
    EXPECT_TRUE(may("PUT /admin/v2/worker/drain", "stranger"));
    EXPECT_FALSE(may("PUT /admin/v2/worker/drain", ""));
    EXPECT_EQ(admin.rights_asked, 0);
}

TEST_F(RestGuardTest, without_authentication_everybody_may) {
    access = {};
    EXPECT_TRUE(may("PUT /admin/v2/worker/drain", ""));
}

TEST_F(RestGuardTest, pages_may_be_for_everybody) {
    access.ask_on_pages = false;
    EXPECT_TRUE(may("GET /metrics", ""));
    EXPECT_TRUE(may("GET /initialized", ""));
    EXPECT_FALSE(may("GET /admin/openapi.json", ""));
}

TEST_F(RestGuardTest, an_upload_belongs_to_the_namespace_in_its_path) {
    const std::string route = "GET /admin/v3/functions/download";
    EXPECT_TRUE(may(route, "fn", "", "tenant/namespace/name/file.jar"));
    for (const auto path : {"tenant/namespace/file.jar", "a/tenant/namespace/name/file.jar",
                            "//name/file.jar", "weft-package://digest", "function://tenant/namespace/name@1"})
        EXPECT_FALSE(may(route, "fn", "", path)) << path;
    EXPECT_FALSE(may(route, "src", "", "tenant/namespace/name/file.jar"));
}

TEST_F(RestGuardTest, a_cluster_that_cannot_be_asked_allows_nothing_and_says_so) {
    const std::string route = "GET /admin/v3/functions/{tenant}/{namespace}";
    admin.rights_unknown = true;
    EXPECT_EQ(ask(route, "fn"), 503);
    EXPECT_THAT(body, HasSubstr("the cluster can't be asked for rights in tenant/namespace"));
    EXPECT_EQ(ask(route, "root"), 503);  // the worker that is not ready: it passed the guard
    EXPECT_THAT(body, HasSubstr("not done initializing"));
    reachable = false;
    EXPECT_EQ(ask(route, "fn"), 503);
}

TEST_F(RestGuardTest, rights_are_believed_for_a_while_and_a_no_for_a_moment) {
    const std::string route = "GET /admin/v3/functions/{tenant}/{namespace}";
    EXPECT_TRUE(may(route, "fn"));
    EXPECT_TRUE(may(route, "fn"));
    EXPECT_EQ(admin.rights_asked, 1);
    EXPECT_FALSE(may(route, "new"));
    EXPECT_EQ(admin.rights_asked, 1);
    admin.rights.granted = {{"new", {"functions"}}};
    now += RestGuard::kNoBelieved;
    EXPECT_TRUE(may(route, "new"));
    EXPECT_EQ(admin.rights_asked, 2);
    EXPECT_FALSE(may(route, "fn"));
    admin.rights.granted = {};
    EXPECT_TRUE(may(route, "new"));
    admin.rights_unknown = true;
    now += RestGuard::kBelieved;
    EXPECT_EQ(ask(route, "new"), 503);
    static_assert(RestGuard::kBelieved <= 30s);
}

std::string text_of(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
    std::istringstream lines(text_of(file));
    std::vector<nlohmann::json> said;
    for (std::string line; std::getline(lines, line);) said.push_back(nlohmann::json::parse(line));
    return said;
}

TEST_F(RestGuardTest, strangers_fill_no_audit_log_and_those_who_are_known_are_all_in_it) {
    const TemporaryDirectory temporary;
    audit_file = std::filesystem::path(temporary.path()) / "audit.log";
    const std::string route = "GET /admin/v3/functions/{tenant}/{namespace}";
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(route, "lapsed"), 401);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(route, "client"), 401);
    for (int i = 0; i < 3; ++i) EXPECT_NE(ask(route, "fn"), 401);
    from = "192.0.2.2:5";
    EXPECT_EQ(ask(route, ""), 401);
    now += RestGuard::kStrangersEvery;
    from = "192.0.2.1:6";
    EXPECT_EQ(ask(route, "lapsed"), 401);
    const auto said = lines_of(audit_file);
    ASSERT_EQ(said.size(), 9U);
    EXPECT_EQ(said.front()["from"], "192.0.2.1:5");
    EXPECT_FALSE(said.front().contains("notLogged"));
    for (const std::string role : {"client", "fn"})
        EXPECT_EQ(std::ranges::count_if(said, [&](const auto& line) { return line["role"] == role; }), 3);
    EXPECT_EQ(said[7]["from"], "192.0.2.2:5");
    EXPECT_EQ(said[8]["notLogged"], 99);
    EXPECT_EQ(said[8]["why"], "the token has expired");
}

TEST_F(RestGuardTest, the_audit_has_a_line_for_each_decision_and_outlives_a_rotation) {
    namespace fs = std::filesystem;
    const TemporaryDirectory temporary;
    const fs::path folder = temporary.path();
    audit_file = folder / "audit.log";
    ask("DELETE /admin/v3/functions/{tenant}/{namespace}/{name}", "stranger");
    ask("GET /admin/v3/functions/{tenant}/{namespace}", "lapsed");
    ask("GET /admin/v3/functions/{tenant}/{namespace}", "proxy", "fn");
    const auto said = lines_of(audit_file);
    ASSERT_EQ(said.size(), 3U);
    EXPECT_EQ(said[0]["allowed"], false);
    EXPECT_EQ(said[0]["role"], "stranger");
    EXPECT_EQ(said[0]["method"], "DELETE");
    EXPECT_EQ(said[0]["path"], "/admin/v3/functions/tenant/namespace/name");
    EXPECT_EQ(said[0]["from"], "192.0.2.1:5");
    EXPECT_THAT(said[0]["why"].get<std::string>(), HasSubstr("not granted functions"));
    EXPECT_EQ(said[1]["role"], "");
    EXPECT_EQ(said[1]["why"], "the token has expired");
    EXPECT_EQ(said[2]["allowed"], true);
    EXPECT_EQ(said[2]["originalPrincipal"], "fn");
    EXPECT_THAT(text_of(audit_file), Not(HasSubstr("lapsed")));  // what was shown as a token
    fs::rename(audit_file, folder / "audit.log.1");
    ask("GET /version", "root");
    EXPECT_THAT(text_of(audit_file), HasSubstr("/version"));
    EXPECT_EQ(fs::status(audit_file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_FALSE(AuditLog::open("/nowhere/audit.log"));
}

}  // namespace
}  // namespace weft::worker
