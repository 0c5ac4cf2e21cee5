#pragma once
// What standalone.conf, broker.conf and functions_worker.yml have in common where they say who is let in.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "security/authentication.h"
#include "security/tls.h"

namespace weft::app {

/// The one authorizationProvider that is served.
inline constexpr std::string_view kAuthorizationProvider =
    "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider";

/// A list of YAML, or one text with commas, as a .conf or a variable of the environment has it.
std::vector<std::string> names_in(const config::SettingsView& settings, std::string_view key);

/// authenticationEnabled is true; the keys of tokens and passwords stand behind `prefix`, "properties." in
/// functions_worker.yml.
security::AuthenticationSettings authentication_settings(const config::SettingsView& settings,
                                                         std::string_view prefix);

/// The keys that say what a port speaks.
struct TlsKeys {
    std::string_view protocols, ciphers;
};
inline constexpr TlsKeys kBrokerTls{"tlsProtocols", "tlsCiphers"};
inline constexpr TlsKeys kWebTls{"webServiceTlsProtocols", "webServiceTlsCiphers"};
/// Fails with the key that can't be honoured.
Result<security::TlsRules> tls_rules_of(const config::SettingsView& settings, const TlsKeys& keys);
/// Fails with the key of the file that can't be used. `required`: clients must show a certificate.
Result<std::shared_ptr<security::TlsServer>> tls_server_of(const config::SettingsView& settings,
                                                           const security::TlsFiles& files, bool required,
                                                           const security::TlsRules& rules);

}  // namespace weft::app
