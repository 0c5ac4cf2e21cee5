#include "worker_access.h"

#include "access_settings.h"
#include "security/authentication.h"

namespace weft::app {

namespace {

constexpr std::string_view kOfTokens[] = {
    "tokenSecretKey", "tokenPublicKey",     "tokenPublicAlg", "tokenAuthClaim",
    "tokenAudience",  "tokenAudienceClaim", "basicAuthConf",  "tokenAllowedClockSkewSeconds"};

Result<std::shared_ptr<const security::Authenticator>> authenticator_of(
    const config::SettingsView& settings) {
    const auto asked = authentication_settings(settings, "properties.");
    if (asked.providers.empty())
        return settings.refuse("authenticationEnabled",
                               "name AuthenticationProviderToken, AuthenticationProviderTls or "
                               "AuthenticationProviderBasic in authenticationProviders");
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
    if (settings.text("authorizationProvider").value_or(std::string(kAuthorizationProvider)) !=
        kAuthorizationProvider)
        return settings.refuse("authorizationProvider",
                               str_cat("leave it out, or give ", kAuthorizationProvider));
    access.super_users = names_in(settings, "superUserRoles");
    access.proxy_roles = names_in(settings, "proxyRoles");
    access.ask_on_pages = settings.boolean("authenticateMetricsEndpoint").value_or(true);
    return access;
}

}  // namespace weft::app
