#pragma once
// functions_worker.yml, where it says what functions' secrets are made of.

#include <map>
#include <memory>
#include <string>

#include "config/settings.h"
#include "security/secrets.h"

namespace weft::app {

struct ChosenSecrets {
    std::shared_ptr<const security::SecretsProvider> provider;
    std::map<std::string, std::string> files;  // what the worker shows to get them, by setting
};

/// Fails with the key that can't be honoured. `environment`: what the worker was started with.
Result<ChosenSecrets> secrets_of(const config::SettingsView& settings,
                                 std::map<std::string, std::string> environment);

}  // namespace weft::app
