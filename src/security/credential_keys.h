#pragma once
// CredentialKeys: what the captured credentials of functions are encrypted with where they are stored. A
// cluster has one file of them. What it looks like, and what is sealed: docs/formats/function-credentials.md.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::security {

/// Whose a credential is: it opens for no other function, nor for a later one of the same name.
struct CredentialOwner {
    std::string tenant, ns, name;
    std::uint64_t create_time = 0;
};

/// What stands in clear before what is sealed.
struct SealedHead {
    std::string key_id;
    std::string credential_id;  // of what was captured: stays when that is sealed anew
};

/// Whether these bytes were sealed by Weft, in whatever state they are. No token begins so.
bool is_sealed(std::string_view data);
/// Nothing: not sealed, or not whole.
std::optional<SealedHead> sealed_head(std::string_view data);

/// The newest key seals, all of them open. A value; holds secrets: not for logs.
class CredentialKeys final {
  public:
    static constexpr std::size_t kKeysMax = 64;
    struct Key {
        std::string id;     // made of the key: 16 hex digits
        std::string made;   // a day: "2026-01-31"
        std::string bytes;  // 32
    };

    /// The text of a key file. `invalid_argument` names the line.
    static Result<CredentialKeys> parse(std::string_view text);
    std::string text() const;
    /// Makes a key, which is the newest. `limit_reached` if there are many.
    Result<> add(std::string day);
    void keep_newest() { keys_.erase(keys_.begin(), keys_.end() - 1); }

    /// The newest last; never empty once parsed or added to.
    const std::vector<Key>& keys() const { return keys_; }
    const std::string& newest() const { return keys_.back().id; }

    /// `credential_id`: of what is sealed anew; empty: a fresh one.
    Result<std::string> seal(std::string_view secret, const CredentialOwner& owner,
                             std::string_view credential_id = {}) const;
    /// `not_found`: the key isn't there; `corrupt`: changed, cut, or not of this owner.
    Result<std::string> open(std::string_view sealed, const CredentialOwner& owner) const;

  private:
    std::vector<Key> keys_;
};

Result<CredentialKeys> read_credential_keys(const std::string& path);
/// What stands in the file now. Any thread.
using CredentialKeySource = std::function<std::shared_ptr<const CredentialKeys>()>;
/// Reads it again when it has changed; while it can't be used, what it was serves on.
Result<CredentialKeySource> watch_credential_keys(const std::string& path);

}  // namespace weft::security
