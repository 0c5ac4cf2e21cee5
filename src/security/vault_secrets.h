#pragma once
// Secrets of HashiCorp Vault or OpenBao: fields of what a KV engine holds for a function's namespace.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "security/oauth2.h"
#include "security/secrets.h"

namespace weft::security {

/// The members of secretsProviderConfiguratorConfig. Files hold nothing but a token or an id, and are their
/// owner's alone.
struct VaultSettings {
    std::string address = {};  // https://HOST:PORT; http:// only to this machine
    std::string mount = "secret";
    std::int64_t kv_version = 2;
    std::string path_prefix = {};
    std::string token_file = {};                         // read at each start of an instance; or
    std::string role_id_file = {}, secret_id_file = {};  // those of an AppRole
    std::string approle_mount = "approle";
    std::string ca_cert_file = {};  // PEM; empty: the system's
    static constexpr std::int64_t kTimeoutMsMin = 100, kTimeoutMsMax = 30'000;
    std::int64_t timeout_ms = 5'000;  // for all that is asked at one start of an instance

    struct Wrong {
        std::string_view member;  // as the settings name it
        std::string cure;
    };
    /// The first that can't be used.
    std::optional<Wrong> wrong() const;
};

/// A reference is "PATH#FIELD" or {"path": PATH, "key": FIELD}, below PREFIX/tenant/namespace of the engine:
/// a function can name secrets of its own namespace only. Each path is asked for once at a start; blocks no
/// longer than twice the timeout. When Vault could not be reached, nobody asks it for the next two seconds:
/// instances whose secrets wait for it don't keep the others from their start.
Result<std::unique_ptr<SecretsProvider>> vault_secrets(VaultSettings settings, HttpExchange exchange,
                                                       std::function<SteadyTime()> now = steady_now);

}  // namespace weft::security
