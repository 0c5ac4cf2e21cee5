// The tokens of those who make functions: captured, stored encrypted, handed to instances.

#include "worker/function_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "worker/testing/worker_life.h"
#include "worker/worker.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Whose token is "of-ann" is ann.
class Names final : public security::Authenticator {
  public:
    Result<security::Caller> authenticate(std::string_view, std::string_view,
                                          const std::string&) const override {
        return fail(ErrorCode::unauthorized, "not asked over the binary protocol");
    }
    Result<security::Caller> authenticate_http(std::string_view authorization,
                                               const std::string&) const override {
        constexpr std::string_view kOf = "Bearer of-";
        if (!authorization.starts_with(kOf)) return fail(ErrorCode::unauthorized, "unknown");
        return security::Caller{std::string(authorization.substr(kOf.size())), 0};
    }
};

std::string text_in(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return std::move(text).str();
}

class FunctionCredentialsTest : public WorkerTest {
  protected:
    FunctionCredentialsTest() { rotate(); }
    void SetUp() override {
        use_keys([this] { return keys; });
        live();
    }
    void use_keys(security::CredentialKeySource source) {
        world.credentials =
            std::make_shared<FunctionCredentials>(std::move(source), std::make_shared<Names>());
    }
    void rotate() {
        auto next = std::make_shared<security::CredentialKeys>(*keys);
        ASSERT_TRUE(next->add("2026-01-31").has_value());
        keys = std::move(next);
    }
    void show(const std::string& role) { headers["authorization"] = "Bearer of-" + role; }
    http::Response update(const std::string& name, const std::string& options) {
        http::MultipartBuilder parts;
        parts.add("functionConfig", "application/json", "{}");
        parts.add("updateOptions", "application/json", options);
        const std::string type = parts.content_type();
        return call("PUT", kPath + name, parts.finish(), type);
    }
    std::string params_of_last() {
        EXPECT_TRUE(life->settled("f"));
        return world.starter.last_spec().security.auth_params;
    }
    ::proto::FunctionMetaData stored() {
        const auto all = log("metadata");
        return *read_metadata(all.back()).value()->meta;
    }
    /// What a Java worker would have written.
    void store_in_clear(const std::string& token, const std::string& provider = std::string(kTokenProvider)) {
        show("ann");
        EXPECT_EQ(create("f").status, 204);
        EXPECT_TRUE(life->settled("f"));
        auto meta = stored();
        life.reset();
        meta.set_version(1);
        meta.mutable_functionauthspec()->set_data(token);
        meta.mutable_functionauthspec()->set_provider(provider);
        world.topics.put("persistent://public/functions/metadata",
                         metadata_record(MetadataChange::update, meta, kWorker));
        live();
    }
    std::string why_not_running(const std::string& name) {
        EXPECT_TRUE(life->settled(name));
        return get(kPath + name + "/status")["instances"][0]["status"].value("error", "");
    }

    std::shared_ptr<const security::CredentialKeys> keys = std::make_shared<security::CredentialKeys>();
};

TEST_F(FunctionCredentialsTest, who_makes_a_function_is_who_it_is) {
    show("ann");
    ASSERT_EQ(create("f").status, 204);
    EXPECT_EQ(params_of_last(), "token:of-ann");
    EXPECT_THAT(world.starter.last_spec().security.auth_plugin, HasSubstr("AuthenticationToken"));
    EXPECT_EQ(stored().functionauthspec().provider(), kTokenProvider);
    for (const char* const topic : {"metadata", "assignments"}) {
        for (const auto& record : log(topic)) EXPECT_THAT(record.payload, Not(HasSubstr("of-ann")));
    }
    EXPECT_THAT(call("GET", kPath + "f").body, Not(HasSubstr("uth")));
}

TEST_F(FunctionCredentialsTest, one_made_without_a_token_is_nobody_and_never_the_worker) {
    ASSERT_EQ(create("f").status, 204);
    EXPECT_EQ(params_of_last(), "");
    EXPECT_EQ(world.starter.last_spec().security.auth_plugin, "");
    EXPECT_FALSE(stored().has_functionauthspec());
}

