#include "standalone_security.h"

#include <algorithm>

#include "access_settings.h"
#include "security/authentication.h"
#include "security/tokens.h"

namespace weft::app {

namespace {

constexpr std::string_view kOwnRole = "weft-standalone";

class Reading {
  public:
    explicit Reading(const config::SettingsView& settings) : settings_(settings) {}

    Result<StandaloneSecurity> read() {
        WEFT_TRY_VOID(take_tls());
        WEFT_TRY_VOID(take_authentication());
        WEFT_TRY_VOID(take_authorization());
        WEFT_TRY_VOID(take_own());
        return std::move(made_);
    }

  private:
    std::string text(std::string_view key) const { return settings_.text(key).value_or(""); }
    bool is_set(std::string_view key) const { return settings_.boolean(key).value_or(false); }
    Result<> take_port(std::string_view key, std::optional<std::uint16_t>& into) const {
        const auto port = settings_.integer(key);
        if (!port) return {};
        if (*port < 0 || *port > 65535)
            return settings_.refuse(key, "a port is from 1 to 65535, or 0 for a free one");
        into = static_cast<std::uint16_t>(*port);
        return {};
    }

    Result<> take_tls() {
        WEFT_TRY(const auto rules, tls_rules_of(settings_, kBrokerTls));
        WEFT_TRY(const auto web_rules, tls_rules_of(settings_, kWebTls));
        WEFT_TRY_VOID(take_port("brokerServicePortTls", made_.broker_port_tls));
        WEFT_TRY_VOID(take_port("webServicePortTls", made_.web_port_tls));
        const bool any = made_.broker_port_tls || made_.web_port_tls;
        made_.certificates_required = is_set("tlsRequireTrustedClientCertOnConnect");
        if (!any) {
            if (is_set("tlsEnabled"))
                return settings_.refuse("tlsEnabled", "give brokerServicePortTls and webServicePortTls");
            if (made_.certificates_required)
                return settings_.refuse("tlsRequireTrustedClientCertOnConnect",
                                        "give brokerServicePortTls and webServicePortTls");
            return {};
        }
        security::TlsFiles files{text("tlsTrustCertsFilePath"), text("tlsCertificateFilePath"),
                                 text("tlsKeyFilePath")};
        for (const auto key : {"tlsCertificateFilePath", "tlsKeyFilePath"}) {
            if (text(key).empty())
                return settings_.refuse(key, str_cat("a port for TLS needs it: give ", key, ", a PEM file"));
        }
        if (made_.certificates_required && files.trust_certs.empty())
            return settings_.refuse("tlsRequireTrustedClientCertOnConnect",
                                    "name the authorities of clients' certificates: tlsTrustCertsFilePath");
        if (is_set("tlsAllowInsecureConnection")) {
            if (made_.certificates_required)
                return settings_.refuse("tlsAllowInsecureConnection",
                                        "leave it out: tlsRequireTrustedClientCertOnConnect is true");
            files.trust_certs.clear();  // then clients are not asked for one
        }
        const bool required = made_.certificates_required;
        WEFT_TRY(made_.tls, tls_server_of(settings_, files, required, rules));
        WEFT_TRY(made_.web_tls, tls_server_of(settings_, files, required, web_rules));
        return {};
    }

    Result<> take_authentication() {
        if (!is_set("authenticationEnabled")) {
            for (const auto key :
                 {"authenticationProviders", "tokenSecretKey", "tokenPublicKey", "basicAuthConf"}) {
                if (!text(key).empty())
                    return settings_.refuse(key, "nobody is asked who he is: set authenticationEnabled=true");
            }
            return {};
        }
        const auto asked = authentication_settings(settings_, "");
        const bool by_certificate = std::ranges::any_of(
            asked.providers, [](const auto& name) { return name.ends_with("AuthenticationProviderTls"); });
        if (by_certificate && is_set("tlsAllowInsecureConnection"))
            return settings_.refuse("tlsAllowInsecureConnection",
                                    "leave it out: AuthenticationProviderTls has to look at certificates");
        if (by_certificate && (!made_.tls || text("tlsTrustCertsFilePath").empty()))
            return settings_.refuse("authenticationProviders",
                                    "AuthenticationProviderTls needs brokerServicePortTls or "
                                    "webServicePortTls, and tlsTrustCertsFilePath");
        WEFT_TRY(authenticator_, security::Authenticator::create(asked));
        const std::int64_t check = settings_.integer("authenticationRefreshCheckSeconds").value_or(60);
        if (check < 1 || check > 86'400)
            return settings_.refuse("authenticationRefreshCheckSeconds", "give 1 to 86400");
        made_.access.authenticator = authenticator_;
        made_.access.refresh_check = std::chrono::seconds(check);
        made_.access.ask_for_metrics = is_set("authenticateMetricsEndpoint");
        return {};
    }

    Result<> take_authorization() {
        auto& access = made_.access;
        access.authorization = is_set("authorizationEnabled");
        if (!access.authorization) return {};
        if (!authenticator_)
            return settings_.refuse("authorizationEnabled", "set authenticationEnabled=true with it");
        if (const std::string provider = text("authorizationProvider");
            !provider.empty() && provider != kAuthorizationProvider) {
            return settings_.refuse("authorizationProvider", "leave it out: Pulsar's default is served");
        }
        access.super_users = names_in(settings_, "superUserRoles");
        access.proxy_roles = names_in(settings_, "proxyRoles");
        access.wildcards = is_set("authorizationAllowWildcardsMatching");
        return {};
    }

    /// Who the standalone's own worker is: whom brokerClient* names, or one who has a secret of this process.
    Result<> take_own() {
        auto& own = made_.own;
        made_.own_over_tls = is_set("brokerClientTlsEnabled");
        own.tls = {text("brokerClientTrustCertsFilePath"), text("brokerClientCertificateFilePath"),
                   text("brokerClientKeyFilePath")};
        if (own.tls.certificate.empty() != own.tls.key.empty())
            return settings_.refuse("brokerClientCertificateFilePath",
                                    "it goes with brokerClientKeyFilePath: give both or none");
        own.verify_hostname = is_set("tlsHostnameVerificationEnabled");
        if (own.tls.trust_certs.empty()) own.tls.trust_certs = text("tlsCertificateFilePath");
        if (!authenticator_) return {};
        own.auth_plugin = text("brokerClientAuthenticationPlugin");
        own.auth_params = text("brokerClientAuthenticationParameters");
        if (!own.auth_plugin.empty()) {
            const auto credentials = security::Credentials::create(own.auth_plugin, own.auth_params);
            if (!credentials) {
                const bool of_plugin = credentials.error().code == ErrorCode::not_supported;
                return settings_.refuse(
                    of_plugin ? "brokerClientAuthenticationPlugin" : "brokerClientAuthenticationParameters",
                    credentials.error().message);
            }
            if ((*credentials)->method() == "tls") made_.own_over_tls = true;
            return {};
        }
        WEFT_TRY(const std::string bytes, security::new_secret("HS256"));
        const std::string secret = security::base64(bytes);
        own.auth_plugin = "token";
        own.auth_params = str_cat("token:", secret);
        made_.access.authenticator = security::with_own_secret(authenticator_, secret, std::string(kOwnRole));
        made_.access.super_users.emplace_back(kOwnRole);
        return {};
    }

    const config::SettingsView& settings_;
    std::shared_ptr<security::Authenticator> authenticator_;
    StandaloneSecurity made_;
};

}  // namespace

Result<StandaloneSecurity> standalone_security_of(const config::SettingsView& settings) {
    return Reading(settings).read();
}

}  // namespace weft::app
