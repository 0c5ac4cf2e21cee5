#include "standalone_settings.h"

#include <unistd.h>

#include <cstdlib>

#include "admin_client.h"
#include "config/settings.h"
#include "function_options.h"
#include "http_limits.h"
#include "service.h"
#include "worker/function_credentials.h"
#include "worker/state_topics.h"
#include "worker_settings.h"

namespace weft::app {

namespace {

// As Pulsar's images do it: a key's name, or PULSAR_PREFIX_ and any name.
void take_broker_environment(config::Settings& settings) {
    constexpr std::string_view kPrefix = "PULSAR_PREFIX_";
    for (const auto& [variable, value] : config::environment_of(::environ)) {
        const bool prefixed = variable.starts_with(kPrefix);
        const std::string name = prefixed ? variable.substr(kPrefix.size()) : variable;
        const config::Key* const key = config::find_key(config::broker_keys(), name);
        if (!prefixed && (key == nullptr || key->name != name)) continue;
        config::Setting setting{.values = {}, .null = value.empty(), .where = "environment " + variable};
        if (!value.empty()) setting.values.push_back(value);
        settings[name] = std::move(setting);
        unsetenv(variable.c_str());  // it can hold a credential, and instances inherit what stands there
    }
}

Result<config::Settings> read_broker_settings(const std::string& path) {
    if (path.empty()) return config::Settings{};
    WEFT_TRY(const std::string text, read_file(path));
    WEFT_TRY(auto settings, config::read_properties(text, path));
    take_broker_environment(settings);
    return settings;
}

class Reading {
  public:
    Reading(const config::Settings& settings, const config::Arguments& arguments)
        : settings_(config::broker_keys(), settings), arguments_(arguments) {}

