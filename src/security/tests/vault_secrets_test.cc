#include "security/vault_secrets.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/testing/temporary_directory.h"

namespace weft::security {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const SecretsOwner kOwner{"acme", "pay"};
constexpr std::string_view kDb = R"({"data": {"data": {"user": "u", "password": "p \"q\"", "port": 5432,
    "on": true, "deep": {"a": 1}, "none": null}, "metadata": {"version": 3}}})";

/// Vault without a network: answers from a script, and keeps what it was asked.
struct FakeVault {
    std::map<std::string, HttpAnswer> pages = {};  // by what follows "/v1/"
    HttpAnswer login = {200, R"({"auth": {"client_token": "t.1", "lease_duration": 100}})"};
    std::optional<Error> fails = {};
    std::string revoked = {};  // a token that it does not take
    std::vector<HttpQuestion> asked = {};
    std::vector<Duration> left = {};  // of each deadline

    HttpExchange exchange() {
        return [this](const HttpQuestion& question, Deadline deadline) -> Result<HttpAnswer> {
            asked.push_back(question);
            left.push_back(deadline.left());
            if (fails) return std::unexpected(*fails);
            const std::string path = question.url.substr(question.url.find("/v1/") + 4);
            if (path.ends_with("/login")) return login;
            if (question.headers.at("X-Vault-Token") == revoked) return HttpAnswer{403, "{}"};
            const auto found = pages.find(path);
            return found == pages.end() ? HttpAnswer{404, R"({"errors": []})"} : found->second;
        };
    }
    std::size_t logins() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            asked, [](const HttpQuestion& each) { return each.url.ends_with("/login"); }));
    }
};

class VaultSecrets : public ::testing::Test {
  protected:
    VaultSecrets() {
        vault_.pages["secret/data/acme/pay/db"] = {200, std::string(kDb)};
        settings_.address = "http://127.0.0.1:8200/";
        settings_.token_file = write("token", "t.file\n");
    }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const std::string path = temporary_.path() + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        chmod(path.c_str(), mode);
        return path;
    }
    void take_role() {
        settings_.token_file.clear();
        settings_.role_id_file = write("role", "r1");
        settings_.secret_id_file = write("secret", "s1");
    }
    void make() {
        auto made = vault_secrets(settings_, vault_.exchange(), [this] { return now_; });
        ASSERT_TRUE(made) << made.error().message;
        provider_ = std::move(*made);
    }
    Result<std::string> ask(const std::string& references, const SecretsOwner& owner = kOwner) {
        if (!provider_) make();
        return provide_secrets(*provider_, owner, references);
    }
    std::string why(const std::string& references, const SecretsOwner& owner = kOwner) {
        const auto got = ask(references, owner);
        return got ? "no error" : got.error().message;
    }

    const TemporaryDirectory temporary_;
    FakeVault vault_;
    VaultSettings settings_;
    SteadyTime now_ = steady_now();
    std::unique_ptr<SecretsProvider> provider_;
};

