#include "runtime/program_command.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pulsar/one_broker.h"
#include "runtime/java_runtime.h"
#include "wire/proto/Function.pb.h"

// autoAck is deprecated in Pulsar's proto and still what its SDKs read.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace weft::runtime {
namespace {

using ::proto::FunctionDetails;

constexpr int kBufferedTuplesMax = 1024;
constexpr int kPendingAsyncRequests = 1000;
constexpr std::string_view kNoSecretsClass =
    "org.apache.pulsar.functions.secretsprovider.ClearTextSecretsProvider";

/// On one line, members that have their defaults left out, as Java prints it.
Result<std::string> json_of(const google::protobuf::Message& message) {
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(message, &text);
    if (!status.ok())
        return fail(ErrorCode::invalid_argument,
                    "the function can't be written as JSON: ", std::string_view(status.message()));
    return text;
}

/// What other programs than ours understand.
std::string plain_service_url(std::string_view url) {
    if (url.ends_with(pulsar::kOneBroker)) url.remove_suffix(pulsar::kOneBroker.size());
    return std::string(url);
}

std::int64_t seconds_of(Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

class Command {
  public:
    template <class... Words>
    void add(const Words&... words) {
        (list_.push_back(str_cat(words)), ...);
    }
    void add_all(const std::vector<std::string>& words) {
        list_.insert(list_.end(), words.begin(), words.end());
    }
    std::vector<std::string> take() && { return std::move(list_); }

  private:
    std::vector<std::string> list_;
};

bool has_secrets(const FunctionDetails& details) {
    return !details.secretsmap().empty() && details.secretsmap() != "{}";
}

Result<nlohmann::json> secrets_of(const FunctionDetails& details) {
    auto secrets = nlohmann::json::parse(details.secretsmap(), nullptr, false);
    if (!secrets.is_object()) return fail(ErrorCode::invalid_argument, "secrets is not a JSON object");
    return secrets;
}

/// The instance asks its provider for what is in there, and logs it: the names alone.
Result<> leave_names_only(FunctionDetails& details) {
    WEFT_TRY(auto secrets, secrets_of(details));
    for (auto& secret : secrets) secret = "";
    details.set_secretsmap(secrets.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return {};
}

void add_jvm(Command& command, const InstanceSpec& spec, const FunctionDetails& details) {
    const JavaSettings& java = spec.java;
    const bool extra = !java.extra_dependencies.empty();
    command.add(java.program, "-cp",
                extra ? str_cat(java.instance_jar, ':', java.extra_dependencies, "/*") : java.instance_jar);
    if (extra) command.add(str_cat("-Dpulsar.functions.extra.dependencies.dir=", java.extra_dependencies));
    const bool secrets = has_secrets(details);
    command.add(str_cat("-Dpulsar.functions.instance.classpath=", java.class_path, secrets ? ":" : "",
                        secrets ? secrets_jar() : ""));
    // Of the two log configurations in the jar the one that writes to standard output, which is the worker's.
    command.add("-Dlog4j.configurationFile=kubernetes_instance_log4j2.xml");
    command.add(str_cat("-Dpulsar.function.log.dir=", spec.scratch_directory),
                str_cat("-Dpulsar.function.log.file=", details.name(), '-', spec.instance_id));
    for (const char* const netty : {"", "org.apache.pulsar.shade.", "io.grpc.netty.shaded."})
        command.add(str_cat("-D", netty, "io.netty.tryReflectionSetAccessible=true"));
    for (const char* const package : {"java.nio", "jdk.internal.misc", "java.util.zip"})
        command.add("--add-opens", str_cat("java.base/", package, "=ALL-UNNAMED"));
    if (spec.containment.level != containment::Level::none) {  // /tmp is not the function's
        command.add("-XX:-UsePerfData", str_cat("-Djava.io.tmpdir=", spec.scratch_directory));
    }
    command.add_all(java.arguments);
    command.add_all(split_flags(details.runtimeflags()));
    if (details.resources().ram() > 0) command.add(str_cat("-Xmx", details.resources().ram()));
    command.add("org.apache.pulsar.functions.instance.JavaInstanceMain");
}

bool is_secured(const InstanceSpec& spec) {
    return !spec.security.auth_plugin.empty() || security::is_tls_url(spec.service_url);
}

/// The issuer, and the file that holds what it is to be told.
Result<> add_oauth2(Command& command, const security::ClientSettings& security) {
    WEFT_TRY(const auto settings, security::OAuth2Settings::parse(security.auth_params));
    if (settings.key_file.empty())
        return fail(
            ErrorCode::not_supported,
            "a Java function is told who it is on its command line, which everybody can read: put the "
            "client's id and secret into a file, and give it as privateKey, file:///PATH, in "
            "brokerClientAuthenticationParameters");
    command.add("--client_auth_plugin", security::kOAuth2Plugin);
    command.add("--client_auth_params", settings.java_parameters());
    return {};
}

/// Who the function is towards the broker. Everybody on the machine can read a command line: it names files.
Result<> add_security(Command& command, const InstanceSpec& spec) {
    constexpr std::string_view kPackage = "org.apache.pulsar.client.impl.auth.";
    const security::ClientSettings& security = spec.security;
    if (security::is_oauth2(security.auth_plugin)) {
        WEFT_TRY_VOID(add_oauth2(command, security));
    } else if (!security.auth_plugin.empty()) {
        WEFT_TRY(const auto credentials,
                 security::Credentials::create(security.auth_plugin, security.auth_params));
        const std::string& method = credentials->method();
        const bool in_file =
            method == "tls" || (method == "token" && security.auth_params.starts_with("file:"));
        if (method != "none" && !in_file) {
            return fail(
                ErrorCode::not_supported,
                "a Java function is told who it is on its command line, which everybody can read: put the "
                "worker's token into a file, and give file:///PATH as brokerClientAuthenticationParameters");
        }
        if (method != "none") {
            command.add("--client_auth_plugin",
                        str_cat(kPackage, method == "tls" ? "AuthenticationTls" : "AuthenticationToken"));
            command.add("--client_auth_params", security.auth_params);
        }
    }
    const auto flag = [](bool on) { return on ? "true" : "false"; };
    command.add("--use_tls", flag(security::is_tls_url(spec.service_url)));
    command.add("--tls_allow_insecure", flag(security.allow_insecure));
    command.add("--hostname_verification_enabled", flag(security.verify_hostname));
    if (!security.tls.trust_certs.empty()) command.add("--tls_trust_cert_path", security.tls.trust_certs);
    return {};
}

Result<std::vector<std::string>> java_command(const InstanceSpec& spec, FunctionDetails details,
                                              InstancePorts ports) {
    if (has_secrets(details)) WEFT_TRY_VOID(leave_names_only(details));
    WEFT_TRY(const std::string json, json_of(details));
    Command command;
    add_jvm(command, spec, details);
    command.add("--jar", spec.package_path);
    command.add("--instance_id", spec.instance_id);
    command.add("--function_id", spec.function_id);
    command.add("--function_version", spec.function_version);
    command.add("--function_details", str_cat('\'', json, '\''));  // the instance takes the quotes off
    command.add("--pulsar_serviceurl", plain_service_url(spec.service_url));
    if (is_secured(spec)) WEFT_TRY_VOID(add_security(command, spec));
    command.add("--max_buffered_tuples", kBufferedTuplesMax);
    command.add("--port", ports.control);
    command.add("--metrics_port", ports.metrics);
    command.add("--pending_async_requests", kPendingAsyncRequests);
    command.add("--expected_healthcheck_interval", seconds_of(kHealthCheckExpected));
    command.add("--secrets_provider", has_secrets(details) ? kSecretsClass : kNoSecretsClass);
    command.add("--cluster_name", spec.cluster_name);
    return std::move(command).take();
}

nlohmann::json go_source(const FunctionDetails& details) {
    const auto& source = details.source();
    nlohmann::json config{
        {"subscriptionType", static_cast<int>(source.subscriptiontype())},
        {"timeoutMs", source.timeoutms()},
        {"subscriptionName", source.subscriptionname()},
        {"cleanupSubscription", source.cleanupsubscription()},
        {"subscriptionPosition", static_cast<int>(source.subscriptionposition())},
    };
    for (const auto& [topic, input] : source.inputspecs()) {
        config["sourceInputSpecs"][topic] = json_of(input).value_or("{}");
        config["sourceSpecsTopic"] = topic;
        config["sourceSchemaType"] = input.schematype();
        config["receiverQueueSize"] = input.receiverqueuesize().value();
        config["regexPatternSubscription"] = input.isregexpattern();
        config["isRegexPatternSubscription"] = input.isregexpattern();  // the name that the SDK reads
    }
    return config;
}

Result<std::vector<std::string>> go_command(const InstanceSpec& spec, const FunctionDetails& details,
                                            InstancePorts ports) {
    if (is_secured(spec))
        return fail(
            ErrorCode::not_supported,
            "Pulsar's SDK for Go does not know who it is towards a broker that asks, nor TLS: write the "
            "function in another language");
    nlohmann::json config{
        {"pulsarServiceURL", plain_service_url(spec.service_url)},
        {"pulsarWebServiceUrl", spec.web_service_url},
        {"instanceID", spec.instance_id},
        {"funcID", spec.function_id},
        {"funcVersion", spec.function_version},
        {"maxBufTuples", kBufferedTuplesMax},
        {"port", ports.control},
        {"clusterName", spec.cluster_name},
        {"killAfterIdleMs", 0},
        {"expectedHealthCheckInterval", seconds_of(kHealthCheckExpected)},
        {"tenant", details.tenant()},
        {"nameSpace", details.namespace_()},
        {"name", details.name()},
        {"className", details.classname()},
        {"logTopic", details.logtopic()},
        {"processingGuarantees", static_cast<int>(details.processingguarantees())},
        {"secretsMap", details.secretsmap()},
        {"userConfig", details.userconfig()},
        {"runtime", static_cast<int>(details.runtime())},
        {"autoAck", details.autoack()},
        {"parallelism", details.parallelism()},
        {"sinkSpecsTopic", details.sink().topic()},
        {"sinkSchemaType", details.sink().schematype()},
        {"cpu", details.resources().cpu()},
        {"ram", details.resources().ram()},
        {"disk", details.resources().disk()},
        {"metricsPort", ports.metrics},
    };
    config.update(go_source(details));
    WEFT_TRY(config["functionDetails"], json_of(details));
    Command command;
    command.add(spec.package_path, "-instance-conf",
                config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return std::move(command).take();
}

}  // namespace

Result<std::vector<std::string>> program_command(const InstanceSpec& spec, InstancePorts ports) {
    FunctionDetails details;
    if (!details.ParseFromString(spec.function_details))
        return fail(ErrorCode::corrupt, "the instance's function details don't parse");
    if (spec.language != Language::java && has_secrets(details))
        return fail(ErrorCode::not_supported,
                    "a program of Pulsar's SDK for Go is told all on its command line, which everybody can "
                    "read: leave "
                    "secrets out, or write the function in Java, Python or C++");
    if (spec.language == Language::java) return java_command(spec, std::move(details), ports);
    if (spec.language == Language::go) return go_command(spec, details, ports);
    return fail(ErrorCode::not_supported, "only Java and Go functions are programs of their own");
}

Result<std::string> program_input(const InstanceSpec& spec) {
    FunctionDetails details;
    if (!details.ParseFromString(spec.function_details))
        return fail(ErrorCode::corrupt, "the instance's function details don't parse");
    std::string input;
    if (spec.language != Language::java || !has_secrets(details)) return input;
    const auto add_number = [&input](std::size_t number) {
        for (const unsigned shift : {24U, 16U, 8U, 0U}) input.push_back(static_cast<char>(number >> shift));
    };
    const auto add = [&](const std::string& text) {
        add_number(text.size());
        input.append(text);
    };
    WEFT_TRY(const auto secrets, secrets_of(details));
    const auto given = [](const nlohmann::json& secret) { return !secret.is_null(); };
    add_number(static_cast<std::size_t>(std::ranges::count_if(secrets, given)));
    for (const auto& [name, secret] : secrets.items()) {
        if (!given(secret)) continue;  // as with Pulsar: there is none
        add(name);
        add(secret.is_string() ? secret.get<std::string>() : secret.dump());
    }
    return input;
}

std::vector<std::string> split_flags(std::string_view text) {
    std::vector<std::string> flags;
    std::string flag;
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') quoted = !quoted;
        const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (!blank || quoted) {
            flag.push_back(c);
        } else if (!flag.empty()) {
            flags.push_back(std::exchange(flag, {}));
        }
    }
    if (!flag.empty()) flags.push_back(std::move(flag));
    return flags;
}

}  // namespace weft::runtime
