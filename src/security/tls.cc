#include "security/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>

#include "observe/log.h"

namespace weft::security {

namespace {

const observe::Logger kLog("security.tls");

/// The last error of OpenSSL on this thread; the rest of its queue is dropped.
std::string last_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0) return "no reason given";
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

std::unexpected<Error> bad_file(std::string_view what, const std::string& path) {
    return fail(ErrorCode::invalid_argument, what, ' ', path, ": ", last_error(),
                "; give a readable PEM file");
}

std::vector<FileStamp> stamps_of(const TlsFiles& files) {
    return {FileStamp::of(files.trust_certs), FileStamp::of(files.certificate), FileStamp::of(files.key)};
}

Result<WatchedContext::Context> new_context(const ssl_method_st* method) {
    ERR_clear_error();
    WatchedContext::Context context(SSL_CTX_new(method), SSL_CTX_free);
    if (!context) return fail(ErrorCode::internal, "no TLS context: ", last_error());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

/// Who we are.
Result<> use_certificate(SSL_CTX* context, const TlsFiles& files) {
    if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
        return bad_file("certificate", files.certificate);
    if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        const unsigned long code = ERR_peek_last_error();
        const int reason = ERR_GET_REASON(code);
        const bool of_another = ERR_GET_LIB(code) == ERR_LIB_X509 &&
                                (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
        if (!of_another) return bad_file("private key", files.key);
        ERR_clear_error();
        return fail(ErrorCode::invalid_argument, "private key ", files.key,
                    " does not belong to the certificate ", files.certificate,
                    ": give the key that the certificate was made for");
    }
    return {};
}

Result<> check_pair(const TlsFiles& files) {
    if (files.certificate.empty() == files.key.empty()) return {};
    return fail(ErrorCode::invalid_argument, "a certificate and its key go together: certificate '",
                files.certificate, "', key '", files.key, "'");
}

Result<WatchedContext::Context> client_context(const TlsOptions& options) {
    const TlsFiles& files = options.files;
    WEFT_TRY_VOID(check_pair(files));
    WEFT_TRY(auto context, new_context(TLS_client_method()));
    SSL_CTX_set_verify(context.get(), options.allow_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    if (!files.trust_certs.empty()) {
        if (SSL_CTX_load_verify_file(context.get(), files.trust_certs.c_str()) != 1)
            return bad_file("trusted certificates", files.trust_certs);
        // What is named there is trusted, also a server's own certificate.
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
    } else if (!options.allow_insecure && SSL_CTX_set_default_verify_paths(context.get()) != 1) {
        return fail(ErrorCode::invalid_argument, "the system's trusted certificates: ", last_error());
    }
    if (!files.certificate.empty()) WEFT_TRY_VOID(use_certificate(context.get(), files));
    return context;
}

// What there is with forward secrecy and authenticated encryption.
constexpr std::string_view kStrong12[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                          "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256",
                                          "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-RSA-CHACHA20-POLY1305"};
constexpr std::string_view kStrong13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                          "TLS_CHACHA20_POLY1305_SHA256"};

struct Speaks {
    bool tls12 = true, tls13 = true;
    std::string ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of 1.2
    std::string suites;                                   // of 1.3; empty: all, they are of this kind
};

Result<Speaks> speaks(const TlsRules& rules) {
    Speaks speaks;
    const auto named = [](const auto& names, std::string_view name) {
        return std::ranges::find(names, name) != std::end(names);
    };
    if (!rules.protocols.empty()) {
        for (const auto& protocol : rules.protocols) {
            if (protocol == "TLSv1.2" || protocol == "TLSv1.3") continue;
            return fail(ErrorCode::invalid_argument, "protocol ", protocol,
                        " is not spoken: give TLSv1.2, TLSv1.3, or both");
        }
        speaks.tls12 = named(rules.protocols, "TLSv1.2");
        speaks.tls13 = named(rules.protocols, "TLSv1.3");
    }
    if (rules.ciphers.empty()) return speaks;
    speaks.ciphers.clear();
    for (const auto& cipher : rules.ciphers) {
        const std::string_view ours = OPENSSL_cipher_name(cipher.c_str());
        const std::string_view name = ours == "(NONE)" ? cipher : ours;
        const bool of13 = named(kStrong13, name);
        if (!of13 && !named(kStrong12, name))
            return fail(ErrorCode::invalid_argument, "cipher ", cipher,
                        " is weak or unknown: give ECDHE with AES-GCM or ChaCha20, or those of TLS 1.3");
        auto& list = of13 ? speaks.suites : speaks.ciphers;
        str_append(list, list.empty() ? "" : ":", name);
    }
    speaks.tls12 = speaks.tls12 && !speaks.ciphers.empty();
    speaks.tls13 = speaks.tls13 && !speaks.suites.empty();
    if (!speaks.tls12 && !speaks.tls13)
        return fail(ErrorCode::invalid_argument, "cipher ", rules.ciphers.front(),
                    " is of another protocol than those that are to be spoken: name ciphers of these");
    return speaks;
}

Result<> keep_rules(SSL_CTX* context, const TlsRules& rules) {
    WEFT_TRY(const auto allowed, speaks(rules));
    SSL_CTX_set_min_proto_version(context, allowed.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, allowed.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    const bool taken =
        (!allowed.tls12 || SSL_CTX_set_cipher_list(context, allowed.ciphers.c_str()) == 1) &&
        (allowed.suites.empty() || SSL_CTX_set_ciphersuites(context, allowed.suites.c_str()) == 1);
    if (!taken) return fail(ErrorCode::invalid_argument, "ciphers: ", last_error());
    return {};
}

Result<WatchedContext::Context> server_context(const TlsFiles& files, TlsServer::ClientCertificate clients,
                                               const TlsRules& rules) {
    const bool required = clients == TlsServer::ClientCertificate::required;
    WEFT_TRY_VOID(check_pair(files));
    if (files.certificate.empty())
        return fail(ErrorCode::invalid_argument, "a TLS server needs a certificate and its key");
    if (required && files.trust_certs.empty())
        return fail(ErrorCode::invalid_argument, "no authorities are trusted for clients' certificates");
    WEFT_TRY(auto context, new_context(TLS_server_method()));
    WEFT_TRY_VOID(keep_rules(context.get(), rules));
    WEFT_TRY_VOID(use_certificate(context.get(), files));
    // What is resumed would keep the rights of a certificate that has been changed meanwhile.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(context.get(), 0);
    if (files.trust_certs.empty()) return context;
    if (SSL_CTX_load_verify_file(context.get(), files.trust_certs.c_str()) != 1)
        return bad_file("trusted certificates", files.trust_certs);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
    return context;
}

bool is_address(const std::string& host) {
    unsigned char bytes[sizeof(in6_addr)];
    return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

Result<> check(const TlsRules& rules) {
    WEFT_TRY_VOID(speaks(rules));
    return {};
}

FileStamp FileStamp::of(const std::string& path) {
    struct stat found{};
    if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
    return {found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec, found.st_size, found.st_ino};
}

Result<std::unique_ptr<WatchedContext>> WatchedContext::create(TlsFiles files, Make make) {
    std::unique_ptr<WatchedContext> made(new WatchedContext(std::move(files), std::move(make)));
    made->stamps_ = stamps_of(made->files_);
    WEFT_TRY(made->context_, made->make_());
    return made;
}

WatchedContext::Context WatchedContext::current() {
    const std::scoped_lock lock(mutex_);
    auto stamps = stamps_of(files_);
    if (stamps == stamps_) return context_;
    stamps_ = std::move(stamps);
    if (auto made = make_()) {
        context_ = std::move(*made);
        kLog.info("certificates were read again");
    } else {
        kLog.error("changed certificates can't be used, the last ones serve on",
                   {{"reason", made.error().message}});
    }
    return context_;
}

Result<std::shared_ptr<TlsClient>> TlsClient::create(TlsOptions options) {
    WEFT_TRY(auto context,
             WatchedContext::create(options.files, [options] { return client_context(options); }));
    return std::shared_ptr<TlsClient>(new TlsClient(std::move(options), std::move(context)));
}

Result<std::shared_ptr<TlsServer>> TlsServer::create(const TlsFiles& files, ClientCertificate clients,
                                                     const TlsRules& rules) {
    WEFT_TRY(auto context, WatchedContext::create(files, [files, clients, rules] {
                 return server_context(files, clients, rules);
             }));
    return std::shared_ptr<TlsServer>(new TlsServer(std::move(context)));
}

Result<> TlsClient::prepare(ssl_st* connection, const std::string& host) const {
    const bool address = is_address(host);
    if (!address && SSL_set_tlsext_host_name(connection, host.c_str()) != 1)
        return fail(ErrorCode::invalid_argument, "not a host name for TLS: ", host);
    if (options_.allow_insecure || !options_.verify_hostname) return {};
    X509_VERIFY_PARAM* const check = SSL_get0_param(connection);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(check, host.c_str())
                            : X509_VERIFY_PARAM_set1_host(check, host.c_str(), host.size());
    if (set != 1) return fail(ErrorCode::invalid_argument, "not a host name for TLS: ", host);
    return {};
}

std::string certificate_name(ssl_st* connection) {
    X509* const shown = SSL_get0_peer_certificate(connection);
    if (shown == nullptr || SSL_get_verify_result(connection) != X509_V_OK) return {};
    X509_NAME* const subject = X509_get_subject_name(shown);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) return ERR_clear_error(), std::string();
    std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return name;
}

std::string tls_failure(ssl_st* connection) {
    const long verified = SSL_get_verify_result(connection);
    std::string text = last_error();
    if (verified != X509_V_OK && (SSL_get_verify_mode(connection) & SSL_VERIFY_PEER) != 0)
        str_append(text, ": ", X509_verify_cert_error_string(verified));
    return text;
}

}  // namespace weft::security
