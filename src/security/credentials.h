#pragma once
// Credentials: who we are towards a broker or a worker, from the settings of Pulsar's own clients.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "security/oauth2.h"
#include "security/tls.h"

namespace weft::security {

class TokenRefresher;

/// Fixed once made, but for files, which are read again at each use, and an issuer's tokens, for which they
/// have a thread from the first use on. Any thread.
class Credentials final {
  public:
    /// `plugin`: the class name of a Java client, or its short name: AuthenticationToken|token,
    /// AuthenticationTls|tls, AuthenticationBasic|basic, oauth2.AuthenticationOAuth2|AuthenticationOAuth2|
    /// oauth2; empty or AuthenticationDisabled: none. `parameters` as that class takes them: "token:TEXT",
    /// "file:///PATH", {"token": ...}, TEXT; "tlsCertFile:PATH,tlsKeyFile:PATH" or JSON; {"userId": ...,
    /// "password": ...}; OAuth2Settings. `not_supported` names a plugin that is not served,
    /// `invalid_argument` what the parameters lack; never a secret. `exchange` asks an issuer: without it
    /// OAuth2's parameters are looked at, and nothing is to be had.
    static Result<std::shared_ptr<const Credentials>> create(std::string_view plugin,
                                                             std::string_view parameters,
                                                             HttpExchange exchange = {});
    Credentials();
    ~Credentials();
    Credentials(const Credentials&) = delete;
    Credentials& operator=(const Credentials&) = delete;

    /// What the binary protocol calls it: "token", "tls", "basic", "none".
    const std::string& method() const { return method_; }
    /// What CONNECT carries; at once. `unavailable` if the file can't be read now or the issuer has given
    /// nothing, `unauthorized` if it gives us nothing.
    Result<std::string> data() const;
    /// Whether an issuer is being asked, so that data() has something better in a moment. It has an end.
    bool pending() const;
    /// What data() or authorization() gave was not taken by whom it was shown: an issuer is asked for
    /// another.
    void refused(std::string_view shown) const;
    /// The value of an Authorization header; empty where there is none. Waits while it is pending.
    Result<std::string> authorization(Deadline deadline = Deadline::never()) const;
    /// Of the plugin "tls".
    const TlsFiles& files() const { return files_; }

  private:
    Result<> take_issuer(std::string_view parameters, HttpExchange exchange);

    std::string method_ = "none";
    std::string secret_;      // or
    std::string token_file_;  // where it stands
    TlsFiles files_;
    std::unique_ptr<TokenRefresher> issuer_;  // who gives the tokens; null: nobody
};

/// Whether it is AuthenticationOAuth2, by any of its names.
bool is_oauth2(std::string_view plugin);

}  // namespace weft::security
