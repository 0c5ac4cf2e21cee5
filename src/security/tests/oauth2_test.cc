#include "security/oauth2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>
#include <vector>

#include "base/testing/temporary_directory.h"
#include "security/credentials.h"
#include "security/detail/token_refresher.h"

namespace weft::security {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kInPlace =
    R"({"issuerUrl": "https://issuer/x/", "client_id": "me", "client_secret": "s3cret", "audience": "a b"})";

// An issuer without a network: it answers from a script, and keeps what it was asked.
struct FakeIssuer {
    int discovery_status = 200, token_status = 200;
    std::string endpoint = "https://issuer/token";
    std::string answer = R"({"access_token": "t1", "token_type": "Bearer", "expires_in": 100})";
    std::vector<HttpQuestion> asked = {};

    HttpExchange exchange() {
        return [this](const HttpQuestion& question, Deadline) -> Result<HttpAnswer> {
            asked.push_back(question);
            if (question.form.empty())
                return HttpAnswer{discovery_status, R"({"token_endpoint": ")" + endpoint + R"("})"};
            return HttpAnswer{token_status, answer};
        };
    }
    Result<Grant> ask(std::string_view parameters = kInPlace) {
        return ask_for_token(*OAuth2Settings::parse(parameters), nullptr, exchange());
    }
};

std::string message_of(std::string_view parameters) {
    const auto parsed = OAuth2Settings::parse(parameters);
    return parsed ? "" : parsed.error().message;
}

TEST(OAuth2Settings, takes_the_words_of_each_client) {
    for (const std::string_view parameters :
         {R"({"type": "client_credentials", "issuerUrl": "http://i", "privateKey": "file:///k",
              "audience": "a", "scope": "s"})",
          R"({"issuer_url": "http://i/", "private_key": "/k", "audience": "a", "scope": "s"})"}) {
        const auto parsed = OAuth2Settings::parse(parameters);
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_EQ(parsed->issuer_url, "http://i");
        EXPECT_EQ(parsed->key_file, "/k");
        EXPECT_EQ(parsed->audience, "a");
        EXPECT_EQ(parsed->scope, "s");
        EXPECT_EQ(parsed->java_parameters(),
                  R"({"audience":"a","issuerUrl":"http://i","privateKey":"file:///k","scope":"s",)"
                  R"("type":"client_credentials"})");
    }
    const auto data = OAuth2Settings::parse(
        R"({"issuerUrl": "http://i", "connectTimeout": "PT1M", "readTimeout": "PT0.5S", "privateKey":
            "data:application/json;base64,eyJjbGllbnRfaWQiOiAibWUiLCAiY2xpZW50X3NlY3JldCI6ICJzIn0="})");
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_EQ(data->client()->id, "me");
    EXPECT_EQ(data->client()->secret, "s");
    EXPECT_EQ(data->connect_timeout, 1min);
    EXPECT_EQ(data->read_timeout, 500ms);
    EXPECT_THAT(data->java_parameters(), HasSubstr(R"("connectTimeout":"PT60S")"));
}

