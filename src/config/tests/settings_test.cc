#include "config/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

namespace weft::config {
namespace {

using testing::HasSubstr;
using Kind = Finding::Kind;

Settings read(std::string_view text) {
    auto settings = read_yaml(text, "f.yml");
    EXPECT_TRUE(settings) << settings.error().message;
    return settings ? *settings : Settings{};
}
std::string problem_of(std::string_view text) {
    const auto settings = read_yaml(text, "f.yml");
    return settings ? "" : settings.error().message;
}
std::vector<Finding> examined(std::string_view text) { return examine(worker_keys(), read(text)); }

TEST(Yaml, flattens_maps_and_remembers_lines) {
    const auto settings = read(
        "workerPort: 6750\nfunctionRuntimeFactoryConfigs:\n  logDirectory: logs/\n"
        "superUserRoles:\n  - one\n  - two\nworkerId:\n");
    EXPECT_EQ(settings.at("workerPort").text(), "6750");
    EXPECT_EQ(settings.at("functionRuntimeFactoryConfigs.logDirectory").where, "f.yml:3");
    EXPECT_EQ(settings.at("superUserRoles").text(), "one,two");
    EXPECT_TRUE(settings.at("workerId").null);
    EXPECT_TRUE(read("# nothing\n").empty());
}

TEST(Yaml, says_what_is_wrong_and_where) {
    EXPECT_THAT(problem_of("- a\n- b\n"), HasSubstr("no map of settings"));
    EXPECT_THAT(problem_of("a: [1, {b: 2}]\n"), HasSubstr("line 1"));
    EXPECT_THAT(problem_of("a: \"\xff\"\n"), HasSubstr("not UTF-8"));
    EXPECT_THAT(problem_of(std::string((1U << 20) + 1, ' ')), HasSubstr("bytes"));
    EXPECT_THAT(problem_of("a: &x [1,2,3,4,5,6,7,8,9]\nb: &y [*x,*x]\n"), HasSubstr("list"));
    // As a page of Pulsar's documentation shows it.
    EXPECT_EQ(problem_of("useTLS: true\n// The path\nbrokerClientTrustCertsFilePath: /ca.pem\n"),
              "f.yml:2: it begins with //: begin comments with #");
}

TEST(Properties, are_read_as_java_reads_them) {
    const auto settings = read_properties(
        "# comment\n! comment\n\nbrokerServicePort=6650\n a : b c \nlong=one,\\\n  two\nempty=\n", "f.conf");
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->at("brokerServicePort").text(), "6650");
    EXPECT_EQ(settings->at("a").text(), "b c");
    EXPECT_EQ(settings->at("long").text(), "one,two");
    EXPECT_EQ(settings->at("long").where, "f.conf:6");
    EXPECT_TRUE(settings->at("empty").null);
    EXPECT_EQ(settings->size(), 4U);
    EXPECT_EQ(read_properties("a=1\nnothing\n", "f.conf").error().message,
              "f.conf:2: write lines like brokerServicePort=6650");
}

TEST(Examine, tells_what_is_refused_misspelled_or_without_effect) {
    const auto findings = examined(
        "workerPort: 1\nnumFunctionPackageReplicas: 2\nworkerHostnme: a\n"
        "schedulerClassName: mine\nnumHttpServerThreads: many\n");
    ASSERT_EQ(findings.size(), 4U);
    EXPECT_EQ(findings[0].kind, Kind::refused);
    EXPECT_EQ(findings[0].text, "f.yml:5: numHttpServerThreads = many: give a whole number");
    EXPECT_THAT(findings[1].text, HasSubstr("f.yml:4: schedulerClassName = mine: the one scheduler"));
    EXPECT_EQ(findings[2].kind, Kind::unknown);
    EXPECT_THAT(findings[2].text, HasSubstr("did you mean workerHostname?"));
    EXPECT_EQ(findings[3].kind, Kind::no_effect);
    EXPECT_THAT(findings[3].text, HasSubstr("numFunctionPackageReplicas = 2: has no effect here"));
}

class Tables : public testing::TestWithParam<KeyTable> {};
INSTANTIATE_TEST_SUITE_P(, Tables, testing::Values(worker_keys(), broker_keys()));

TEST_P(Tables, every_default_is_taken) {
    for (const Key& key : GetParam()) {
        if (key.name.ends_with('*')) continue;
        for (const std::string_view value : defaults_of(key)) {
            Settings settings;
            settings[std::string(key.name)] = {.values = {std::string(value)}, .where = "test"};
            EXPECT_THAT(examine(GetParam(), settings), testing::IsEmpty()) << key.name;
        }
    }
}

TEST_P(Tables, another_value_of_a_refused_key_is_not) {
    for (const Key& key : GetParam()) {
        if (key.use != Use::refused) continue;
        std::string name(key.name);
        if (name.ends_with('*')) name.back() = 'x';
        Settings settings;
        const bool flips = key.type == KeyType::boolean && key.defaults.starts_with("true");
        settings[name] = {.values = {key.type == KeyType::boolean ? (flips ? "false" : "true") : "12345"},
                          .where = "test"};
        const auto findings = examine(GetParam(), settings);
        ASSERT_EQ(findings.size(), 1U) << name;
        EXPECT_EQ(findings[0].kind, Kind::refused) << name;
        EXPECT_THAT(findings[0].text, HasSubstr(key.note));
    }
}

TEST(Examine, shows_no_secrets) {
    const auto findings = examined(
        "tlsKeyStorePassword: \"abc123\"\n"
        "saslJaasServerRoleTokenSignerSecretPath: \"data:;base64,abc123\"\n"
        "stateStorageServiceUrl: bk://me:abc123@host:1\n");
    ASSERT_EQ(findings.size(), 3U);
    for (const auto& finding : findings) {
        EXPECT_THAT(finding.text, HasSubstr("********"));
        EXPECT_THAT(finding.text, testing::Not(HasSubstr("abc123")));
    }
}

TEST(Shown, names_classes_and_paths_and_hides_what_may_be_a_secret) {
    const auto worker = [](std::string_view name, std::string_view value) {
        return shown(find_key(worker_keys(), name), name, value);
    };
    for (const auto& [name, value] : {
             std::pair("secretsProviderConfiguratorClassName", "weft.FileSecrets"),
             std::pair("secretsProviderConfiguratorConfig.folder", "/etc/weft/secrets"),
             std::pair("secretsProviderConfiguratorConfig.tokenFile", "/run/vault/token"),
             std::pair("secretsProviderConfiguratorConfig.secretIdFile", "/etc/weft/vault/secret-id"),
             std::pair("secretsProviderConfiguratorConfig.address", "https://vault:8200"),
             std::pair("secretsProviderConfiguratorConfig.mount", "secret"),
             std::pair("properties.weftFunctionCredentialsKeyFile", "/etc/weft/keys"),
         })
        EXPECT_EQ(worker(name, value), value) << name;
    for (const auto& [name, value] : {
             std::pair("secretsProviderConfiguratorConfig.tokenFile", "hvs.s3cret"),
             std::pair("secretsProviderConfiguratorConfig.vaultToken", "hvs.s3cret"),
             std::pair("secretsProviderConfiguratorConfig.password", "/s3cret"),
             std::pair("secretsProviderConfiguratorConfig.vault", "s3cret"),
             std::pair("properties.tokenSecretKey", "file:///s3cret"),
             std::pair("brokerClientAuthenticationParameters", "token:s3cret"),
             std::pair("brokerClientAuthenticationParameters", "file:///s3cret"),
             std::pair("tlsKeyStorePassword", "/s3cret"),
             std::pair("secretsProviderConfiguratorConfig.address", "https://me:s3cret@vault:8200"),
         })
        EXPECT_THAT(worker(name, value), testing::Not(HasSubstr("s3cret"))) << name;
}

TEST(Environment, stands_over_the_file) {
    auto settings = read("workerPort: 1\n");
    take_environment(settings, "PF_",
                     {{"PF_workerPort", "2"},
                      {"PF_functionRuntimeFactoryConfigs_logDirectory", "/l"},
                      {"PF_properties_brokerClient_numIoThreads", "4"},
                      {"PATH", "/bin"}});
    EXPECT_EQ(settings.at("workerPort").text(), "2");
    EXPECT_EQ(settings.at("workerPort").where, "environment PF_workerPort");
    EXPECT_TRUE(settings.contains("functionRuntimeFactoryConfigs.logDirectory"));
    EXPECT_TRUE(settings.contains("properties.brokerClient_numIoThreads"));
    EXPECT_EQ(settings.size(), 3U);
}

TEST_P(Tables, names_are_unique_and_notes_are_there) {
    std::set<std::string_view> names;
    for (const Key& key : GetParam()) {
        EXPECT_TRUE(names.insert(key.name).second) << key.name;
        EXPECT_TRUE(key.use == Use::honoured || !key.note.empty()) << key.name;
    }
}

void compare_with(const std::string& path, KeyTable table) {
    const std::string begin = "<!-- keys: generated -->\n";
    std::ifstream file(path);
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    const auto from = document.find(begin), to = document.find("<!-- /keys -->");
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << path << " lost its marks";
    const std::string shown = document.substr(from + begin.size(), to - from - begin.size());
    const std::string made = keys_as_markdown(table);
    if (shown != made && std::getenv("WEFT_UPDATE_DOCS")) {
        std::ofstream(path) << document.substr(0, from + begin.size()) << made << document.substr(to);
        return;
    }
    EXPECT_EQ(shown, made) << "run weft_config_test with WEFT_UPDATE_DOCS=1";
}

TEST(Docs, show_the_tables) {
    compare_with(WEFT_SOURCE_DIR "/docs/functions-worker-yml.md", worker_keys());
    compare_with(WEFT_SOURCE_DIR "/docs/standalone-conf.md", broker_keys());
}

}  // namespace
}  // namespace weft::config
