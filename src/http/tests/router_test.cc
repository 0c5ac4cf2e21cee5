#include <gtest/gtest.h>

#include <stdexcept>

#include "http/client.h"
#include "http/server.h"

namespace weft::http {
namespace {

Handler says(std::string name) {
    return [name = std::move(name)](const Request& request) {
        std::string text = name;
        for (const auto& [key, value] : request.params) str_append(text, ' ', key, '=', value);
        return Response::text(text);
    };
}

class RouterTest : public testing::Test {
  protected:
    Response ask(std::string_view method, std::string_view path) const {
        Request request;
        request.method = method;
        request.path = request.raw_path = path;
        return router.handle(request);
    }
    Router router;
};

TEST_F(RouterTest, parameters_are_decoded_and_an_escaped_slash_is_none) {
    router.add("GET", "/admin/{tenant}/{name}", says("get"));
    EXPECT_EQ(ask("GET", "/admin/a%20b/c%2Fd").body, "get name=c/d tenant=a b");
    EXPECT_EQ(ask("GET", "/admin/a/b/").body, "get name=b tenant=a");
    EXPECT_EQ(ask("GET", "/admin/a/b/c").status, 404);
    EXPECT_EQ(ask("GET", "/admin/a").status, 404);
    EXPECT_EQ(ask("GET", "/admin/a/%zz").status, 400);
    EXPECT_EQ(ask("GET", "/admin/a/%00").status, 400);
    EXPECT_EQ(ask("GET", "/admin/a/%4").status, 400);
}

TEST_F(RouterTest, a_literal_wins_over_a_parameter_and_a_parameter_over_the_rest) {
    router.add("GET", "/a/{rest...}", says("rest"));
    router.add("GET", "/a/{x}/stats", says("x"));
    router.add("GET", "/a/b/{y}", says("y"));
    EXPECT_EQ(ask("GET", "/a/b/stats").body, "y y=stats");
    EXPECT_EQ(ask("GET", "/a/c/stats").body, "x x=c");
    EXPECT_EQ(ask("GET", "/a/c/d/e").body, "rest rest=c/d/e");
    EXPECT_EQ(ask("GET", "/a").body, "rest rest=");
}

TEST_F(RouterTest, an_unknown_method_is_told_the_allowed_ones) {
    router.add("GET", "/a/{x}", says("get"));
    router.add("PUT", "/a/{x}", says("put"));
    const auto answer = ask("DELETE", "/a/b");
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers.at("Allow"), "GET, PUT");
    EXPECT_EQ(ask("HEAD", "/a/b").status, 200);
    EXPECT_EQ(ask("POST", "/nowhere").body,
              R"({"reason":"no such path: /nowhere: see docs/compatibility.md for those that are served"})");
}

TEST_F(RouterTest, a_method_is_found_on_the_less_specific_of_two_paths) {
    router.add("POST", "/a/b", says("literal"));
    router.add("GET", "/a/{x}", says("parameter"));
    EXPECT_EQ(ask("GET", "/a/b").body, "parameter x=b");
}

TEST_F(RouterTest, a_handler_that_throws_costs_one_answer) {
    router.add("GET", "/", [](const Request&) -> Response { throw std::runtime_error("oh \"no\""); });
    EXPECT_EQ(ask("GET", "/").status, 500);
    EXPECT_EQ(ask("GET", "/").body, R"({"reason":"internal error: oh \"no\""})");
}

TEST(ResponseTest, errors_have_the_status_of_their_code_and_valid_json) {
    const auto answer = Response::error(Error{ErrorCode::not_found, "no \xff topic"});
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, "{\"reason\":\"no \xEF\xBF\xBD topic\"}");
}

TEST(UrlTest, encodes_all_but_the_unreserved) {
    EXPECT_EQ(url_encode("a-b_c.d~e/f g%\xc3\xa4"), "a-b_c.d~e%2Ff%20g%25%C3%A4");
}

}  // namespace
}  // namespace weft::http
