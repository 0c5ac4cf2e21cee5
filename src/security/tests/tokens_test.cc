#include "security/tokens.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"

namespace weft::security {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

// From RFC 7515, appendix A.1.
constexpr std::string_view kRfcKey =
    "data:;base64,AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
constexpr std::string_view kRfcToken =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

TokenKey secret_key() { return *TokenKey::secret(*new_secret("HS256")); }

TEST(Tokens, TakesTheOneOfTheRfc) {
    const auto key = TokenKey::secret(*read_key(kRfcKey));
    ASSERT_TRUE(key);
    const auto token = validate_token(kRfcToken, *key, 1'300'819'379);
    ASSERT_TRUE(token) << token.error().message;
    EXPECT_EQ(token->subject, "");
    EXPECT_NE(token->claims.find("joe"), std::string::npos);
    EXPECT_EQ(validate_token(kRfcToken, *key, 1'300'819'380).error().code, ErrorCode::unauthorized);
}

TEST(Tokens, ComeBackFromEachKindOfKey) {
    for (const char* algorithm : {"HS256", "HS384", "HS512"}) {
        const auto key = TokenKey::secret(*new_secret(algorithm));
        ASSERT_TRUE(key);
        EXPECT_EQ(key->algorithm(), algorithm);
        const auto text = create_token({.subject = "ann", .expires_at_seconds = kNow + 1}, *key);
        EXPECT_EQ(validate_token(*text, *key, kNow)->subject, "ann");
        EXPECT_EQ(validate_token(*text, secret_key(), kNow).error().code, ErrorCode::unauthorized);
    }
    for (const char* algorithm : {"RS256", "ES256", "ES384", "ES512"}) {
        const auto pair = new_key_pair(algorithm), other = new_key_pair(algorithm);
        const auto own = TokenKey::private_key(pair->private_key);
        const auto known = TokenKey::public_key(pair->public_key);
        ASSERT_TRUE(own && known) << algorithm;
        EXPECT_EQ(known->algorithm(), algorithm);
        const auto text = create_token({.subject = "ann", .headers = {{"kid", "7"}}}, *own);
        const auto token = validate_token(*text, *known, kNow);
        ASSERT_TRUE(token) << token.error().message;
        EXPECT_EQ(token->header, std::string(R"({"alg":")") + algorithm + R"(","kid":"7"})");
        EXPECT_FALSE(validate_token(*text, *TokenKey::public_key(other->public_key), kNow));
        EXPECT_FALSE(create_token({.subject = "ann"}, *known));
    }
}

TEST(Tokens, AreNotTakenWhenChangedOrOutOfTime) {
    const TokenKey key = secret_key();
    const auto text = *create_token({.subject = "ann", .expires_at_seconds = kNow + 10}, key);
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string changed = text;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        // The last character of a part has bits that mean nothing.
        if (at + 1 == text.size() || text[at] == '.' || text[at + 1] == '.') continue;
        if (changed != text) EXPECT_FALSE(validate_token(changed, key, kNow)) << at;
    }
    EXPECT_FALSE(validate_token(text, key, kNow + 10));
    EXPECT_TRUE(validate_token(text, key, kNow + 9));
}

TEST(Tokens, WithoutASignatureOrOfAnotherKindAreNone) {
    const auto pair = *new_key_pair("RS256");
    const auto key = *TokenKey::public_key(pair.public_key);
    // Signed with the public key as a secret: what a careless checker takes.
    const auto forged = *create_token({.subject = "admin"}, *TokenKey::secret(pair.public_key));
    EXPECT_FALSE(validate_token(forged, key, kNow));
    EXPECT_FALSE(validate_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", key, kNow));
    EXPECT_FALSE(validate_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", secret_key(), kNow));
    for (const char* text :
         {"", ".", "..", "a.b.c", "e30.e30", "e30.e30.e30.e30", "!.!.!", "bnVsbA.bnVsbA.x"})
        EXPECT_FALSE(validate_token(text, secret_key(), kNow)) << text;
}

TEST(Keys, AreReadInEachForm) {
    const TemporaryDirectory temporary;
    const std::string path = temporary.path() + "/a.key";
    std::ofstream(path, std::ios::binary) << "some bytes";
    for (const std::string& setting :
         {"file://" + path, "file:" + path, path, std::string("data:;base64,c29tZSBieXRlcw=="),
          std::string("c29tZSBieXRlcw==")})
        EXPECT_EQ(read_key(setting), "some bytes") << setting;
    for (const char* bad : {"", "file:///nowhere/key", "data:abc", "data:;base64,!!", "no key!"})
        EXPECT_EQ(read_key(bad).error().code, ErrorCode::invalid_argument) << bad;
    EXPECT_FALSE(TokenKey::secret("too short"));
    EXPECT_FALSE(TokenKey::public_key("no key"));
    EXPECT_FALSE(TokenKey::private_key("no key"));
    EXPECT_FALSE(new_secret("RS256"));
    EXPECT_FALSE(new_key_pair("HS256"));
}

}  // namespace
}  // namespace weft::security
