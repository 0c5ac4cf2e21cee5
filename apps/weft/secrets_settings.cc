#include "secrets_settings.h"

#include "http/client.h"
#include "security/vault_secrets.h"

namespace weft::app {

namespace {

constexpr std::string_view kClass = "secretsProviderConfiguratorClassName";
constexpr std::string_view kConfig = "secretsProviderConfiguratorConfig.";
constexpr std::string_view kPulsars =
    "org.apache.pulsar.functions.secretsproviderconfigurator.DefaultSecretsProviderConfigurator";
constexpr std::string_view kFiles = "weft.FileSecrets", kVault = "weft.VaultSecrets";
constexpr std::string_view kVariables = "weft.EnvironmentSecrets";

class Choosing {
  public:
    explicit Choosing(const config::SettingsView& settings)
        : settings_(settings), class_(settings.text(kClass).value_or(std::string(kPulsars))) {}

    Result<ChosenSecrets> choose(std::map<std::string, std::string> environment) const {
        if (class_ != kPulsars && class_ != kFiles && class_ != kVault && class_ != kVariables)
            return settings_.refuse(
                kClass, str_cat("give ", kPulsars, ", ", kFiles, ", ", kVault, " or ", kVariables));
        WEFT_TRY_VOID(check_members());
        if (class_ == kFiles) return files();
        if (class_ == kVault) return vault();
        if (class_ == kVariables)
            return ChosenSecrets{security::environment_secrets(std::move(environment)), {}};
        return ChosenSecrets{security::clear_text_secrets(), {}};
    }

  private:
    /// Each member is one provider's.
    Result<> check_members() const {
        constexpr std::pair<std::string_view, std::string_view> kMembers[] = {
            {"folder", kFiles},     {"address", kVault},   {"mount", kVault},        {"kvVersion", kVault},
            {"pathPrefix", kVault}, {"tokenFile", kVault}, {"roleIdFile", kVault},   {"secretIdFile", kVault},
            {"caCertFile", kVault}, {"timeoutMs", kVault}, {"appRoleMount", kVault},
        };
        for (const auto& [member, of] : kMembers) {
            if (of != class_ && text(member))
                return settings_.refuse(key(member), str_cat("leave it out: it is for ", of));
        }
        return {};
    }

    Result<ChosenSecrets> files() const {
        auto made = security::file_secrets(text("folder").value_or(""));
        if (!made)
            return settings_.refuse(text("folder") ? key("folder") : std::string(kClass),
                                    made.error().message);
        return ChosenSecrets{std::move(*made), {}};
    }

    Result<ChosenSecrets> vault() const {
        security::VaultSettings vault;
        const std::pair<std::string_view, std::string&> texts[] = {{"address", vault.address},
                                                                   {"mount", vault.mount},
                                                                   {"pathPrefix", vault.path_prefix},
                                                                   {"tokenFile", vault.token_file},
                                                                   {"roleIdFile", vault.role_id_file},
                                                                   {"secretIdFile", vault.secret_id_file},
                                                                   {"appRoleMount", vault.approle_mount},
                                                                   {"caCertFile", vault.ca_cert_file}};
        for (const auto& [member, into] : texts) {
            if (const auto given = text(member)) into = *given;
        }
        vault.kv_version = settings_.integer(key("kvVersion")).value_or(vault.kv_version);
        vault.timeout_ms = settings_.integer(key("timeoutMs")).value_or(vault.timeout_ms);
        if (const auto wrong = vault.wrong()) return settings_.refuse(key(wrong->member), wrong->cure);
        ChosenSecrets chosen;
        for (const std::string_view member : {"tokenFile", "roleIdFile", "secretIdFile"}) {
            if (const auto file = text(member)) chosen.files.emplace(key(member), *file);
        }
        auto made = security::vault_secrets(vault, http::exchange());
        if (!made) return settings_.refuse(key("caCertFile"), made.error().message);
        chosen.provider = std::move(*made);
        return chosen;
    }

    static std::string key(std::string_view member) { return str_cat(kConfig, member); }
    std::optional<std::string> text(std::string_view member) const { return settings_.text(key(member)); }

    const config::SettingsView& settings_;
    const std::string class_;
};

}  // namespace

Result<ChosenSecrets> secrets_of(const config::SettingsView& settings,
                                 std::map<std::string, std::string> environment) {
    return Choosing(settings).choose(std::move(environment));
}

}  // namespace weft::app