TEST(OAuth2Settings, refuses_by_name_and_keeps_the_secret) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", "JSON object"},
        {"token:s3cret", "JSON object"},
        {R"({"privateKey": "file:///k"})", "issuerUrl"},
        {R"({"issuerUrl": "ftp://i", "privateKey": "file:///k"})", "issuerUrl=ftp://i"},
        {R"({"issuerUrl": "http://i"})", "privateKey"},
        {R"({"issuerUrl": "http://i", "privateKey": "https://s3cret"})", "privateKey"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:s3cret"})", "privateKey"},
        {R"({"issuerUrl": "http://i", "privateKey": "data:application/json;base64,s3cret!"})", "privateKey"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:///k", "client_secret": "s3cret"})", "not both"},
        {R"({"issuerUrl": "http://i", "client_id": "me"})", "privateKey"},
        {R"({"issuerUrl": "http://i", "issuer_url": "http://j", "privateKey": "/k"})", "two names"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:///k", "type": "password"})", "type=password"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:///k", "readTimeout": "5"})", "readTimeout=5"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:///k", "tokenEndpointAuthMethod": "s3cret"})",
         "tokenEndpointAuthMethod"},
        {R"({"issuerUrl": "http://i", "privateKey": "file:///k", "audience": 1})", "audience"},
    };
    for (const auto& [parameters, named] : cases) {
        EXPECT_THAT(message_of(parameters), HasSubstr(named)) << parameters;
        EXPECT_THAT(message_of(parameters), Not(HasSubstr("s3cret"))) << parameters;
    }
}

TEST(OAuth2, asks_the_endpoint_that_the_issuer_names) {
    FakeIssuer issuer;
    const auto grant = issuer.ask();
    ASSERT_TRUE(grant) << grant.error().message;
    EXPECT_EQ(grant->token, "t1");
    EXPECT_EQ(grant->lifetime, 100s);
    ASSERT_EQ(issuer.asked.size(), 2U);
    EXPECT_EQ(issuer.asked[0].url, "https://issuer/x/.well-known/openid-configuration");
    EXPECT_EQ(issuer.asked[1].url, "https://issuer/token");
    const std::map<std::string, std::string> form = {{"grant_type", "client_credentials"},
                                                     {"client_id", "me"},
                                                     {"client_secret", "s3cret"},
                                                     {"audience", "a b"}};
    EXPECT_EQ(issuer.asked[1].form, form);
}

TEST(OAuth2, reads_the_key_file_each_time) {
    const TemporaryDirectory temporary;
    const std::string file = temporary.path() + "/key.json";
    const std::string parameters =
        R"({"issuerUrl": "https://issuer", "privateKey": "file://)" + file + R"("})";
    const auto settings = OAuth2Settings::parse(parameters);
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->client().error().code, ErrorCode::unavailable);
    std::ofstream(file) << R"({"client_id": "me", "client_secret": "first"})";
    EXPECT_EQ(settings->client()->secret, "first");
    std::ofstream(file) << R"({"client_id": "me", "client_secret": "second"})";
    EXPECT_EQ(settings->client()->secret, "second");
    std::ofstream(file) << R"({"client_id": "me"})";
    EXPECT_THAT(settings->client().error().message, HasSubstr(file));
    EXPECT_EQ(Credentials::create("oauth2", parameters).error().code, ErrorCode::unavailable);
}

TEST(OAuth2, says_why_there_is_no_token) {
    FakeIssuer issuer;
    issuer.token_status = 401;
    issuer.answer = R"({"error": "invalid_client", "error_description": "who\nis that"})";
    EXPECT_EQ(
        issuer.ask().error(),
        (Error{ErrorCode::unauthorized,
               "no token of https://issuer/x: it answers 401 (invalid_client: who?is that): look at the "
               "key file's id and secret"}));
    issuer.answer = R"({"error": "invalid_client", "error_description": "not s3cret"})";
    EXPECT_THAT(issuer.ask().error().message, Not(HasSubstr("s3cret")));
    issuer.token_status = 503;
    EXPECT_EQ(issuer.ask().error().code, ErrorCode::unavailable);
    issuer.token_status = 200;
    for (const char* const answer :
         {"", "[]", R"({"expires_in": 1})", R"({"access_token": "a\nb"})",
          R"({"access_token": "a", "expires_in": 0})", R"({"access_token": "a", "expires_in": -5})"}) {
        issuer.answer = answer;
        EXPECT_EQ(issuer.ask().error().code, ErrorCode::unavailable) << answer;
    }
    issuer.endpoint = "http://issuer/token";  // the secret would go in clear
    EXPECT_THAT(issuer.ask().error().message, HasSubstr("not encrypted"));
    issuer.discovery_status = 404;
    EXPECT_THAT(issuer.ask().error().message, HasSubstr("answers 404"));
}

TEST(OAuth2, takes_the_end_that_the_token_itself_has) {
    FakeIssuer issuer;
    issuer.answer = R"({"access_token": "t"})";
    EXPECT_EQ(issuer.ask()->lifetime, 5min);
    issuer.answer = R"({"access_token": "t", "expires_in": "60"})";
    EXPECT_EQ(issuer.ask()->lifetime, 60s);
    issuer.answer = R"({"access_token": "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.x"})";  // 2100
    EXPECT_GT(issuer.ask()->lifetime, 24h);
    issuer.answer = R"({"access_token": "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.x"})";
    EXPECT_THAT(issuer.ask().error().message, HasSubstr("is over"));
}

// ---- when the issuer is asked again

constexpr SteadyTime kStart = SteadyTime() + 1h;
const Error kDown{ErrorCode::unavailable, "down"};

TEST(TokenLife, asks_at_nine_tenths_and_shows_the_old_one_until_its_end) {
    TokenLife life(1);
    EXPECT_LE(life.next_ask(), kStart);
    EXPECT_TRUE(life.pending(kStart));
    EXPECT_FALSE(life.token(kStart));
    life.granted({"a", 100s}, kStart);
    EXPECT_FALSE(life.pending(kStart + 99s));
    EXPECT_EQ(life.next_ask(), kStart + 90s);
    EXPECT_EQ(life.token(kStart + 99s), "a");
    EXPECT_TRUE(life.pending(kStart + 100s)) << "the question at 90 s is under way";
    EXPECT_FALSE(life.token(kStart + 100s));
    life.granted({"b", 10ms}, kStart + 100s);
    EXPECT_EQ(life.next_ask(), kStart + 100s + 500ms) << "an issuer is not flooded";
}

TEST(TokenLife, pauses_longer_after_each_failure) {
    TokenLife life(7);
    life.granted({"a", 10s}, kStart);
    SteadyTime now = kStart + 9s;
    Duration last{};
    for (int i = 0; i < 40; ++i) {
        life.failed(kDown, now);
        const Duration pause = life.next_ask() - now;
        EXPECT_GE(pause, 100ms * 5 / 8);
        EXPECT_LE(pause, 30s);
        if (i == 0) EXPECT_EQ(life.token(now), "a") << "it is good for a second more";
        last = pause;
        now = life.next_ask();
    }
    EXPECT_GE(last, 30s * 5 / 8);
    EXPECT_EQ(life.token(now).error(), kDown);
    EXPECT_FALSE(life.pending(now)) << "who asks gets the cause, not a wait";
    life.granted({"b", 100s}, now);
    EXPECT_EQ(life.token(now), "b");
    life.failed(kDown, now + 90s);
    EXPECT_LE(life.next_ask(), now + 90s + 100ms) << "the pauses begin anew";
}

TEST(TokenLife, asks_at_once_when_its_token_is_refused_but_not_in_a_circle) {
    TokenLife life(1);
    life.refused("", kStart);
    life.granted({"a", 100s}, kStart);
    life.refused("of before", kStart + 5s);
    EXPECT_FALSE(life.pending(kStart + 5s));
    life.refused("a", kStart + 5s);
    EXPECT_TRUE(life.pending(kStart + 5s));
    EXPECT_EQ(life.next_ask(), kStart + 5s);
    life.granted({"a", 100s}, kStart + 5s);  // an issuer may give the same again
    life.refused("a", kStart + 5s + 100ms);
    EXPECT_EQ(life.next_ask(), kStart + 6s);
    life.failed(kDown, kStart + 6s);
    EXPECT_FALSE(life.pending(kStart + 6s));
    EXPECT_EQ(life.token(kStart + 6s), "a");
}

// ---- the thread

TEST(Credentials, of_an_issuer_are_tokens) {
    FakeIssuer issuer;
    const auto made = Credentials::create(kOAuth2Plugin, kInPlace, issuer.exchange());
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ((*made)->method(), "token");
    EXPECT_EQ((*made)->authorization(), "Bearer t1");
    EXPECT_EQ((*made)->data(), "t1");
    EXPECT_FALSE((*made)->pending());
    EXPECT_TRUE(is_oauth2("AuthenticationOAuth2"));
    EXPECT_FALSE(is_oauth2("AuthenticationToken"));
}

TEST(TokenRefresher, renews_what_was_refused_and_shows_failures_at_once) {
    std::atomic<int> asked = 0;
    std::promise<void> fourth;
    TokenRefresher refresher(
        [&]() -> Result<Grant> {
            const int count = ++asked;
            if (count == 4) fourth.set_value();
            if (count == 3) return std::unexpected(kDown);
            return Grant{"t" + std::to_string(count), count == 2 ? Duration(600ms) : Duration(1h)};
        },
        "issuer");
    EXPECT_EQ(asked, 0) << "nobody is asked before a token is needed";
    EXPECT_EQ(refresher.token(Deadline::never()), "t1");
    refresher.refused("t1");
    EXPECT_EQ(refresher.token(Deadline::never()), "t2");
    // It is asked for anew before its 600 ms are over, in vain once, and then with success.
    const Deadline limit = Deadline::after(20s);
    ASSERT_EQ(fourth.get_future().wait_until(limit.time()), std::future_status::ready);
    while (refresher.token(limit) != "t4" && !limit.passed()) std::this_thread::yield();
    EXPECT_EQ(refresher.token(limit), "t4");
}

}  // namespace
}  // namespace weft::security
