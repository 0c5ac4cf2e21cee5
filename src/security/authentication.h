#pragma once
// Authenticator: who it is that asks a broker or a worker, by Pulsar's settings of a server.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::security {

/// Who asks, once it is proven.
struct Caller {
    std::string role;                      // empty: nobody has to say who he is (authentication is off)
    std::int64_t valid_until_seconds = 0;  // since 1970; 0: no end
    bool operator==(const Caller&) const = default;
};

/// In the words of broker.conf and functions_worker.yml. Holds a secret: not for logs.
struct AuthenticationSettings {
    bool enabled = false;
    /// Class names of Java providers, or their short names: AuthenticationProviderToken,
    /// AuthenticationProviderTls, AuthenticationProviderBasic.
    std::vector<std::string> providers = {};
    std::string token_secret_key = {}, token_public_key = {};  // read_key() takes them; one of both
    std::string token_public_alg = {};                         // "RS256", ...; empty: what the key is for
    std::string token_auth_claim = {};                         // names the role; empty: "sub"
    std::string token_audience_claim = {}, token_audience = {};
    std::int64_t token_clock_skew_seconds = 0;
    std::string basic_file = {};      // basicAuthConf: a file as htpasswd makes it
    std::string anonymous_role = {};  // of those who say nothing; empty: they are refused
};

/// Any thread. Keys and passwords are read again when their files change; while they can't be used, the last
/// good ones serve on.
class Authenticator {
  public:
    virtual ~Authenticator() = default;

    /// `invalid_argument` names the key, the value and the cure; `not_supported` a provider.
    static Result<std::shared_ptr<Authenticator>> create(const AuthenticationSettings& settings);

    /// Over the binary protocol. `method`: "token", "tls", "basic", "none" or nothing; `data`: what CONNECT
    /// carries; `certificate_name`: of the client's verified certificate, empty if it showed none.
    /// `unauthorized` says why, without a secret: for the log, the client needs less.
    virtual Result<Caller> authenticate(std::string_view method, std::string_view data,
                                        const std::string& certificate_name) const = 0;
    /// Over HTTP. `authorization`: the header's value; empty if there is none. A header of a served kind
    /// decides alone.
    virtual Result<Caller> authenticate_http(std::string_view authorization,
                                             const std::string& certificate_name) const = 0;
};

}  // namespace weft::security
