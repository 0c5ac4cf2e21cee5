#include "security/authentication.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/testing/temporary_directory.h"
#include "security/tokens.h"

namespace weft::security {
namespace {

const std::string kHash = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";  // of "secret", by openssl passwd -apr1

std::int64_t now_seconds() { return static_cast<std::int64_t>(wall_clock_ms() / 1000); }

class Authentication : public testing::Test {
  protected:
    std::string file(const std::string& name, const std::string& content) {
        const auto path = folder_ / name;
        std::filesystem::remove(path);
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    AuthenticationSettings tokens() {
        return {.enabled = true,
                .providers = {"org.apache.pulsar.broker.authentication.AuthenticationProviderToken"},
                .token_secret_key = "file://" + file("secret", secret_)};
    }
    static std::shared_ptr<Authenticator> made(const AuthenticationSettings& settings) {
        auto result = Authenticator::create(settings);
        EXPECT_TRUE(result) << result.error().message;
        return *result;
    }
    std::string token(const std::string& subject, std::int64_t expires = 0) const {
        return *create_token({.subject = subject, .expires_at_seconds = expires}, *TokenKey::secret(secret_));
    }

    const TemporaryDirectory temporary_;
    const std::filesystem::path folder_ = temporary_.path();
    const std::string secret_ = *new_secret("HS256");
};

std::string role(const Result<Caller>& caller) {
    return caller ? "role " + caller->role : "refused: " + caller.error().message;
}

TEST_F(Authentication, IsOffByDefault) {
    EXPECT_EQ(made({})->authenticate("token", "anything", ""), Caller{});
    EXPECT_EQ(made({})->authenticate_http("", ""), Caller{});
}

TEST_F(Authentication, TokensNameTheRoleAndTheirEnd) {
    const auto by_token = made(tokens());
    EXPECT_EQ(by_token->authenticate("token", token("ann"), ""), (Caller{"ann", 0}));
    const auto end = now_seconds() + 100;
    EXPECT_EQ(by_token->authenticate_http("Bearer " + token("ann", end), ""), (Caller{"ann", end}));
    EXPECT_EQ(by_token->authenticate_http("bearer " + token("ann"), ""), (Caller{"ann", 0}));
    for (const auto& text : {token("ann", now_seconds() - 1), token(""), std::string(), std::string("a.b.c"),
                             *create_token({.subject = "ann"}, *TokenKey::secret(*new_secret("HS256")))}) {
        EXPECT_EQ(by_token->authenticate("token", text, "").error().code, ErrorCode::unauthorized) << text;
        EXPECT_EQ(by_token->authenticate_http("Bearer " + text, "").error().code, ErrorCode::unauthorized);
    }
    for (const char* method : {"", "none", "tls", "basic", "sasl"})
        EXPECT_FALSE(by_token->authenticate(method, token("ann"), "ann")) << method;
    EXPECT_FALSE(by_token->authenticate_http("", "ann"));
    EXPECT_FALSE(by_token->authenticate_http("Basic YW5uOnNlY3JldA==", ""));
    const auto refusal = by_token->authenticate("token", token("ann", 5), "").error().message;
    EXPECT_EQ(refusal.find("ey"), std::string::npos) << refusal;
}

TEST_F(Authentication, AClockMayBeWrongAsFarAsIsSaid) {
    auto settings = tokens();
    settings.token_clock_skew_seconds = 60;
    EXPECT_TRUE(made(settings)->authenticate("token", token("ann", now_seconds() - 30), ""));
    EXPECT_FALSE(made(settings)->authenticate("token", token("ann", now_seconds() - 90), ""));
}

std::string signed_claims(const std::string& claims, const TokenKey& key) {
    const auto encoded = [](const std::string& text) {
        std::string out = base64(text);
        while (out.ends_with('=')) out.pop_back();
        std::ranges::replace(out, '+', '-');
        std::ranges::replace(out, '/', '_');
        return out;
    };
    const std::string text = encoded("{\"alg\":\"" + key.algorithm() + "\"}") + "." + encoded(claims);
    return text + "." + encoded(*key.sign(text));
}

TEST_F(Authentication, ClaimsOfTokensAreThoseOfTheSettings) {
    auto settings = tokens();
    settings.token_auth_claim = "roles";
    settings.token_audience_claim = "aud";
    settings.token_audience = "here";
    const auto strict = made(settings);
    const auto ask = [&](const std::string& claims) {
        return role(strict->authenticate("token", signed_claims(claims, *TokenKey::secret(secret_)), ""));
    };
    EXPECT_EQ(ask(R"({"sub":"x","roles":["ann","ben"],"aud":["there","here"]})"), "role ann");
    EXPECT_EQ(ask(R"({"roles":"ann","aud":"here"})"), "role ann");
    EXPECT_EQ(ask(R"({"sub":"ann","aud":"here"})"), "refused: the token's claim roles names no role");
    EXPECT_EQ(ask(R"({"roles":7,"aud":"here"})"), "refused: the token's claim roles names no role");
    for (const char* claims : {R"({"roles":"ann"})", R"({"roles":"ann","aud":"there"})",
                               R"({"roles":"ann","aud":{"x":"here"}})", R"({"roles":"ann","aud":null})"})
        EXPECT_EQ(ask(claims), "refused: the token's claim aud does not name the audience here") << claims;
    EXPECT_EQ(ask(R"({"roles":"ann","aud":"here","nbf":99999999999})").substr(0, 35),
              "refused: the token is not valid bef");
}

TEST_F(Authentication, AChangedKeyIsReadAgainAndABrokenOneIsNot) {
    const auto settings = tokens();
    const auto by_token = made(settings);
    const auto old = token("ann");
    ASSERT_TRUE(by_token->authenticate("token", old, ""));
    const auto other = *new_secret("HS512");
    file("secret", other);
    EXPECT_FALSE(by_token->authenticate("token", old, ""));
    const auto fresh = *create_token({.subject = "ann"}, *TokenKey::secret(other));
    EXPECT_TRUE(by_token->authenticate("token", fresh, ""));
    file("secret", "short");
    EXPECT_TRUE(by_token->authenticate("token", fresh, ""));
}

TEST_F(Authentication, PublicKeysFitTheirAlgorithm) {
    const auto pair = *new_key_pair("ES256");
    AuthenticationSettings settings{.enabled = true, .providers = {"AuthenticationProviderToken"}};
    settings.token_public_key = "data:;base64," + base64(pair.public_key);
    settings.token_public_alg = "ES256";
    const auto text = *create_token({.subject = "ann"}, *TokenKey::private_key(pair.private_key));
    EXPECT_EQ(made(settings)->authenticate("token", text, ""), (Caller{"ann", 0}));
    settings.token_public_alg = "RS256";
    const auto refusal = Authenticator::create(settings).error();
    EXPECT_EQ(refusal.code, ErrorCode::invalid_argument);
    EXPECT_NE(refusal.message.find("tokenPublicAlg=RS256"), std::string::npos) << refusal.message;
}

TEST_F(Authentication, CertificatesNameTheRole) {
    const auto by_certificate = made({.enabled = true, .providers = {"AuthenticationProviderTls"}});
    EXPECT_EQ(by_certificate->authenticate("tls", "", "ann"), (Caller{"ann", 0}));
    EXPECT_EQ(by_certificate->authenticate_http("", "ann"), (Caller{"ann", 0}));
    EXPECT_FALSE(by_certificate->authenticate("tls", "", ""));
    EXPECT_FALSE(by_certificate->authenticate("none", "", "ann"));
    EXPECT_FALSE(by_certificate->authenticate_http("", ""));
}

TEST_F(Authentication, PasswordsAreThoseOfHtpasswd) {
    AuthenticationSettings settings{.enabled = true, .providers = {"AuthenticationProviderBasic"}};
    settings.basic_file = file("users", "# users\nann:" + kHash + "\r\nben:abNANd1rDfiNc\n");
    const auto by_password = made(settings);
    EXPECT_EQ(by_password->authenticate("basic", "ann:secret", ""), (Caller{"ann", 0}));
    EXPECT_EQ(by_password->authenticate("basic", "ben:secret", ""), (Caller{"ben", 0}));
    EXPECT_EQ(by_password->authenticate_http("Basic YW5uOnNlY3JldA==", ""), (Caller{"ann", 0}));
    for (const char* data : {"ann:Secret", "ben:Secret", "eve:secret", "ann", ":secret", "", "ann:"})
        EXPECT_EQ(by_password->authenticate("basic", data, "").error().code, ErrorCode::unauthorized) << data;
    EXPECT_FALSE(by_password->authenticate_http("Basic !", ""));
    file("users", "ann:$apr1$1$.SJ2n3aUttj0Wo4HfJ.UY0\n");
    EXPECT_FALSE(by_password->authenticate("basic", "ann:secret", ""));
    EXPECT_TRUE(by_password->authenticate("basic", "ann:a much longer password than sixteen bytes", ""));
    settings.basic_file = "data:;base64," + base64("ann:" + kHash);
    EXPECT_TRUE(made(settings)->authenticate("basic", "ann:secret", ""));
}

TEST_F(Authentication, WhoSaysNothingIsAnonymousWhereThatIsARole) {
    auto settings = tokens();
    settings.anonymous_role = "guest";
    const auto open = made(settings);
    EXPECT_EQ(open->authenticate("none", "", ""), (Caller{"guest", 0}));
    EXPECT_EQ(open->authenticate_http("", ""), (Caller{"guest", 0}));
    EXPECT_FALSE(open->authenticate("token", "wrong", ""));
    EXPECT_FALSE(open->authenticate_http("Bearer wrong", ""));
}

TEST_F(Authentication, AServerKnowsItself) {
    const auto all = with_own_secret(made(tokens()), "a secret", "itself");
    EXPECT_EQ(all->authenticate("token", "a secret", ""), (Caller{"itself", 0}));
    EXPECT_EQ(all->authenticate_http("Bearer a secret", ""), (Caller{"itself", 0}));
    EXPECT_EQ(all->authenticate("token", token("ann"), ""), (Caller{"ann", 0}));
    EXPECT_FALSE(all->authenticate("token", token("itself"), ""));
    EXPECT_FALSE(all->authenticate_http("Bearer " + token("itself"), ""));
    EXPECT_FALSE(all->authenticate("basic", "a secret", ""));
    EXPECT_FALSE(all->authenticate("token", "a secre", ""));
    EXPECT_FALSE(all->authenticate("token", "", ""));
}

TEST_F(Authentication, SettingsThatCannotBeHonouredAreRefusedByName) {
    const auto refusal = [](const AuthenticationSettings& settings) {
        const auto result = Authenticator::create(settings);
        return result ? "taken" : str_cat(name_of(result.error().code), ": ", result.error().message);
    };
    const auto says = [&](const AuthenticationSettings& settings, std::string_view code,
                          std::string_view key) {
        const auto text = refusal(settings);
        EXPECT_TRUE(text.starts_with(code) && text.contains(key)) << text;
    };
    says({.enabled = true}, "invalid_argument", "authenticationProviders");
    says({.enabled = true, .providers = {"org.example.AuthenticationProviderSasl"}}, "not_supported",
         "org.example.AuthenticationProviderSasl");
    says({.enabled = true, .providers = {"AuthenticationProviderToken"}}, "invalid_argument",
         "tokenSecretKey");
    says({.enabled = true, .providers = {"AuthenticationProviderBasic"}}, "invalid_argument",
         "basicAuthConf");
    says({.enabled = true, .providers = {"AuthenticationProviderBasic"}, .basic_file = "/nowhere"},
         "invalid_argument", "basicAuthConf: can't read the password file /nowhere");
    says({.enabled = true,
          .providers = {"AuthenticationProviderBasic"},
          .basic_file = file("odd", "ann:$2y$05$abc\n")},
         "invalid_argument", "basicAuthConf: the password of user ann");
    auto settings = tokens();
    settings.token_audience = "here";
    says(settings, "invalid_argument", "tokenAudienceClaim");
    settings = tokens();
    settings.token_clock_skew_seconds = -1;
    says(settings, "invalid_argument", "tokenAllowedClockSkewSeconds=-1");
    settings.token_secret_key = "file:///nowhere";
    settings.token_clock_skew_seconds = 0;
    says(settings, "invalid_argument", "tokenSecretKey: can't read the key file /nowhere");
}

}  // namespace
}  // namespace weft::security
