#include "security/client_security.h"

namespace weft::security {

bool is_tls_url(std::string_view url) {
    return url.starts_with("pulsar+ssl://") || url.starts_with("https://");
}

Result<ClientSecurity> ClientSecurity::of(const ClientSettings& settings, std::string_view url,
                                          HttpExchange exchange) {
    ClientSecurity made;
    WEFT_TRY(made.credentials,
             Credentials::create(settings.auth_plugin, settings.auth_params, std::move(exchange)));
    if (!is_tls_url(url)) {
        if (made.credentials->method() == "tls")
            return fail(ErrorCode::invalid_argument,
                        "authentication by TLS needs a pulsar+ssl:// or https:// address");
        return made;
    }
    TlsOptions options{settings.tls, settings.allow_insecure, settings.verify_hostname};
    if (const TlsFiles& own = made.credentials->files(); !own.certificate.empty()) {
        options.files.certificate = own.certificate;
        options.files.key = own.key;
    }
    WEFT_TRY(made.tls, TlsClient::create(std::move(options)));
    return made;
}

}  // namespace weft::security
