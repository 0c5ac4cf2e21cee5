#include "access_settings.h"

#include <algorithm>

namespace weft::app {

std::vector<std::string> names_in(const config::SettingsView& settings, std::string_view key) {
    std::vector<std::string> names;
    for (std::string_view all : settings.list(key)) {
        while (!all.empty()) {
            const auto comma = std::min(all.find(','), all.size());
            std::string name(all.substr(0, comma));
            std::erase_if(name, [](char c) { return c == ' ' || c == '\t'; });
            if (!name.empty()) names.push_back(std::move(name));
            all.remove_prefix(std::min(comma + 1, all.size()));
        }
    }
    return names;
}

security::AuthenticationSettings authentication_settings(const config::SettingsView& settings,
                                                         std::string_view prefix) {
    const auto text = [&](std::string_view name) {
        return settings.text(str_cat(prefix, name)).value_or("");
    };
    security::AuthenticationSettings asked;
    asked.enabled = true;
    asked.providers = names_in(settings, "authenticationProviders");
    asked.token_secret_key = text("tokenSecretKey");
    asked.token_public_key = text("tokenPublicKey");
    asked.token_public_alg = text("tokenPublicAlg");
    asked.token_auth_claim = text("tokenAuthClaim");
    asked.token_audience_claim = text("tokenAudienceClaim");
    asked.token_audience = text("tokenAudience");
    asked.token_clock_skew_seconds =
        settings.integer(str_cat(prefix, "tokenAllowedClockSkewSeconds")).value_or(0);
    asked.basic_file = text("basicAuthConf");
    asked.anonymous_role = text("anonymousUserRole");
    return asked;
}

Result<security::TlsRules> tls_rules_of(const config::SettingsView& settings, const TlsKeys& keys) {
    security::TlsRules rules{names_in(settings, keys.protocols), names_in(settings, keys.ciphers)};
    const auto good = security::check(rules);
    if (good) return rules;
    const std::string& why = good.error().message;
    return settings.refuse(why.starts_with("protocol") ? keys.protocols : keys.ciphers, why);
}

Result<std::shared_ptr<security::TlsServer>> tls_server_of(const config::SettingsView& settings,
                                                           const security::TlsFiles& files, bool required,
                                                           const security::TlsRules& rules) {
    using Clients = security::TlsServer::ClientCertificate;
    auto made = security::TlsServer::create(files, required ? Clients::required : Clients::optional, rules);
    if (made) return made;
    const std::string& why = made.error().message;
    return settings.refuse(why.starts_with("private key")            ? "tlsKeyFilePath"
                           : why.starts_with("trusted certificates") ? "tlsTrustCertsFilePath"
                                                                     : "tlsCertificateFilePath",
                           why);
}

}  // namespace weft::app
