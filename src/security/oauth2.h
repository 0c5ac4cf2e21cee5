#pragma once
// OAuth 2.0, client credentials (RFC 6749, 4.4): who we are is a token that an issuer gives for an id and its
// secret, with the parameters of Pulsar's AuthenticationOAuth2.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace weft::security {

class TlsClient;

/// A GET, or with a form or JSON the POST of it.
struct HttpQuestion {
    std::string url;
    std::map<std::string, std::string> form = {};
    std::shared_ptr<TlsClient> tls = {};  // null: an https server is known by the system's certificates
    std::map<std::string, std::string> headers = {};
    std::string json = {};
};
struct HttpAnswer {
    int status = 0;
    std::string body;
};
/// Asks, and waits no longer than the deadline. What has more than an address goes to nobody whom the server
/// names instead.
/// Security knows no HTTP: http::exchange() is it.
using HttpExchange = std::function<Result<HttpAnswer>(const HttpQuestion&, Deadline)>;

inline constexpr std::string_view kOAuth2Plugin =
    "org.apache.pulsar.client.impl.auth.oauth2.AuthenticationOAuth2";

/// Holds a secret: not for logs.
struct OAuth2Settings {
    std::string issuer_url;                // http:// or https://, without a slash at its end
    std::string key_file;                  // a path: JSON with client_id and client_secret; or empty, then
    std::string client_id, client_secret;  // these, which the parameters themselves had
    std::string audience, scope;           // empty: not sent
    std::string trust_certs;               // PEM: who vouches for the issuer; empty: the system's
    static constexpr Duration kTimeout = 5s;
    Duration connect_timeout = kTimeout, read_timeout = kTimeout;  // an exchange takes at most both together

    /// JSON in the words of the Java client, or of the C++ and Python clients. `invalid_argument` names the
    /// member, its value where that is no secret, and the cure.
    static Result<OAuth2Settings> parse(std::string_view parameters);
    /// The same for the Java client, where `key_file` isn't empty: without a secret.
    std::string java_parameters() const;

    struct Client {
        std::string id, secret;
    };
    /// Who we are to the issuer; the file is read at each call. `unavailable` if it can't be used now.
    Result<Client> client() const;
};

/// What the issuer gives.
struct Grant {
    std::string token;
    Duration lifetime{};  // from the question on; over 0
};

/// Finds the issuer's token endpoint (OpenID discovery) and asks it. Blocks no longer than four timeouts.
/// `unauthorized` if the issuer refuses us, else `unavailable`.
Result<Grant> ask_for_token(const OAuth2Settings& settings, const std::shared_ptr<TlsClient>& tls,
                            const HttpExchange& exchange);

}  // namespace weft::security
