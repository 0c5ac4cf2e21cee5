#pragma once
// TlsClient and TlsServer: what TLS connections are made with.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"

struct ssl_st;
struct ssl_ctx_st;

namespace weft::security {

/// PEM files. Read again when they have changed.
struct TlsFiles {
    std::string trust_certs;       // of the authorities that are trusted; empty: the system's
    std::string certificate, key;  // who we are; both or none
    bool operator==(const TlsFiles&) const = default;
};

struct TlsOptions {
    TlsFiles files;
    bool allow_insecure = false;  // takes any certificate
    bool verify_hostname = true;  // the certificate must name the host that was asked for
};

/// Whether a file is still the one that was read.
struct FileStamp {
    std::int64_t modified_ns = 0, size = -1;
    std::uint64_t inode = 0;
    bool operator==(const FileStamp&) const = default;
    static FileStamp of(const std::string& path);  // of no file: size -1
};

/// A context of OpenSSL that is made anew when its files have changed. Any thread.
class WatchedContext final {
  public:
    using Context = std::shared_ptr<ssl_ctx_st>;
    using Make = std::function<Result<Context>()>;

    static Result<std::unique_ptr<WatchedContext>> create(TlsFiles files, Make make);
    /// Of the files as they are now. Files that can't be used any more are said in the log once, and the last
    /// good ones serve on.
    Context current();

  private:
    WatchedContext(TlsFiles files, Make make) : files_(std::move(files)), make_(std::move(make)) {}

    const TlsFiles files_;
    const Make make_;
    std::mutex mutex_;
    // guarded by mutex_
    Context context_;
    std::vector<FileStamp> stamps_;
};

/// TLS 1.2 and 1.3. Any thread.
class TlsClient final {
  public:
    using Context = WatchedContext::Context;

    /// `invalid_argument` for a file that can't be used, with its name and why.
    static Result<std::shared_ptr<TlsClient>> create(TlsOptions options);

    /// For the next connection.
    Context context() { return context_->current(); }
    /// Says which host the connection is for: to the server, and to the check of its certificate.
    Result<> prepare(ssl_st* connection, const std::string& host) const;

  private:
    TlsClient(TlsOptions options, std::unique_ptr<WatchedContext> context)
        : options_(std::move(options)), context_(std::move(context)) {}

    const TlsOptions options_;
    const std::unique_ptr<WatchedContext> context_;
};

/// What a server speaks of that which is not weak.
struct TlsRules {
    std::vector<std::string> protocols;  // "TLSv1.2", "TLSv1.3"; empty: both
    /// As Java or OpenSSL names them, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"; empty: all. A protocol for
    /// which none is named is not spoken.
    std::vector<std::string> ciphers;
};

/// Whether a server can keep them; `invalid_argument` begins with "protocol" or "cipher".
Result<> check(const TlsRules& rules);

/// The other side. Any thread.
class TlsServer final {
  public:
    using Context = WatchedContext::Context;

    /// Clients may show a certificate of a trusted authority; `required`: they must.
    enum class ClientCertificate : std::uint8_t { optional, required };
    static Result<std::shared_ptr<TlsServer>> create(const TlsFiles& files, ClientCertificate clients,
                                                     const TlsRules& rules = {});

    /// For the next connection.
    Context context() { return context_->current(); }

  private:
    explicit TlsServer(std::unique_ptr<WatchedContext> context) : context_(std::move(context)) {}
    const std::unique_ptr<WatchedContext> context_;
};

/// The common name of the certificate that the other side showed, if an authority that is trusted signed it;
/// else empty.
std::string certificate_name(ssl_st* connection);

/// Why a handshake, a read or a write failed; with the reason that a certificate was not taken.
std::string tls_failure(ssl_st* connection);

}  // namespace weft::security
