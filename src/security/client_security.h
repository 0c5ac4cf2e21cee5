#pragma once
// A client's security, as its settings and as what is made of them.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "security/credentials.h"
#include "security/tls.h"

namespace weft::security {

/// In the words of Pulsar's clients. Holds a secret: not for logs.
struct ClientSettings {
    std::string auth_plugin, auth_params;  // Credentials::create()
    TlsFiles tls;
    bool allow_insecure = false;
    bool verify_hostname = true;
    bool operator==(const ClientSettings&) const = default;
};

/// Shared by all connections of a client. Any thread.
struct ClientSecurity {
    std::shared_ptr<const Credentials> credentials;  // never null once made; method() may be "none"
    std::shared_ptr<TlsClient> tls;                  // null: connections are not encrypted

    /// TLS is set up where `url` asks for it: pulsar+ssl:// or https://. `exchange` as of
    /// Credentials::create(): who connects takes http::client_security(), which gives it.
    static Result<ClientSecurity> of(const ClientSettings& settings, std::string_view url,
                                     HttpExchange exchange = {});
};

bool is_tls_url(std::string_view url);

}  // namespace weft::security
