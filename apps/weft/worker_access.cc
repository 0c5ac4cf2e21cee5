#include "worker_access.h"

#include <algorithm>

#include "security/authentication.h"

namespace weft::app {

namespace {

constexpr std::string_view kAuthorization =
    "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider";
constexpr std::string_view kOfTokens[] = {
    "tokenSecretKey", "tokenPublicKey",     "tokenPublicAlg", "tokenAuthClaim",
    "tokenAudience",  "tokenAudienceClaim", "basicAuthConf",  "tokenAllowedClockSkewSeconds"};

/// A list of YAML, or one text with commas, as a variable of the environment has it.
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

Result<std::shared_ptr<const security::Authenticator>> authenticator_of(
    const config::SettingsView& settings) {
    const auto property = [&](std::string_view name) {
        return settings.text(str_cat("properties.", name)).value_or("");
    };
    security::AuthenticationSettings asked;
    asked.enabled = true;
    asked.providers = names_in(settings, "authenticationProviders");
    if (asked.providers.empty())
        return settings.refuse("authenticationEnabled",
                               "name AuthenticationProviderToken, AuthenticationProviderTls or "
                               "AuthenticationProviderBasic in authenticationProviders");
    asked.token_secret_key = property("tokenSecretKey");
    asked.token_public_key = property("tokenPublicKey");
    asked.token_public_alg = property("tokenPublicAlg");
    asked.token_auth_claim = property("tokenAuthClaim");
    asked.token_audience_claim = property("tokenAudienceClaim");
    asked.token_audience = property("tokenAudience");
    asked.token_clock_skew_seconds = settings.integer("properties.tokenAllowedClockSkewSeconds").value_or(0);
    asked.basic_file = property("basicAuthConf");
    asked.anonymous_role = property("anonymousUserRole");
    auto made = security::Authenticator::create(asked);
    if (made) return std::shared_ptr<const security::Authenticator>(std::move(*made));
    const std::string& why = made.error().message;
    std::string key = "authenticationProviders";
    for (const auto name : kOfTokens) {
        if (why.starts_with(name) && settings.text(str_cat("properties.", name)))
            key = str_cat("properties.", name);
    }
    return settings.refuse(key, why);
}

}  // namespace

Result<worker::RestAccess> worker_access_of(const config::SettingsView& settings) {
    worker::RestAccess access;
    const bool known = settings.boolean("authenticationEnabled").value_or(false);
    access.authorization = settings.boolean("authorizationEnabled").value_or(false);
    if (access.authorization && !known)
        return settings.refuse("authorizationEnabled",
                               "set authenticationEnabled too: nobody is known without it");
    if (known) {
        WEFT_TRY(access.authenticator, authenticator_of(settings));
    }
    if (settings.text("authorizationProvider").value_or(std::string(kAuthorization)) != kAuthorization)
        return settings.refuse("authorizationProvider", str_cat("leave it out, or give ", kAuthorization));
    access.super_users = names_in(settings, "superUserRoles");
    access.proxy_roles = names_in(settings, "proxyRoles");
    access.ask_on_pages = settings.boolean("authenticateMetricsEndpoint").value_or(true);
    return access;
}

}  // namespace weft::app
