#pragma once
// The secrets of functions. A function's configuration names them: an object of secret name to a JSON value,
// the reference, from which a provider makes the secret. Only the worker asks a provider, when it starts an
// instance; the instance gets what came of it over its control channel.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::security {

/// Whose secrets they are.
struct SecretsOwner {
    std::string tenant, ns;
};

/// By the names that the function has for them: what a reference says, as JSON.
using SecretReferences = std::map<std::string, std::string>;

/// The secrets of one function as JSON, by the same names: bounded, for they are one frame on its channel.
class Secrets final {
  public:
    /// `limit_reached`
    Result<> add(const std::string& name, std::string secret);
    const std::map<std::string, std::string>& all() const { return secrets_; }

  private:
    std::map<std::string, std::string> secrets_;
    std::size_t bytes_ = 0;
};

/// Any thread. No error names a reference or a secret: a user may have written a secret where its name
/// belongs.
class SecretsProvider {
  public:
    virtual ~SecretsProvider() = default;
    /// Whether the reference (JSON) can name a secret. Looks at nothing else: the secret need not exist yet.
    virtual Result<> check(std::string_view name, std::string_view reference) const = 0;
    /// All that an instance needs for its start. May block, but not without a bound. `not_found`: one isn't
    /// there.
    virtual Result<Secrets> secrets(const SecretsOwner& owner, const SecretReferences& references) const = 0;
};

/// As Pulsar's default: the reference is the secret.
std::unique_ptr<SecretsProvider> clear_text_secrets();
/// The reference is the name of a file in FOLDER/tenant/namespace, which only its owner (this user or root)
/// may read or write; it is read anew for each instance. A line end at its end is not part of the secret.
Result<std::unique_ptr<SecretsProvider>> file_secrets(const std::string& folder);
/// What the variables that provider reads begin with.
inline constexpr std::string_view kSecretVariable = "WEFT_SECRET_";
/// The reference is a name: NAME stands for the variable WEFT_SECRET_NAME. Of all namespaces.
std::unique_ptr<SecretsProvider> environment_secrets(std::map<std::string, std::string> environment);

/// Each of them checked; empty text: there are none.
Result<> check_secrets(const SecretsProvider& provider, const std::string& references);
/// The same object with the secrets in the place of their references.
Result<std::string> provide_secrets(const SecretsProvider& provider, const SecretsOwner& owner,
                                    const std::string& references);

}  // namespace weft::security