TEST_F(FunctionCredentialsTest, it_stays_until_the_update_asks_for_another) {
    show("ann");
    create("f");
    show("bob");
    EXPECT_EQ(upload("PUT", "f", R"({"parallelism":2})", std::nullopt).status, 204);
    EXPECT_EQ(params_of_last(), "token:of-ann");
    EXPECT_EQ(reason(update("f", R"({"updateAuthData":false})")).substr(0, 33),
              "400 Update contains no change (fu");
    EXPECT_EQ(update("f", R"({"updateAuthData":true})").status, 204);
    EXPECT_EQ(params_of_last(), "token:of-bob");
    EXPECT_THAT(reason(update("f", R"(["updateAuthData"])")), HasSubstr("400 updateOptions = "));
    EXPECT_THAT(reason(update("f", R"({"updateAuthData":1})")), HasSubstr("boolean updateAuthData"));
    headers.clear();
    EXPECT_THAT(reason(update("f", R"({"updateAuthData":true})")),
                HasSubstr("400 updateAuthData = true: the request has no token"));
    EXPECT_EQ(params_of_last(), "token:of-bob");
}

TEST_F(FunctionCredentialsTest, a_proxy_does_not_give_its_own_token_to_functions) {
    show("gateway");
    headers["x-original-principal"] = "ann";
    EXPECT_THAT(reason(create("f")),
                HasSubstr("400 The token of the request is gateway's, who speaks for ann"));
    show("ann");
    EXPECT_EQ(create("f").status, 204);
    EXPECT_EQ(params_of_last(), "token:of-ann");
}

TEST_F(FunctionCredentialsTest, a_new_key_encrypts_all_and_starts_nothing_again) {
    show("ann");
    create("f");
    ASSERT_TRUE(life->settled("f"));
    const auto events = world.starter.events();
    const std::string path = "/admin/v2/worker/function-credentials";
    rotate();
    EXPECT_EQ(call("PUT", path).body, R"({"key":")" + keys->newest() + R"(","functions":1,"encrypted":1})");
    EXPECT_EQ(call("PUT", path).body, R"({"key":")" + keys->newest() + R"(","functions":1,"encrypted":0})");
    ASSERT_TRUE(life->settled("f"));
    EXPECT_EQ(world.starter.events(), events);
    EXPECT_EQ(security::sealed_head(stored().functionauthspec().data())->key_id, keys->newest());
    auto only_newest = std::make_shared<security::CredentialKeys>(*keys);
    only_newest->keep_newest();
    keys = only_newest;
    live();
    EXPECT_EQ(params_of_last(), "token:of-ann");
}

TEST_F(FunctionCredentialsTest, without_the_key_it_does_not_run_and_says_why_and_others_do) {
    show("ann");
    create("f");
    create("g");
    headers.clear();
    create("other");
    ASSERT_TRUE(life->settled("f") && life->settled("g") && life->settled("other"));
    const auto right = keys;
    life.reset();
    keys = std::make_shared<security::CredentialKeys>();
    rotate();
    live();
    EXPECT_THAT(why_not_running("f"), HasSubstr(right->newest()));
    EXPECT_THAT(why_not_running("g"), HasSubstr("bring the file of the cluster here"));
    ASSERT_TRUE(life->settled("other"));
    EXPECT_THAT(world.starter.running(), ElementsAre("other:0"));
    const auto refused = call("PUT", "/admin/v2/worker/function-credentials");
    EXPECT_EQ(refused.status, 500);
    EXPECT_THAT(refused.body, HasSubstr("Of 2 functions with a credential 2 are not encrypted"));
    EXPECT_THAT(refused.body, HasSubstr("public/default/f: "));
}

TEST_F(FunctionCredentialsTest, a_worker_without_the_setting_does_not_run_it_as_itself) {
    show("ann");
    create("f");
    life.reset();
    world.credentials = nullptr;
    live();
    EXPECT_THAT(why_not_running("f"), HasSubstr("give it functionAuthProviderClassName"));
    EXPECT_THAT(reason(call("PUT", "/admin/v2/worker/function-credentials")),
                HasSubstr("400 This worker captures no"));
    EXPECT_EQ(create("g").status, 204);
    ASSERT_TRUE(life->settled("g"));
    EXPECT_EQ(world.starter.last_spec().security, world.of_worker);
}

TEST_F(FunctionCredentialsTest,
       what_a_java_worker_has_stored_in_clear_is_read_and_encrypted_at_the_next_write) {
    store_in_clear("of-java");
    EXPECT_EQ(params_of_last(), "token:of-java");
    EXPECT_EQ(call("POST", kPath + "f/stop").status, 204);
    EXPECT_TRUE(security::is_sealed(stored().functionauthspec().data()));
    EXPECT_EQ(call("POST", kPath + "f/start").status, 204);
    EXPECT_EQ(params_of_last(), "token:of-java");
}

