#include "worker_settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "access_settings.h"
#include "admin_client.h"
#include "function_options.h"
#include "http_limits.h"
#include "observe/log.h"
#include "pulsar/service_url.h"
#include "secrets_settings.h"
#include "service.h"
#include "worker/function_credentials.h"
#include "worker_access.h"

namespace weft::app {

namespace {

constexpr std::string_view kRuntimes = "org.apache.pulsar.functions.runtime.";

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "localhost";
}

/// The environment as it was; those with this prefix are taken out of it, for they can hold credentials, and
/// instances inherit what stands there.
std::map<std::string, std::string> take_out_of_environment(std::string_view prefix) {
    auto environment = config::environment_of(::environ);
    for (const auto& [variable, value] : environment) {
        if (variable.starts_with(prefix)) unsetenv(variable.c_str());
    }
    return environment;
}

class Reading {
  public:
    Reading(const config::Settings& settings, const config::Arguments& arguments)
        : settings_(config::worker_keys(), settings), arguments_(arguments) {}

    Result<WorkerStart> start() {
        WEFT_TRY_VOID(take_function_options(arguments_, start_.options));
        start_.options.broker = worker::BrokerPlace::elsewhere;
        start_.bind = arguments_.text("--bind");
        WEFT_TRY_VOID(take_identity());
        WEFT_TRY_VOID(take_http());
        take_security();
        WEFT_TRY_VOID(take_secrets());
        WEFT_TRY_VOID(take_function_credentials());
        WEFT_TRY_VOID(take_tls());
        WEFT_TRY(start_.options.access, worker_access_of(settings_));
        start_.options.access.audit_file = arguments_.text("--audit-log");
        WEFT_TRY_VOID(take_broker());
        WEFT_TRY_VOID(take_topics());
        WEFT_TRY_VOID(take_runtime());
        start_.options.package_management =
            settings_.boolean("functionsWorkerEnablePackageManagement").value_or(false);
        auto& urls = start_.options.package_urls;
        take_package_urls("functionsDirectory", "enableReferencingFunctionsDirectoryFiles", urls.functions);
        take_package_urls("connectorsDirectory", "enableReferencingConnectorDirectoryFiles", urls.connectors);
        WEFT_TRY_VOID(take_cluster());
        WEFT_TRY_VOID(worker::check_function_credentials(start_.options));
        return std::move(start_);
    }

    Result<worker::WorkerOptions> beside_broker() {
        for (const auto key : {"tlsEnabled", "authenticationEnabled", "authorizationEnabled"}) {
            if (settings_.boolean(key).value_or(false))
                return settings_.refuse(key, "leave it out: beside a broker the settings of --conf hold");
        }
        WEFT_TRY_VOID(take_function_options(arguments_, start_.options));
        WEFT_TRY_VOID(take_secrets());
        WEFT_TRY_VOID(take_function_credentials());
        WEFT_TRY_VOID(take_topics());
        WEFT_TRY_VOID(take_runtime());
        WEFT_TRY_VOID(take_cluster());
        return std::move(start_.options);
    }

  private:
    // The option, else the key, else what is there.
    void take(std::string_view option, std::string_view key, std::string& into) const {
        if (auto value = settings_.text(key)) into = *value;
        if (!option.empty() && arguments_.has(option)) into = arguments_.text(option);
    }
    std::unexpected<Error> refuse(std::string_view option, std::string_view key,
                                  std::string_view cure) const {
        if (arguments_.has(option))
            return fail(ErrorCode::invalid_argument, option, ' ', arguments_.text(option), ": ", cure);
        return settings_.refuse(key, cure);
    }

    Result<> take_identity() {
        auto& options = start_.options;
        options.hostname = host_name();
        take("--worker-hostname", "workerHostname", options.hostname);
        take("--worker-id", "workerId", options.worker_id);
        options.data_dir = "weft-data";
        std::string folder = options.data_dir;
        take("--data-dir", "downloadDirectory", folder);
        options.data_dir = folder;
        if (options.worker_id.contains(':') || options.hostname.contains(':')) {
            return refuse(options.worker_id.contains(':') ? "--worker-id" : "--worker-hostname",
                          options.worker_id.contains(':') ? "workerId" : "workerHostname",
                          "leave out the colons: they part id, host and port in the workers' membership");
        }
        return {};
    }