TEST_F(VaultSecrets, are_fields_of_what_is_there_for_the_namespace) {
    EXPECT_EQ(
        ask(R"({"a":"db#user","b":{"path":"db","key":"password"},"c":"db#port","d":"db#on"})").value_or("?"),
        R"({"a":"u","b":"p \"q\"","c":5432,"d":true})");
    ASSERT_EQ(vault_.asked.size(), 1U) << "one question for a path";
    EXPECT_EQ(vault_.asked[0].url, "http://127.0.0.1:8200/v1/secret/data/acme/pay/db");
    const std::map<std::string, std::string> headers = {{"X-Vault-Request", "true"},
                                                        {"X-Vault-Token", "t.file"}};
    EXPECT_EQ(vault_.asked[0].headers, headers);
    EXPECT_LE(vault_.left[0], 5s);
    write("token", "t.renewed");
    vault_.pages["secret/data/acme/pay/a/b-c.d"] = {200, R"({"data": {"data": {"x": "y"}}})"};
    EXPECT_EQ(ask(R"({"a":"db#user","b":"a/b-c.d#x"})").value_or("?"), R"({"a":"u","b":"y"})");
    ASSERT_EQ(vault_.asked.size(), 3U);
    EXPECT_EQ(vault_.asked[2].headers.at("X-Vault-Token"), "t.renewed") << "the file is read at each start";
    EXPECT_EQ(ask("").value_or("?"), "{}");
    EXPECT_EQ(vault_.asked.size(), 3U) << "no secrets, no question";
}

TEST_F(VaultSecrets, of_another_place_and_the_older_engine) {
    settings_.mount = "kv/team";
    settings_.path_prefix = "weft/functions";
    settings_.kv_version = 1;
    vault_.pages["kv/team/weft/functions/acme/pay/db"] = {200, R"({"data": {"user": "old"}})"};
    EXPECT_EQ(ask(R"({"a":"db#user"})").value_or("?"), R"({"a":"old"})");
    vault_.pages["kv/team/weft/functions/acme/pay/db"] = {200, R"(["s3cret"])"};
    EXPECT_THAT(why(R"({"a":"db#user"})"),
                AllOf(HasSubstr("look at mount and kvVersion"), Not(HasSubstr("s3cret"))));
}

TEST_F(VaultSecrets, references_are_checked_and_shown_to_nobody) {
    for (const char* reference :
         {R"("s3cret")", R"("s3cret#")", R"("#s3cret")", R"("../s3cret#a")", R"("/s3cret#a")",
          R"("s3cret/#a")", R"("a//s3cret#a")", R"("a/.s3cret#b")", R"("s3cret?version=1#a")",
          R"("s3cret%2f#a")", R"("s3 cret#a")", R"("s3cret#a#b")", "1", "null", R"(["s3cret#a"])",
          R"({"path":"s3cret"})", R"({"path":"s3cret","key":1})",
          R"({"path":"s3cret","key":"a","version":"1"})"}) {
        const std::string references = str_cat(R"({"db":)", reference, "}");
        make();
        const auto checked = check_secrets(*provider_, references);
        ASSERT_FALSE(checked) << reference;
        EXPECT_THAT(checked.error().message,
                    AllOf(HasSubstr("secret db must name a field"), Not(HasSubstr("s3cret"))))
            << reference;
        EXPECT_EQ(why(references), checked.error().message);
    }
    EXPECT_TRUE(check_secrets(*provider_, R"({"a":"x/y#z","b":{"key":"z","path":"x"}})"));
    for (const SecretsOwner& owner :
         {SecretsOwner{"..", "n"}, SecretsOwner{"t", "."}, SecretsOwner{"t/n", "x"}, SecretsOwner{"", "n"},
          SecretsOwner{"t", "a?b"}})
        EXPECT_THAT(why(R"({"a":"db#user"})", owner), HasSubstr("no place in Vault"));
    EXPECT_TRUE(vault_.asked.empty());
}

TEST_F(VaultSecrets, say_why_there_is_none) {
    const std::string one = R"({"db":"db#user"})";
    const std::pair<int, std::string_view> answers[] = {
        {403,
         "does not let this worker read it: its token is over, or lacks a policy that reads "
         "secret/data/acme/pay/*"},
        {404, "has no such secret below secret/data/acme/pay/"},
        {429, "is asked too often"},
        {503, "is sealed or not ready (503): unseal it"},
        {500, "answers 500"},
        {307, "answers 307: look at address"}};
    for (const auto& [status, words] : answers) {
        vault_.pages["secret/data/acme/pay/db"] = {status, R"({"errors": ["s3cret"], "token": "t.file"})"};
        EXPECT_THAT(why(one), AllOf(HasSubstr(str_cat("secret db: Vault at http://127.0.0.1:8200 ", words)),
                                    Not(HasSubstr("s3cret")), Not(HasSubstr("t.file"))))
            << status;
    }
    for (const std::string& body :
         {std::string(), std::string("{"), std::string("[]"), std::string("s3cret"),
          std::string(R"({"data": null})"), std::string(R"({"data": {"data": "s3cret"}})"),
          std::string(50'000, '[')}) {
        vault_.pages["secret/data/acme/pay/db"] = {200, body};
        EXPECT_THAT(why(one), AllOf(HasSubstr("no secret of a KV engine 2"), Not(HasSubstr("s3cret"))));
    }
    vault_.pages["secret/data/acme/pay/db"] = {200, std::string(kDb)};
    EXPECT_THAT(why(R"({"a":"db#user","b":"db#other"})"), HasSubstr("secret b: Vault at"));
    for (const char* field : {"other", "none"})
        EXPECT_THAT(why(str_cat(R"({"a":"db#)", field, "\"}")), HasSubstr("but not the field"));
    EXPECT_THAT(why(R"({"a":"db#deep"})"), HasSubstr("something else than a text"));
    vault_.pages["secret/data/acme/pay/db"] = {
        200, str_cat(R"({"data": {"data": {"user": ")", std::string(530'000, 's'), "\"}}}")};
    EXPECT_THAT(why(R"({"a":"db#user","b":"db#user"})"), HasSubstr("more than 1048576 bytes together"));
}

TEST_F(VaultSecrets, of_a_vault_that_is_away_are_not_asked_for_at_once_again) {
    vault_.fails = Error{ErrorCode::unavailable, "can't connect to 127.0.0.1:8200: refused"};
    EXPECT_EQ(
        why(R"({"a":"db#user"})"),
        "secret a: Vault at http://127.0.0.1:8200 can't be asked: can't connect to 127.0.0.1:8200: refused");
    vault_.fails.reset();
    EXPECT_THAT(why(R"({"b":"db#user"})"),
                HasSubstr("secret b: Vault at http://127.0.0.1:8200 can't be asked"));
    EXPECT_EQ(vault_.asked.size(), 1U);
    now_ += 2s;
    EXPECT_TRUE(ask(R"({"a":"db#user"})"));
    vault_.fails = Error{ErrorCode::unknown_outcome, "no answer to GET /v1/secret/data/acme/pay/db: eof"};
    EXPECT_THAT(why(R"({"a":"db#user"})"), AllOf(HasSubstr("broke off"), Not(HasSubstr("/db"))));
    now_ += 2s;
    for (const auto& [code, words] : {std::pair(ErrorCode::unauthorized, "can't be asked: TLS"),
                                      {ErrorCode::too_large, "too large"},
                                      {ErrorCode::limit_reached, "names another server"}}) {
        vault_.fails = Error{code, "TLS"};
        EXPECT_THAT(why(R"({"a":"db#user"})"), HasSubstr(words));
    }
    vault_.fails.reset();
    EXPECT_TRUE(ask(R"({"a":"db#user"})")) << "it was there: nobody pauses";
}

TEST_F(VaultSecrets, take_a_token_of_a_private_file_only) {
    const std::string one = R"({"a":"db#user"})";
    write("token", "t.file", 0640);
    EXPECT_THAT(why(one), AllOf(HasSubstr("tokenFile: "), HasSubstr("chmod 600"), Not(HasSubstr("t.file"))));
    for (const char* text : {"", "t.file two", "t.file\n\n", "t.fil\xc3\xa9"}) {
        write("token", text);
        EXPECT_THAT(why(one), AllOf(HasSubstr("not one word"), Not(HasSubstr("t.fil"))));
    }
    settings_.token_file = temporary_.path() + "/missing";
    make();
    EXPECT_THAT(why(one), HasSubstr("can't open the file"));
    EXPECT_TRUE(vault_.asked.empty());
}

TEST_F(VaultSecrets, of_a_role_log_in_before_the_token_is_over) {
    take_role();
    const std::string one = R"({"a":"db#user"})";
    EXPECT_TRUE(ask(one));
    ASSERT_EQ(vault_.asked.size(), 2U);
    EXPECT_EQ(vault_.asked[0].url, "http://127.0.0.1:8200/v1/auth/approle/login");
    EXPECT_EQ(vault_.asked[0].json, R"({"role_id":"r1","secret_id":"s1"})");
    EXPECT_EQ(vault_.asked[1].headers.at("X-Vault-Token"), "t.1");
    now_ += 89s;
    EXPECT_TRUE(ask(one));
    EXPECT_EQ(vault_.logins(), 1U);
    vault_.login.body = R"({"auth": {"client_token": "t.2", "lease_duration": 0}})";
    now_ += 2s;
    EXPECT_TRUE(ask(one));
    EXPECT_EQ(vault_.asked.back().headers.at("X-Vault-Token"), "t.2");
    vault_.revoked = "t.2";
    vault_.login.body = R"({"auth": {"client_token": "t.3", "lease_duration": 100}})";
    EXPECT_TRUE(ask(one)) << "a token that was revoked";
    EXPECT_EQ(vault_.logins(), 3U);
    vault_.revoked = "t.3";
    EXPECT_THAT(why(one), HasSubstr("does not let this worker"));
    EXPECT_EQ(vault_.logins(), 4U) << "once is enough";
}

TEST_F(VaultSecrets, of_a_role_that_is_not_taken) {
    take_role();
    for (const int status : {400, 403, 404}) {
        vault_.login = {status, R"({"errors": ["s1"]})"};
        EXPECT_THAT(why(R"({"a":"db#user"})"), AllOf(HasSubstr("look at roleIdFile"), Not(HasSubstr("s1"))));
    }
    vault_.login = {503, ""};
    EXPECT_THAT(why(R"({"a":"db#user"})"), HasSubstr("sealed"));
    for (const char* body : {"", "[]", R"({"auth": {}})", R"({"auth": {"client_token": "a b"}})"}) {
        vault_.login = {200, body};
        EXPECT_THAT(why(R"({"a":"db#user"})"), HasSubstr("without a token"));
    }
}

TEST(VaultSettings, name_the_member_that_can_not_be_used) {
    const VaultSettings good{.address = "https://vault.acme:8200", .token_file = "/t"};
    EXPECT_FALSE(good.wrong());
    const auto wrong = [&](const auto& change) {
        VaultSettings settings = good;
        change(settings);
        const auto found = settings.wrong();
        return found ? std::string(found->member) : "nothing";
    };
    for (const char* address :
         {"", "vault:8200", "ftp://v", "https://", "https://me:pw@v", "https://v?x", "https://v w",
          "http://vault:8200", "http://127.evil.com:8200", "http://10.0.0.1", "http://localhost.x"})
        EXPECT_EQ(wrong([&](VaultSettings& s) { s.address = address; }), "address") << address;
    for (const char* address :
         {"http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200", "https://v/path"})
        EXPECT_EQ(wrong([&](VaultSettings& s) { s.address = address; }), "nothing") << address;
    EXPECT_EQ(wrong([](VaultSettings& s) { s.mount = ""; }), "mount");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.mount = "../sys"; }), "mount");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.path_prefix = "/a"; }), "pathPrefix");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.kv_version = 3; }), "kvVersion");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.approle_mount = "a/"; }), "appRoleMount");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.token_file = ""; }), "tokenFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.token_file = "t"; }), "tokenFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.role_id_file = "/r"; }), "tokenFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.token_file = "", s.role_id_file = "/r"; }), "secretIdFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.token_file = "", s.secret_id_file = "/s"; }), "roleIdFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.ca_cert_file = "ca.pem"; }), "caCertFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.address = "http://localhost", s.ca_cert_file = "/ca"; }),
              "caCertFile");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.timeout_ms = 99; }), "timeoutMs");
    EXPECT_EQ(wrong([](VaultSettings& s) { s.timeout_ms = 30'001; }), "timeoutMs");
    VaultSettings no_file = good;
    no_file.ca_cert_file = "/nowhere/ca.pem";
    EXPECT_THAT(vault_secrets(no_file, {}).error().message, HasSubstr("/nowhere/ca.pem"));
}

}  // namespace
}  // namespace weft::security
