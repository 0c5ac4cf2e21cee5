#include "runtime/program_command.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/java_runtime.h"
#include "wire/proto/Function.pb.h"

#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace weft::runtime {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

::proto::FunctionDetails details_of(::proto::FunctionDetails::Runtime language) {
    ::proto::FunctionDetails details;
    details.set_tenant("t");
    details.set_namespace_("n");
    details.set_name("f");
    details.set_runtime(language);
    details.set_autoack(true);
    details.set_parallelism(2);
    details.set_userconfig(R"({"k":"v w"})");
    details.mutable_resources()->set_ram(268'435'456);
    auto& source = *details.mutable_source();
    (*source.mutable_inputspecs())["in"].mutable_receiverqueuesize()->set_value(7);
    source.set_subscriptiontype(::proto::FAILOVER);
    source.set_subscriptionposition(::proto::EARLIEST);
    details.mutable_sink()->set_topic("out");
    return details;
}

InstanceSpec spec_of(Language language, const ::proto::FunctionDetails& details) {
    InstanceSpec spec;
    spec.function_details = details.SerializeAsString();
    spec.instance_id = 1;
    spec.function_id = "id";
    spec.function_version = "version";
    spec.language = language;
    spec.package_path = "/code/f.jar";
    spec.service_url = "pulsar://127.0.0.1:6650/one-broker";
    spec.web_service_url = "http://127.0.0.1:8080";
    spec.cluster_name = "c";
    spec.scratch_directory = "/scratch";
    spec.java = {"/jdk/java", "/p/java-instance.jar", "/p/lib/*", "", {"-Xss1m"}};
    return spec;
}

TEST(ProgramCommand, of_a_contained_jvm_leaves_tmp_alone) {
    auto spec = spec_of(Language::java, details_of(::proto::FunctionDetails::JAVA));
    const auto open = program_command(spec, {10, 11});
    ASSERT_TRUE(open);
    EXPECT_THAT(*open, testing::Not(testing::Contains("-Djava.io.tmpdir=/scratch")));
    spec.containment.level = containment::Level::basic;
    const auto contained = program_command(spec, {10, 11});
    ASSERT_TRUE(contained);
    EXPECT_THAT(*contained, testing::IsSupersetOf({"-XX:-UsePerfData", "-Djava.io.tmpdir=/scratch"}));
}

TEST(ProgramCommand, shows_no_secret) {
    auto spec = spec_of(Language::java, details_of(::proto::FunctionDetails::JAVA));
    spec.service_url = "pulsar+ssl://h:6651";
    spec.security = {
        .auth_plugin = "tls", .auth_params = "tlsCertFile:/c,tlsKeyFile:/k", .tls = {"/ca", "", ""}};
    const auto command = program_command(spec, {10, 11});
    ASSERT_TRUE(command) << command.error().message;
    const auto at = std::ranges::find(*command, "--client_auth_plugin");
    ASSERT_GE(command->end() - at, 12);
    EXPECT_THAT(std::vector(at, at + 12),
                ElementsAre("--client_auth_plugin", "org.apache.pulsar.client.impl.auth.AuthenticationTls",
                            "--client_auth_params", "tlsCertFile:/c,tlsKeyFile:/k", "--use_tls", "true",
                            "--tls_allow_insecure", "false", "--hostname_verification_enabled", "true",
                            "--tls_trust_cert_path", "/ca"));
    for (const char* const plugin : {"token", "basic"}) {
        spec.security.auth_plugin = plugin;
        spec.security.auth_params = R"({"token": "s3cret", "userId": "me", "password": "s3cret"})";
        const auto refused = program_command(spec, {10, 11});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::not_supported);
    }
    spec.security.auth_plugin = "oauth2";
    spec.security.auth_params =
        R"({"issuer_url": "https://i", "private_key": "file:///keys/k.json", "audience": "a"})";
    const auto told = program_command(spec, {10, 11});
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_THAT(
        *told,
        testing::IsSupersetOf(
            {std::string(security::kOAuth2Plugin),
             std::string(R"({"audience":"a","issuerUrl":"https://i","privateKey":"file:///keys/k.json",)"
                         R"("type":"client_credentials"})")}));
    spec.security.auth_params = R"({"issuerUrl": "https://i", "client_id": "me", "client_secret": "s3cret"})";
    EXPECT_EQ(program_command(spec, {10, 11}).error().code, ErrorCode::not_supported);
    spec.language = Language::go;
    EXPECT_FALSE(program_command(spec, {10, 11}));
}