    Result<> take_http() {
        if (arguments_.has("--worker-port")) {
            WEFT_TRY(start_.port, port_of(arguments_, "--worker-port"));
        } else if (settings_.is_null("workerPort")) {
            if (!settings_.boolean("tlsEnabled").value_or(false))
                return settings_.refuse("workerPort",
                                        "give a port: without tlsEnabled the worker has no other");
            start_.port.reset();
        } else {
            WEFT_TRY(start_.port, port_at("workerPort", *start_.port));
        }
        WEFT_TRY(start_.port_tls, port_at("workerPortTls", start_.port_tls));
        return take_http_limits(settings_, start_.http);
    }

    Result<std::uint16_t> port_at(std::string_view key, std::uint16_t fallback) const {
        const std::int64_t port = settings_.integer(key).value_or(fallback);
        if (port < 0 || port > 65535)
            return settings_.refuse(key, "a port is from 1 to 65535, or 0 for a free one");
        return static_cast<std::uint16_t>(port);
    }

    // The worker's own https, and whether it can go to the others of its cluster over theirs.
    Result<> take_tls() {
        WEFT_TRY(const auto rules, tls_rules_of(settings_, kWebTls));
        if (!settings_.boolean("tlsEnabled").value_or(false)) return {};
        if (settings_.is_null("workerPortTls"))
            return settings_.refuse("workerPortTls", "give a port: tlsEnabled is true");
        auto& files = start_.tls_files;
        take("", "tlsCertificateFilePath", files.certificate);
        take("", "tlsKeyFilePath", files.key);
        take("", "tlsTrustCertsFilePath", files.trust_certs);
        if (files.certificate.empty() || files.key.empty())
            return settings_.refuse("tlsEnabled",
                                    "give tlsCertificateFilePath and tlsKeyFilePath, PEM files");
        const bool required = settings_.boolean("tlsRequireTrustedClientCertOnConnect").value_or(false);
        start_.tls_required = required;
        if (required && files.trust_certs.empty())
            return settings_.refuse("tlsRequireTrustedClientCertOnConnect",
                                    "name the authorities of clients' certificates in tlsTrustCertsFilePath");
        WEFT_TRY(start_.tls, tls_server_of(settings_, files, required, rules));
        return check_security("https://");
    }

    // Values that can't be used show when the clients are made of them, in take_broker().
    void take_security() {
        auto& security = start_.options.broker_security;
        if (settings_.boolean("brokerClientAuthenticationEnabled").value_or(true)) {
            take("", "clientAuthenticationPlugin", security.auth_plugin);
            take("", "clientAuthenticationParameters", security.auth_params);
            take("", "brokerClientAuthenticationPlugin", security.auth_plugin);
            take("", "brokerClientAuthenticationParameters", security.auth_params);
        }
        take("", "tlsTrustCertsFilePath", security.tls.trust_certs);
        take("", "brokerClientTrustCertsFilePath", security.tls.trust_certs);
        security.allow_insecure = settings_.boolean("tlsAllowInsecureConnection").value_or(false);
        security.verify_hostname = settings_.boolean("tlsEnableHostnameVerification").value_or(true);
    }

    Result<> take_secrets() {
        WEFT_TRY(auto chosen, secrets_of(settings_, take_out_of_environment(security::kSecretVariable)));
        start_.options.secrets = std::move(chosen.provider);
        start_.options.secrets_files = std::move(chosen.files);
        return {};
    }

    Result<> take_function_credentials() {
        constexpr std::string_view kClass = "functionAuthProviderClassName", kFile = worker::kKeyFileSetting;
        const auto given = settings_.text(kClass), file = settings_.text(kFile);
        if (!given && file) return settings_.refuse(kFile, str_cat("leave it out: it goes with ", kClass));
        if (!given) return {};
        if (given->ends_with("KubernetesSecretsTokenAuthProvider") ||
            given->ends_with("KubernetesServiceAccountTokenAuthProvider"))
            return settings_.refuse(kClass, str_cat("it needs Kubernetes: give ", worker::kTokenProvider));
        if (*given != worker::kTokenProvider)
            return settings_.refuse(kClass, str_cat("leave it out, or give ", worker::kTokenProvider));
        if (!file)
            return settings_.refuse(kClass,
                                    str_cat("tokens are stored encrypted: give ", kFile,
                                            ", a file that `weft function-credentials create-key` makes"));
        if (!file->starts_with('/')) return settings_.refuse(kFile, "give the whole path of a file");
        auto keys = security::watch_credential_keys(*file);
        if (!keys) return settings_.refuse(kFile, keys.error().message);
        start_.options.credential_keys = std::move(*keys);
        start_.options.credential_key_file = *file;
        return {};
    }

