#pragma once
// What standalone.conf, broker.conf and functions_worker.yml have in common where they say who is let in.

#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "security/authentication.h"

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

/// Refuses the key whose file TlsServer::create() couldn't use, for `why`.
std::unexpected<Error> refuse_tls_file(const config::SettingsView& settings, const std::string& why);

}  // namespace weft::app