TEST(ProgramCommand, refuses_what_it_would_have_to_show) {
    auto details = details_of(::proto::FunctionDetails::GO);
    details.set_secretsmap("{}");
    EXPECT_TRUE(program_command(spec_of(Language::go, details), {10, 11}));
    details.set_secretsmap(R"({"a":"s3cret"})");
    const auto refused = program_command(spec_of(Language::go, details), {10, 11});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::not_supported);
    EXPECT_EQ(refused.error().message.find("s3cret"), std::string::npos);
}

TEST(ProgramCommand, of_a_java_function_names_its_secrets_and_gives_them_on_its_input) {
    auto details = details_of(::proto::FunctionDetails::JAVA);
    EXPECT_EQ(program_input(spec_of(Language::java, details)).value_or("?"), "");
    details.set_secretsmap(R"({"a":"s3cr\u00e9t","b":{"s3cret":1},"none":null})");
    const auto spec = spec_of(Language::java, details);
    const auto command = program_command(spec, {10, 11});
    ASSERT_TRUE(command) << command.error().message;
    EXPECT_THAT(*command, testing::IsSupersetOf(
                              {str_cat("-Dpulsar.functions.instance.classpath=/p/lib/*:", secrets_jar()),
                               std::string(kSecretsClass)}));
    const auto told = std::ranges::find(*command, "--function_details");
    ASSERT_NE(told, command->end());
    EXPECT_THAT(told[1], testing::HasSubstr(R"("secretsMap":"{\"a\":\"\",\"b\":\"\",\"none\":\"\"}")"));
    for (const std::string& word : *command) EXPECT_THAT(word, testing::Not(testing::HasSubstr("s3cr")));
    using namespace std::string_literals;
    EXPECT_EQ(program_input(spec).value_or("?"),
              "\0\0\0\2\0\0\0\1a\0\0\0\7s3cr\xc3\xa9t\0\0\0\1b\0\0\0\x0c{\"s3cret\":1}"s);
    details.set_secretsmap("[1]");
    EXPECT_FALSE(program_command(spec_of(Language::java, details), {10, 11}));
}

TEST(ProgramCommand, of_a_java_function_is_the_one_of_pulsars_worker) {
    auto details = details_of(::proto::FunctionDetails::JAVA);
    details.set_classname("a.B");
    details.set_runtimeflags(R"(-Da="b c"  -Dd)");
    const auto command = program_command(spec_of(Language::java, details), {10, 11});
    ASSERT_TRUE(command);
    const std::vector<std::string> expected = {
        "/jdk/java",
        "-cp",
        "/p/java-instance.jar",
        "-Dpulsar.functions.instance.classpath=/p/lib/*",
        "-Dlog4j.configurationFile=kubernetes_instance_log4j2.xml",
        "-Dpulsar.function.log.dir=/scratch",
        "-Dpulsar.function.log.file=f-1",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Dorg.apache.pulsar.shade.io.netty.tryReflectionSetAccessible=true",
        "-Dio.grpc.netty.shaded.io.netty.tryReflectionSetAccessible=true",
        "--add-opens",
        "java.base/java.nio=ALL-UNNAMED",
        "--add-opens",
        "java.base/jdk.internal.misc=ALL-UNNAMED",
        "--add-opens",
        "java.base/java.util.zip=ALL-UNNAMED",
        "-Xss1m",
        R"(-Da="b c")",
        "-Dd",
        "-Xmx268435456",
        "org.apache.pulsar.functions.instance.JavaInstanceMain",
        "--jar",
        "/code/f.jar",
        "--instance_id",
        "1",
        "--function_id",
        "id",
        "--function_version",
        "version",
        "--function_details",
        R"('{"tenant":"t","namespace":"n","name":"f","className":"a.B","userConfig":"{\"k\":\"v w\"}",)"
        R"("autoAck":true,"parallelism":2,"source":{"subscriptionType":"FAILOVER","inputSpecs":{"in":)"
        R"({"receiverQueueSize":{"value":7}}},"subscriptionPosition":"EARLIEST"},"sink":{"topic":"out"},)"
        R"("resources":{"ram":"268435456"},"runtimeFlags":"-Da=\"b c\"  -Dd"}')",
        "--pulsar_serviceurl",
        "pulsar://127.0.0.1:6650",
        "--max_buffered_tuples",
        "1024",
        "--port",
        "10",
        "--metrics_port",
        "11",
        "--pending_async_requests",
        "1000",
        "--expected_healthcheck_interval",
        "30",
        "--secrets_provider",
        "org.apache.pulsar.functions.secretsprovider.ClearTextSecretsProvider",
        "--cluster_name",
        "c"};
    EXPECT_THAT(*command, ElementsAreArray(expected));
}

TEST(ProgramCommand, extra_dependencies_are_on_the_class_path_and_told) {
    auto spec = spec_of(Language::java, details_of(::proto::FunctionDetails::JAVA));
    spec.java.extra_dependencies = "/extra";
    const auto command = program_command(spec, {10, 11});
    ASSERT_TRUE(command);
    EXPECT_EQ(command->at(2), "/p/java-instance.jar:/extra/*");
    EXPECT_EQ(command->at(3), "-Dpulsar.functions.extra.dependencies.dir=/extra");
}

TEST(ProgramCommand, of_a_go_function_has_all_in_one_argument) {
    const auto command =
        program_command(spec_of(Language::go, details_of(::proto::FunctionDetails::GO)), {10, 11});
    ASSERT_TRUE(command);
    ASSERT_EQ(command->size(), 3U);
    EXPECT_EQ(command->at(0), "/code/f.jar");
    EXPECT_EQ(command->at(1), "-instance-conf");
    const auto config = nlohmann::json::parse(command->at(2), nullptr, false);
    ASSERT_TRUE(config.is_object());
    EXPECT_EQ(config["pulsarServiceURL"], "pulsar://127.0.0.1:6650");
    EXPECT_EQ(config["sourceSpecsTopic"], "in");
    EXPECT_EQ(config["sourceInputSpecs"]["in"], R"({"receiverQueueSize":{"value":7}})");
    EXPECT_EQ(config["sinkSpecsTopic"], "out");
    EXPECT_EQ(config["userConfig"], R"({"k":"v w"})");
    const std::map<std::string, int> numbers = {{"port", 10},
                                                {"metricsPort", 11},
                                                {"instanceID", 1},
                                                {"subscriptionType", 1},
                                                {"receiverQueueSize", 7},
                                                {"subscriptionPosition", 1},
                                                {"runtime", 3},
                                                {"expectedHealthCheckInterval", 30}};
    for (const auto& [name, value] : numbers) EXPECT_EQ(config[name], value) << name;
}

TEST(ProgramCommand, other_languages_have_none) {
    const auto command =
        program_command(spec_of(Language::python, details_of(::proto::FunctionDetails::PYTHON)), {1, 2});
    ASSERT_FALSE(command);
    EXPECT_EQ(command.error().code, ErrorCode::not_supported);
}

TEST(SplitFlags, parts_at_blanks_outside_of_quotes) {
    EXPECT_THAT(split_flags(""), ElementsAre());
    EXPECT_THAT(split_flags("  -a\t-b \n"), ElementsAre("-a", "-b"));
    EXPECT_THAT(split_flags(R"(-a="b  c" -d"e f")"), ElementsAre(R"(-a="b  c")", R"(-d"e f")"));
    EXPECT_THAT(split_flags(R"(-a "open end)"), ElementsAre("-a", R"("open end)"));
}

}  // namespace
}  // namespace weft::runtime
