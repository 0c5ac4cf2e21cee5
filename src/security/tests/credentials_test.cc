#include "security/credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"
#include "security/client_security.h"

namespace weft::security {
namespace {

class TokenFile : public ::testing::Test {
  protected:
    void write(const std::string& text) const { std::ofstream(path_) << text; }
    const TemporaryDirectory temporary_;
    const std::string path_ = temporary_.path() + "/token";
};

TEST(Credentials, TakesATokenInEachForm) {
    for (const char* parameters : {"token:abc", "abc", " abc\n", R"({"token": "abc"})"}) {
        const auto made =
            Credentials::create("org.apache.pulsar.client.impl.auth.AuthenticationToken", parameters);
        ASSERT_TRUE(made) << parameters;
        EXPECT_EQ((*made)->method(), "token");
        EXPECT_EQ((*made)->data(), "abc");
        EXPECT_EQ((*made)->authorization(), "Bearer abc");
    }
}

TEST_F(TokenFile, IsReadAgainAtEachUse) {
    write("first\n");
    const auto made = Credentials::create("token", "file://" + path_);
    ASSERT_TRUE(made);
    EXPECT_EQ((*made)->data(), "first");
    write("second");
    EXPECT_EQ((*made)->data(), "second");
    write("");
    EXPECT_EQ((*made)->data().error().code, ErrorCode::unavailable);
}

TEST(Credentials, KnowsBasicTlsAndNone) {
    const auto basic = Credentials::create("basic", R"({"userId": "ann", "password": "a:b"})");
    ASSERT_TRUE(basic);
    EXPECT_EQ((*basic)->data(), "ann:a:b");
    EXPECT_EQ((*basic)->authorization(), "Basic YW5uOmE6Yg==");
    for (const char* parameters : {"tlsCertFile:/c:1.pem, tlsKeyFile:/k.pem",
                                   R"({"tlsCertFile": "/c:1.pem", "tlsKeyFile": "/k.pem"})"}) {
        const auto tls = Credentials::create("AuthenticationTls", parameters);
        ASSERT_TRUE(tls) << parameters;
        EXPECT_EQ((*tls)->files(), (TlsFiles{"", "/c:1.pem", "/k.pem"}));
        EXPECT_EQ((*tls)->authorization(), "");
    }
    EXPECT_EQ((*Credentials::create("", "ignored"))->method(), "none");
}

TEST(Credentials, RefusesByNameAndKeepsTheSecret) {
    const auto sasl = Credentials::create("org.apache.pulsar.client.impl.auth.AuthenticationSasl", "s3cret");
    EXPECT_EQ(sasl.error().code, ErrorCode::not_supported);
    EXPECT_NE(sasl.error().message.find("AuthenticationSasl"), std::string::npos);
    for (const auto& [plugin, parameters] : {std::pair{"token", ""},
                                             {"token", "token:"},
                                             {"token", R"({"tokem": "s3cret"})"},
                                             {"token", "file:///no/s3cret/../file"},
                                             {"tls", "tlsCertFile:/s3cret"},
                                             {"basic", "ann:s3cret"},
                                             {"basic", R"({"password": "s3cret"})"}}) {
        const auto made = Credentials::create(plugin, parameters);
        ASSERT_FALSE(made) << plugin << ' ' << parameters;
        if (!std::string_view(parameters).starts_with("file:")) {
            EXPECT_EQ(made.error().message.find("s3cret"), std::string::npos) << made.error().message;
        }
    }
}

TEST(ClientSecurity, NeedsTlsWhereTheCertificateIsWhoWeAre) {
    const ClientSettings settings{
        .auth_plugin = "tls", .auth_params = "tlsCertFile:/c,tlsKeyFile:/k", .tls = {}};
    EXPECT_EQ(ClientSecurity::of(settings, "pulsar://a:1").error().code, ErrorCode::invalid_argument);
    const auto missing = ClientSecurity::of(settings, "pulsar+ssl://a:1");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("certificate /c"), std::string::npos) << missing.error().message;
    EXPECT_EQ(ClientSecurity::of({}, "http://a:1")->tls, nullptr);
}

}  // namespace
}  // namespace weft::security
