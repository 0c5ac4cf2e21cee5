#pragma once
// JSON Web Tokens (RFC 7519), as Pulsar makes and takes them. Pure but for randomness and key files; any
// thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;

namespace weft::security {

/// What tokens are signed and checked with. Holds a secret: not for logs.
class TokenKey final {
  public:
    /// A secret for HMAC: HS256 from 32 bytes on, HS384 from 48, HS512 from 64. Shorter: `invalid_argument`.
    static Result<TokenKey> secret(std::string bytes);
    /// DER: PKCS 8, and X.509's SubjectPublicKeyInfo. RSA of 2048 bits and more, or EC on P-256, P-384,
    /// P-521.
    static Result<TokenKey> private_key(std::string_view der);
    static Result<TokenKey> public_key(std::string_view der);

    /// "HS256", "RS384", ...: the strongest that the key is good for; what it signs with.
    const std::string& algorithm() const { return algorithm_; }
    Result<std::string> sign(std::string_view text) const;
    /// `algorithm`: what the token claims to be signed with. Only kinds that fit the key are looked at.
    bool verify(std::string_view algorithm, std::string_view text, std::string_view signature) const;

  private:
    std::string algorithm_;
    std::string secret_;
    std::shared_ptr<evp_pkey_st> key_;
};

/// The bytes of a key as Pulsar's settings name it: "data:;base64,TEXT", "file:///PATH", a path, or base64.
Result<std::string> read_key(std::string_view setting);
/// The file that read_key() reads; empty: none.
std::string key_file(std::string_view setting);

/// As RFC 4648, with '=' at the end.
std::string base64(std::string_view bytes);

/// A fresh secret for "HS256", "HS384" or "HS512".
Result<std::string> new_secret(std::string_view algorithm);
/// A fresh pair for "RS256" ... "ES512", as DER.
struct KeyPair {
    std::string private_key, public_key;
};
Result<KeyPair> new_key_pair(std::string_view algorithm);

/// What a token says: its parts as JSON.
struct Token {
    std::string header, claims;
    std::string subject;
    std::int64_t expires_at_seconds = 0;  // since 1970; 0: never. Set by validate_token()
};
/// `invalid_argument` for what isn't a token. Nothing of it is checked.
Result<Token> parse_token(std::string_view text);
/// `unauthorized` if the signature isn't of this key, or its time has passed or not come (`now_seconds` since
/// 1970, on a clock that may be wrong by `skew_seconds`).
Result<Token> validate_token(std::string_view text, const TokenKey& key, std::int64_t now_seconds,
                             std::int64_t skew_seconds = 0);

struct TokenWish {
    std::string subject;
    std::int64_t expires_at_seconds = 0;  // since 1970; 0: never
    std::map<std::string, std::string> headers = {};
};
Result<std::string> create_token(const TokenWish& wish, const TokenKey& key);

}  // namespace weft::security
