#pragma once
// HTTP/1.1 server: routes to handlers on a small pool of threads, where they may block until the request's
// deadline.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::security {
class TlsServer;
}

namespace weft::http {

struct Request {
    std::string method;                          // "GET"
    std::string path;                            // decoded, without the query
    std::string raw_path;                        // as sent: routed by its segments, so that %2F is no slash
    std::map<std::string, std::string> query;    // decoded; the last of equal names
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::map<std::string, std::string> params;  // what the route's {name} parts matched, decoded
    std::string host;                           // the Host header
    std::string certificate_name;  // common name of the client's verified certificate; empty: none
    std::string remote_address;    // "127.0.0.1:12345"
    Deadline deadline = Deadline::never();

    const std::string& param(const std::string& name) const { return params.at(name); }
    /// remote_address without its port.
    std::string remote_host() const { return remote_address.substr(0, remote_address.rfind(':')); }
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::map<std::string, std::string> headers;
    bool to_anybody = false;  // no matter who asked: more of these come one by one

    static Response json(std::string body, int status = 200) {
        return {status, "application/json", std::move(body), {}};
    }
    static Response text(std::string body, int status = 200) {
        return {status, "text/plain", std::move(body), {}};
    }
    static Response no_content() { return {204, "", "", {}}; }
    /// Pulsar's error form: {"reason": "..."} with the code's status.
    static Response error(const Error& error);
    static Response error(int status, std::string_view reason);
    /// 401, for one who has not shown who he is.
    static Response who_are_you();
};

/// One part of a multipart/form-data body.
struct Part {
    std::string name;
    std::string filename;      // empty: none given
    std::string content_type;  // empty: none given
    std::string_view content;  // into the request's body
};
/// Takes a multipart/form-data body apart (RFC 7578), 64 parts at most; says what is wrong with it otherwise.
Result<std::vector<Part>> parse_multipart(const Request& request);

using Handler = std::function<Response(const Request&)>;

/// Method and path pattern to handler. Patterns: "/admin/v3/functions/{tenant}/{namespace}", "{rest...}" at
/// the end takes what remains (slashes included). A literal segment wins over a parameter. Filled before the
/// server starts, read-only afterwards.
class Router {
  public:
    void add(std::string_view method, std::string_view pattern, Handler handler);
    /// Takes that route out, for somebody who puts another around it; empty if there is none.
    Handler take(std::string_view method, std::string_view pattern);
    /// "GET /a/{b}" of every route.
    std::vector<std::string> routes() const;
    /// The answer: 404 {"reason"} for an unknown path, 405 for an unknown method on a known one; what a
    /// handler throws is a 500.
    Response handle(Request& request) const;

  private:
    struct Route;
    std::vector<std::shared_ptr<const Route>> routes_;  // shared: Router is copyable, routes never change
};

struct ServerOptions {
    std::string bind_address = "127.0.0.1";
    std::uint16_t port = 0;
    std::uint32_t threads = 4;  // handlers at once
    /// Over it one that waits for its client gives way, of the address that has the most; else 503. Those at
    /// their TLS handshake are beside it, 1,000 at most.
    std::uint32_t connections_max = 2048;
    std::uint32_t requests_waiting_max = 1024;  // over it: 503
    double requests_per_second_max = 0;         // of one address; over it: 429. 0: as many as come
    std::uint64_t body_bytes_max = 512U << 20;  // over it: 413; all bodies together: twice that, then 503
    std::uint64_t header_bytes_max = 64U << 10;
    Duration request_timeout = 300s;
    Duration idle_timeout = 60s;
    std::shared_ptr<security::TlsServer> tls = nullptr;  // null: plain
};

class Server {
  public:
    /// Stops: no new requests; waits for the handlers that run, sends what they answer, drops requests that
    /// still wait.
    virtual ~Server() = default;
    virtual std::uint16_t port() const = 0;
    /// Binds and serves: one thread for the sockets, with TLS one for handshakes, and handler threads that
    /// start as they are needed. An address in use is `conflict`.
    static Result<std::unique_ptr<Server>> start(ServerOptions options, const Router& router);
};

}  // namespace weft::http
