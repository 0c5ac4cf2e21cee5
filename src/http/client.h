#pragma once
// HTTP/1.1 client, plain and over TLS: one request, one answer, blocking, bounded by a deadline.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "security/client_security.h"

namespace weft::http {

struct ClientRequest {
    std::string method = "GET";
    std::string url;  // http://host:port/path?query, or https
    std::map<std::string, std::string> headers = {};
    std::string body = {};
    int redirects_max = 5;                        // 307 and 308 are followed with the same method and body
    std::uint64_t answer_bytes_max = 512U << 20;  // of its body; over it: too_large
    /// Who we are, to every server that the request is redirected to; and how an https server is known:
    /// without `tls` by the system's certificates.
    security::ClientSecurity security = {};
};

struct ClientResponse {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

/// Sends and waits. Errors: `invalid_argument` (URL), `unavailable` (nobody listens), `limit_reached` (too
/// many redirects, or lookups of names without an answer), `deadline_exceeded` (not sent in time),
/// `unknown_outcome` (sent, the answer didn't come), `unauthorized` (its certificate is not taken).
Result<ClientResponse> fetch(const ClientRequest& request, Deadline deadline);

/// fetch(), as those need it who ask for tokens and secrets: answers of at most a MiB, and what could be one
/// to nobody else.
security::HttpExchange exchange();
/// Who a client is, also where an issuer has to be asked for it.
Result<security::ClientSecurity> client_security(const security::ClientSettings& settings,
                                                 std::string_view url);

/// Builds a multipart/form-data body.
class MultipartBuilder {
  public:
    MultipartBuilder();
    void add(std::string_view name, std::string_view content_type, std::string_view content,
             std::string_view filename = {});
    std::string content_type() const;
    /// The whole body; nothing can be added afterwards.
    std::string finish();

  private:
    std::string boundary_;
    std::string body_;
};

/// Percent-encodes one path segment or query value.
std::string url_encode(std::string_view text);
/// Undoes it; nothing when an escape is malformed or stands for a NUL.
std::optional<std::string> url_decode(std::string_view text);

}  // namespace weft::http