    Result<StandaloneStart> start() {
        start_.data_dir = arguments_.text("--data-dir");
        if (arguments_.text("--durability") == "page_cache")
            start_.durability = store::Durability::page_cache;
        auto& broker = start_.broker;
        broker.bind_address = text("--bind", "bindAddress");
        broker.advertised_address = text("--advertised-address", "advertisedAddress");
        broker.cluster = settings_.text("clusterName").value_or(broker.cluster);
        WEFT_TRY(start_.security, standalone_security_of(settings_));
        const auto& secure = start_.security;
        WEFT_TRY_VOID(take_port("--broker-port", "brokerServicePort", "brokerServicePortTls",
                                secure.broker_port_tls, broker.port));
        WEFT_TRY_VOID(take_port("--web-port", "webServicePort", "webServicePortTls", secure.web_port_tls,
                                start_.web_port));
        if (secure.broker_port_tls) {
            broker.tls = secure.tls;
            broker.port_tls = *secure.broker_port_tls;
        }
        broker.access = secure.access;
        WEFT_TRY_VOID(
            take("maxUnackedMessagesPerConsumer", {1, 1'000'000'000}, broker.unacked_per_consumer_max));
        WEFT_TRY_VOID(take("maxUnackedMessagesPerSubscription", {1, 1'000'000'000},
                           broker.unacked_per_subscription_max));
        WEFT_TRY_VOID(take("maxMessageSize", {1024, 128U << 20}, broker.message_bytes_max));
        WEFT_TRY_VOID(take_http_limits(settings_, start_.http));
        std::uint32_t header = 0;
        WEFT_TRY_VOID(take("httpMaxRequestHeaderSize", {1024, 1U << 20}, header));
        if (header != 0) start_.http.header_bytes_max = header;
        if (settings_.integer("brokerMaxConnections").value_or(0) != 0)
            WEFT_TRY_VOID(take("brokerMaxConnections", {1, 1'000'000}, broker.connections_max));
        WEFT_TRY_VOID(take("brokerMaxConnectionsPerIp", {0, 1'000'000}, broker.connections_per_address_max));
        if (const auto bytes = settings_.integer("brokerServiceCompactionThresholdInBytes")) {
            if (*bytes < 0)
                return settings_.refuse("brokerServiceCompactionThresholdInBytes", "give 0 (never) or more");
            broker.compaction_threshold = static_cast<std::uint64_t>(*bytes);
        }
        std::uint32_t keep_alive = 0;
        WEFT_TRY_VOID(take("keepAliveIntervalSeconds", {1, 86'400}, keep_alive));
        if (keep_alive != 0) broker.keep_alive = std::chrono::seconds(keep_alive);
        return std::move(start_);
    }

  private:
    struct Range {
        std::uint32_t min, max;
    };
    std::string text(std::string_view option, std::string_view key) const {
        if (arguments_.has(option)) return arguments_.text(option);
        return settings_.text(key).value_or(arguments_.text(option));
    }
    Result<> take_port(std::string_view option, std::string_view key, std::string_view tls_key,
                       const std::optional<std::uint16_t>& tls, std::optional<std::uint16_t>& into) const {
        WEFT_TRY(into, port_of(arguments_, option));
        if (arguments_.has(option)) return {};
        if (settings_.is_null(key)) {
            if (!tls) return settings_.refuse(key, str_cat("give a port, or ", tls_key));
            into.reset();
            return {};
        }
        const auto port = settings_.integer(key);
        if (port && (*port < 0 || *port > 65535))
            return settings_.refuse(key, "a port is from 1 to 65535, or 0 for a free one");
        if (port) into = static_cast<std::uint16_t>(*port);
        return {};
    }
    Result<> take(std::string_view key, Range range, std::uint32_t& into) const {
        const auto value = settings_.integer(key);
        if (!value) return {};
        if (*value < range.min || *value > range.max)
            return settings_.refuse(key, str_cat("give ", range.min, " to ", range.max));
        into = static_cast<std::uint32_t>(*value);
        return {};
    }

    const config::SettingsView settings_;
    const config::Arguments& arguments_;
    StandaloneStart start_;
};

Result<worker::WorkerOptions> worker_of(const config::Arguments& arguments, const StandaloneStart& start) {
    config::Settings settings;
    if (arguments.has("--functions-worker-conf")) {
        WEFT_TRY(settings, read_worker_settings(arguments.text("--functions-worker-conf")));
        log_findings(config::examine(config::worker_keys(), settings));
    }
    WEFT_TRY(auto options, worker_beside_broker(settings, arguments));
    options.data_dir = start.data_dir;
    options.cluster_name = start.broker.cluster;
    options.broker_security = start.security.own;
    const auto& access = start.broker.access;
    options.access = {.authenticator = access.authenticator,
                      .authorization = access.authorization,
                      .super_users = access.super_users,
                      .proxy_roles = access.proxy_roles,
                      .ask_on_pages = access.ask_for_metrics,
                      .audit_file = {}};
    WEFT_TRY_VOID(worker::check_function_credentials(options));
    return options;
}

// Whether the standalone's own worker can go to the broker that it is in.
Result<> check_own_way(const StandaloneStart& start, const config::SettingsView& settings) {
    const auto& secure = start.security;
    const bool any_tls = secure.broker_port_tls && secure.web_port_tls;
    if (secure.own_over_tls && !any_tls)
        return settings.refuse(settings.boolean("brokerClientTlsEnabled").value_or(false)
                                   ? "brokerClientTlsEnabled"
                                   : "brokerClientAuthenticationPlugin",
                               "give brokerServicePortTls and webServicePortTls");
    const bool over_tls = secure.own_over_tls || !start.broker.port || !start.web_port;
    if (over_tls && secure.certificates_required && secure.own.tls.certificate.empty() &&
        !secure.own.auth_plugin.ends_with("AuthenticationTls") && secure.own.auth_plugin != "tls") {
        return settings.refuse("tlsRequireTrustedClientCertOnConnect",
                               "the broker's own worker has to show a certificate: give "
                               "brokerClientCertificateFilePath and brokerClientKeyFilePath");
    }
    return {};
}

// What the workers keep in their topics is as old as the functions are; nobody needs how it came about.
void keep_compacted(broker::BrokerOptions& broker, const worker::WorkerOptions& options) {
    for (auto& topic : worker::state_topics(options.functions_namespace, options.topic_words)) {
        broker::KeptCompacted kept;
        if (topic.subject_of) {
            kept.key_of = [subject_of = std::move(topic.subject_of)](
                              std::optional<std::string_view> key,
                              std::string_view payload) -> std::optional<broker::CompactionKey> {
                auto subject = subject_of(key, payload);
                if (!subject) return std::nullopt;
                return broker::CompactionKey{std::move(subject->key), subject->removes, subject->version};
            };
        }
        broker.kept_compacted[std::move(topic.name)] = std::move(kept);
    }
}

}  // namespace

Result<StandaloneStart> standalone_start_of(const config::Arguments& arguments) {
    WEFT_TRY(const auto settings, read_broker_settings(arguments.text("--conf")));
    WEFT_TRY_VOID(check_refused(config::broker_keys(), settings));
    WEFT_TRY(auto start, Reading(settings, arguments).start());
    log_findings(config::examine(config::broker_keys(), settings));
    const bool enabled = config::SettingsView(config::broker_keys(), settings)
                             .boolean("functionsWorkerEnabled")
                             .value_or(true);
    if (enabled && !arguments.is_set("--no-functions-worker")) {
        WEFT_TRY(start.worker, worker_of(arguments, start));
        WEFT_TRY_VOID(check_own_way(start, config::SettingsView(config::broker_keys(), settings)));
    }
    keep_compacted(start.broker, start.worker ? *start.worker : worker::WorkerOptions{});
    return start;
}

}  // namespace weft::app