    // Names the key whose value can't be used.
    Result<> check_security(std::string_view url) const {
        const auto made = http::client_security(start_.options.broker_security, url);
        if (made) return {};
        const bool of_plugin = made.error().code == ErrorCode::not_supported;
        const bool of_files = made.error().message.starts_with("trusted certificates");
        std::string_view key = of_plugin  ? "brokerClientAuthenticationPlugin"
                               : of_files ? "brokerClientTrustCertsFilePath"
                                          : "brokerClientAuthenticationParameters";
        if (of_plugin && !settings_.text(key)) key = "clientAuthenticationPlugin";
        if (of_files && !settings_.text(key)) key = "tlsTrustCertsFilePath";
        if (!of_plugin && !of_files && !settings_.text(key)) key = "clientAuthenticationParameters";
        return settings_.refuse(key, made.error().message);
    }

    Result<> take_broker() {
        take("--service-url", "pulsarServiceUrl", start_.service_url);
        take("--admin-url", "pulsarWebServiceUrl", start_.web_url);
        if (settings_.boolean("useTls").value_or(false) && start_.service_url.starts_with("pulsar://"))
            start_.service_url.insert(std::string_view("pulsar").size(), "+ssl");
        if (const auto hosts = pulsar::parse_service_url(start_.service_url); !hosts)
            return refuse("--service-url", "pulsarServiceUrl", hosts.error().message);
        if (!start_.web_url.starts_with("http://") && !start_.web_url.starts_with("https://"))
            return refuse("--admin-url", "pulsarWebServiceUrl", "give http://host:port or https://host:port");
        if (start_.web_url.contains(','))
            return refuse("--admin-url", "pulsarWebServiceUrl", "give one host (or the name of all of them)");
        WEFT_TRY_VOID(check_security(start_.service_url));
        return check_security(start_.web_url);
    }

    Result<> take_topics() {
        auto& options = start_.options;
        take("", "pulsarFunctionsNamespace", options.functions_namespace);
        take("", "pulsarFunctionsCluster", options.cluster_name);
        take("", "functionMetadataTopicName", options.topic_words.metadata);
        take("", "clusterCoordinationTopicName", options.topic_words.coordinate);
        take("", "functionAssignmentTopicName", options.topic_words.assignments);
        const std::string& ns = options.functions_namespace;
        if (std::ranges::count(ns, '/') != 1 || ns.starts_with('/') || ns.ends_with('/'))
            return settings_.refuse("pulsarFunctionsNamespace", "give tenant/namespace");
        for (const auto key :
             {"functionMetadataTopicName", "clusterCoordinationTopicName", "functionAssignmentTopicName"}) {
            if (settings_.text(key).value_or("").contains('/'))
                return settings_.refuse(key, "give the topic's own name: it is in pulsarFunctionsNamespace");
        }
        return {};
    }

    Result<> take_runtime() {
        constexpr std::string_view kMap = "functionRuntimeFactoryConfigs.";
        runtime::JavaOptions& java = start_.options.java;
        take("", str_cat(kMap, "javaInstanceJarLocation"), java.instance_jar);
        take("", str_cat(kMap, "functionInstanceClassPath"), java.class_path);
        take("", str_cat(kMap, "extraFunctionDependenciesDir"), java.extra_dependencies);
        java.arguments = settings_.list("additionalJavaRuntimeArguments");
        const auto factory = settings_.text("functionRuntimeFactoryClassName");
        if (!factory || arguments_.has("--function-runtime")) return {};
        if (*factory == str_cat(kRuntimes, "process.ProcessRuntimeFactory")) return {};
        if (*factory != str_cat(kRuntimes, "thread.ThreadRuntimeFactory")) {
            return settings_.refuse("functionRuntimeFactoryClassName",
                                    str_cat("give ", kRuntimes, "process.ProcessRuntimeFactory or ",
                                            kRuntimes, "thread.ThreadRuntimeFactory"));
        }
        start_.options.function_runtime = worker::FunctionRuntime::thread;
        return {};
    }