TEST_F(FunctionCredentialsTest, credentials_of_another_provider_are_refused_by_name) {
    store_in_clear("secret-id", "org.apache.pulsar.functions.auth.KubernetesSecretsTokenAuthProvider");
    EXPECT_THAT(why_not_running("f"), HasSubstr("KubernetesSecretsTokenAuthProvider, which is not served"));
}

TEST_F(FunctionCredentialsTest, sealed_bytes_of_another_function_do_not_open) {
    show("ann");
    create("g");
    const std::string foreign = stored().functionauthspec().data();
    store_in_clear(foreign);
    EXPECT_THAT(why_not_running("f"), HasSubstr("captured for another function"));
}

TEST_F(FunctionCredentialsTest, a_java_function_has_it_in_a_file_that_goes_with_the_instance) {
    fs::create_directories(world.folder / "jvm" / "bin");
    for (const char* const file : {"jvm/bin/java", "instance.jar"}) {
        std::ofstream(world.folder / file) << "#!/bin/sh\n";
        fs::permissions(world.folder / file, fs::perms::owner_all);
    }
    world.java = {.pulsar_home = {},
                  .java_home = world.folder / "jvm",
                  .instance_jar = world.folder / "instance.jar",
                  .class_path = "jars/*",
                  .extra_dependencies = {},
                  .arguments = {}};
    show("ann");
    create("f");
    ASSERT_TRUE(life->settled("f"));
    auto meta = stored();
    life.reset();
    meta.set_version(1);
    meta.mutable_functiondetails()->set_runtime(::proto::FunctionDetails::JAVA);
    world.topics.put("persistent://public/functions/metadata",
                     metadata_record(MetadataChange::update, meta, kWorker));
    live();
    const std::string params = params_of_last();
    EXPECT_EQ(world.starter.last_spec().language, runtime::Language::java);
    ASSERT_TRUE(params.starts_with("file:///")) << params;
    const fs::path file = params.substr(std::string_view("file://").size());
    EXPECT_EQ(text_in(file), "of-ann");
    EXPECT_EQ(call("POST", kPath + "f/stop").status, 204);
    ASSERT_TRUE(life->settled("f"));
    EXPECT_FALSE(fs::exists(file.parent_path()));
}

TEST_F(FunctionCredentialsTest, a_program_is_told_of_a_private_file) {
    runtime::InstanceSpec spec;
    spec.security.auth_params = "token:of-ann";
    const fs::path folder = world.folder / "tokens" / "0";
    ASSERT_TRUE(put_token_into_file(spec, folder).has_value());
    EXPECT_EQ(spec.security.auth_params, "file://" + (folder / "token").string());
    EXPECT_EQ(text_in(folder / "token"), "of-ann");
    struct stat found{};
    ASSERT_EQ(stat((folder / "token").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    ASSERT_EQ(stat(folder.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0700U);
    spec.security.auth_params = "token:of-bob";
    ASSERT_TRUE(put_token_into_file(spec, folder).has_value());
    EXPECT_EQ(text_in(folder / "token"), "of-bob");
    EXPECT_THAT(put_token_into_file(spec, world.folder / "a b").error().message, HasSubstr("--data-dir"));
}

TEST_F(FunctionCredentialsTest, functions_must_not_be_able_to_read_the_keys) {
    WorkerOptions options;
    options.data_dir = world.folder / "data";
    EXPECT_TRUE(check_function_credentials(options).has_value()) << "nothing is captured";
    options.secrets_files["the.tokenFile"] = world.folder / "vault" / "token";
    EXPECT_TRUE(check_function_credentials(options).has_value());
    options.containment.readable = {(world.folder / "vault").string()};
    EXPECT_THAT(check_function_credentials(options).error().message,
                AllOf(HasSubstr("the.tokenFile = "), HasSubstr("functions can read it")));
    options.containment.readable.clear();
    options.credential_keys = [this] { return keys; };
    options.credential_key_file = world.folder / "credentials" / "keys";
    EXPECT_THAT(check_function_credentials(options).error().message, HasSubstr("set authenticationEnabled"));
    options.access.authenticator = std::make_shared<Names>();
    EXPECT_TRUE(check_function_credentials(options).has_value());
    options.containment.readable = {world.folder.string()};
    EXPECT_THAT(check_function_credentials(options).error().message,
                HasSubstr("keep it in a folder of its own"));
    options.containment.readable.clear();
    options.broker_security.tls.trust_certs = world.folder / "credentials" / "ca.pem";
    EXPECT_THAT(check_function_credentials(options).error().message, HasSubstr("functions can read it"));
}

}  // namespace
}  // namespace weft::worker