    void take_package_urls(std::string_view folder, std::string_view enabled,
                           worker::PackageUrlRules& rules) {
        const std::string shipped = folder == "functionsDirectory" ? "./functions" : "./connectors";
        if (settings_.boolean(enabled).value_or(true))
            rules.folder = settings_.text(folder).value_or(shipped);
        rules.patterns = settings_.list(rules.patterns_key);
    }

    /// Pulsar's own defaults stand for Weft's, which are shorter: a file that came with Pulsar says nothing.
    Result<std::optional<std::int64_t>> milliseconds(std::string_view key, std::int64_t pulsars,
                                                     std::int64_t least, std::int64_t most) const {
        const auto given = settings_.integer(key);
        if (!given || *given == 0 || *given == pulsars) return std::nullopt;
        if (*given < least || *given > most)
            return settings_.refuse(key, str_cat("give ", least, " to ", most, " milliseconds"));
        return given;
    }

    Result<> take_cluster() {
        constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour, kYearSeconds = 31'536'000;
        WEFT_TRY(const auto look, milliseconds("failureCheckFreqMs", 30'000, 50, kHour));
        if (look) start_.options.look_every = std::chrono::milliseconds(*look);
        WEFT_TRY(const auto grace, milliseconds("rescheduleTimeoutMs", 60'000, 1, kDay));
        if (grace) start_.options.reschedule_after = std::chrono::milliseconds(*grace);
        if (arguments_.has("--reschedule-after")) {
            const std::int64_t given = arguments_.integer("--reschedule-after");
            if (given < 0 || given > kDay) {
                return fail(ErrorCode::invalid_argument, "--reschedule-after ", given, ": give 0 to ", kDay,
                            " milliseconds");
            }
            start_.options.reschedule_after = std::chrono::milliseconds(given);
        }
        const std::int64_t rebalance = settings_.integer("rebalanceCheckFreqSec").value_or(0);
        if (rebalance > kYearSeconds)
            return settings_.refuse("rebalanceCheckFreqSec", str_cat("give at most ", kYearSeconds));
        if (rebalance > 0) start_.options.rebalance_every = std::chrono::seconds(rebalance);
        if (const auto compaction = settings_.integer("topicCompactionFrequencySec")) {
            if (*compaction > kYearSeconds)
                return settings_.refuse("topicCompactionFrequencySec",
                                        str_cat("give at most ", kYearSeconds));
            start_.options.compact_every = std::chrono::seconds(std::max<std::int64_t>(*compaction, 0));
        }
        return {};
    }

    const config::SettingsView settings_;
    const config::Arguments& arguments_;
    WorkerStart start_;
};

}  // namespace

Result<config::Settings> read_worker_settings(const std::string& path) {
    config::Settings settings;
    if (!path.empty()) {
        WEFT_TRY(const std::string text, read_file(path));
        WEFT_TRY(settings, config::read_yaml(text, path));
    }
    config::take_environment(settings, "PF_", take_out_of_environment("PF_"));
    if (const auto old = settings.extract("useTLS"); !old.empty()) settings["useTls"] = old.mapped();
    return settings;
}

Result<> check_refused(config::KeyTable table, const config::Settings& settings) {
    std::string lines;
    for (const auto& finding : config::examine(table, settings)) {
        if (finding.kind == config::Finding::Kind::refused)
            str_append(lines, lines.empty() ? "" : "\n", finding.text);
    }
    if (!lines.empty()) return fail(ErrorCode::invalid_argument, lines);
    return {};
}

Result<worker::WorkerOptions> worker_beside_broker(const config::Settings& settings,
                                                   const config::Arguments& arguments) {
    WEFT_TRY_VOID(check_refused(config::worker_keys(), settings));
    return Reading(settings, arguments).beside_broker();
}

Result<WorkerStart> worker_start_of(const config::Settings& settings, const config::Arguments& arguments) {
    WEFT_TRY_VOID(check_refused(config::worker_keys(), settings));
    return Reading(settings, arguments).start();
}

std::string effective_config(const WorkerStart& start, const config::Settings& settings) {
    const auto& options = start.options;
    const bool threads = options.function_runtime == worker::FunctionRuntime::thread;
    const std::string id =
        options.worker_id.empty() ? str_cat(options.hostname, '-', start.told_port()) : options.worker_id;
    const auto flag = [](bool set) { return std::string(set ? "true" : "false"); };
    const std::pair<std::string_view, std::string> kValues[] = {
        {"workerId", id},
        {"workerHostname", options.hostname},
        {"workerPort", start.port ? str_cat(*start.port) : "null"},
        {"workerPortTls", start.tls ? str_cat(start.port_tls) : ""},
        {"tlsEnabled", flag(start.tls != nullptr)},
        {"authenticationEnabled", flag(options.access.authenticator != nullptr)},
        {"authorizationEnabled", flag(options.access.authorization)},
        {"authenticateMetricsEndpoint", flag(options.access.ask_on_pages)},
        {"tlsCertificateFilePath", start.tls_files.certificate},
        {"tlsKeyFilePath", start.tls_files.key},
        {"tlsTrustCertsFilePath", start.tls_files.trust_certs},
        {"tlsRequireTrustedClientCertOnConnect", flag(start.tls_required)},
        {"numHttpServerThreads", str_cat(start.http.threads)},
        {"maxHttpServerConnections", str_cat(start.http.connections_max)},
        {"maxConcurrentHttpRequests", str_cat(start.http.requests_waiting_max)},
        {"httpRequestsLimitEnabled", flag(start.http.requests_per_second_max > 0)},
        {"httpRequestsMaxPerSecond",
         start.http.requests_per_second_max > 0 ? str_cat(start.http.requests_per_second_max) : ""},
        {"pulsarServiceUrl", start.service_url},
        {"pulsarWebServiceUrl", start.web_url},
        {"brokerClientAuthenticationPlugin", options.broker_security.auth_plugin},
        {"brokerClientAuthenticationParameters", options.broker_security.auth_params},
        {"brokerClientTrustCertsFilePath", options.broker_security.tls.trust_certs},
        {"tlsAllowInsecureConnection", flag(options.broker_security.allow_insecure)},
        {"tlsEnableHostnameVerification", flag(options.broker_security.verify_hostname)},
        {"pulsarFunctionsNamespace", options.functions_namespace},
        {"pulsarFunctionsCluster", options.cluster_name},
        {"functionMetadataTopicName", options.topic_words.metadata},
        {"clusterCoordinationTopicName", options.topic_words.coordinate},
        {"functionAssignmentTopicName", options.topic_words.assignments},
        {"failureCheckFreqMs", str_cat(options.look_every / 1ms)},
        {"rescheduleTimeoutMs", str_cat(options.reschedule_after.value_or(1500ms) / 1ms)},
        {"rebalanceCheckFreqSec", str_cat(options.rebalance_every / 1s)},
        {"topicCompactionFrequencySec", str_cat(options.compact_every / 1s)},
        {"downloadDirectory", options.data_dir.native()},
        {"functionsWorkerEnablePackageManagement", options.package_management ? "true" : "false"},
        {"functionRuntimeFactoryClassName",
         str_cat(kRuntimes, threads ? "thread.ThreadRuntimeFactory" : "process.ProcessRuntimeFactory")},
    };
    const config::SettingsView view(config::worker_keys(), settings);
    std::string out;
    for (const auto& [name, value] : kValues) {
        if (value.empty()) continue;
        const auto it = settings.find(name);
        const bool from_file = it != settings.end() && view.text(name) == value;
        str_append(out, name, ": ", config::shown(config::find_key(config::worker_keys(), name), name, value),
                   from_file ? str_cat("  # ", it->second.where) : std::string(), '\n');
    }
    return out;
}

void log_findings(const std::vector<config::Finding>& findings) {
    const observe::Logger log("config");
    for (const auto& finding : findings) {
        if (finding.kind == config::Finding::Kind::unknown)
            log.warn("unknown setting", {{"setting", finding.text}});
        if (finding.kind == config::Finding::Kind::no_effect)
            log.info("setting without effect", {{"setting", finding.text}});
    }
}

}  // namespace weft::app
