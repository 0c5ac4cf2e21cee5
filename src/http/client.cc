#include "http/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "async/detail/tls_stream.h"
#include "http/detail/name_lookup.h"
#include "http/detail/url.h"

namespace weft::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using beast::error_code;

namespace {

// A connection, plain or with TLS, that blocks until its deadline: what Beast's synchronous functions read
// and write.
class ClientWire {
  public:
    ClientWire(std::string authority, Deadline deadline)
        : authority_(std::move(authority)), deadline_(deadline) {}

    /// The first of these that answers.
    Result<> connect(const std::vector<tcp::endpoint>& endpoints) {
        error_code error = asio::error::host_not_found;
        for (const auto& endpoint : endpoints) {
            error = connect(endpoint);
            if (!error) return {};
            if (error == asio::error::timed_out) {
                return fail(ErrorCode::deadline_exceeded,
                            "connecting took longer than the deadline: ", authority_);
            }
        }
        return fail(ErrorCode::unavailable, "can't connect to ", authority_, ": ", error.message());
    }

    Result<> shake_hands(security::TlsClient& tls, const std::string& host) {
        WEFT_TRY(tls_, async::TlsStream::client(tls, socket_.native_handle(), host));
        for (;;) {
            using Progress = async::TlsStream::Progress;
            const Progress progress = tls_->handshake();
            if (progress == Progress::done) return {};
            if (progress == Progress::failed)
                return fail(ErrorCode::unauthorized, "TLS with ", authority_, ": ", tls_->failure());
            if (!wait(progress == Progress::wants_read ? POLLIN : POLLOUT))
                return fail(ErrorCode::deadline_exceeded, "TLS took longer than the deadline: ", authority_);
        }
    }

    template <class Buffers>
    std::size_t read_some(const Buffers& buffers, error_code& error) {
        const asio::mutable_buffer into = first_of<asio::mutable_buffer>(buffers);
        return transfer(POLLIN, error, [&] {
            return tls_ ? tls_->read(static_cast<char*>(into.data()), into.size())
                        : ::recv(socket_.native_handle(), into.data(), into.size(), 0);
        });
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, error_code& error) {
        const asio::const_buffer from = first_of<asio::const_buffer>(buffers);
        return transfer(POLLOUT, error, [&] {
            const iovec piece{const_cast<void*>(from.data()), from.size()};
            return tls_ ? tls_->send(&piece, 1)
                        : ::send(socket_.native_handle(), from.data(), from.size(), MSG_NOSIGNAL);
        });
    }
    // Beast wants to see these; it calls the others.
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers) {
        error_code error;
        const std::size_t size = read_some(buffers, error);
        if (error) throw boost::system::system_error(error);
        return size;
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers) {
        error_code error;
        const std::size_t size = write_some(buffers, error);
        if (error) throw boost::system::system_error(error);
        return size;
    }

  private:
    template <class Buffer, class Buffers>
    static Buffer first_of(const Buffers& buffers) {
        for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at) {
            if (Buffer(*at).size() != 0) return *at;
        }
        return {};
    }

    error_code connect(const tcp::endpoint& endpoint) {
        error_code error;
        socket_.close(error);
        socket_.open(endpoint.protocol(), error);
        if (!error) socket_.non_blocking(true, error);
        if (!error) socket_.set_option(tcp::no_delay(true), error);
        if (error) return error;
        if (::connect(socket_.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0)
            return {};
        if (errno != EINPROGRESS) return {errno, boost::system::system_category()};
        if (!wait(POLLOUT)) return asio::error::timed_out;
        int why = 0;
        socklen_t size = sizeof why;
        ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &why, &size);
        return {why, boost::system::system_category()};
    }

    /// False: the deadline has passed.
    bool wait(short events) {
        pollfd wanted{.fd = socket_.native_handle(), .events = events, .revents = 0};
        for (;;) {
            int limit = -1;
            if (!deadline_.is_never()) {
                const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_.left()).count();
                limit = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
            }
            const int ready = ::poll(&wanted, 1, limit);
            if (ready > 0) return true;
            if (ready < 0 && errno != EINTR) return true;  // the next call on the socket says what it is
            if (!deadline_.is_never() && deadline_.left() <= Duration::zero()) return false;
        }
    }

    /// Tries again until something was transferred, or never will be.
    template <class Try>
    std::size_t transfer(short events, error_code& error, const Try& attempt) {
        for (;;) {
            const ssize_t done = attempt();
            error = {};
            if (done > 0) return static_cast<std::size_t>(done);
            if (done == 0) error = asio::error::eof;
            if (done < 0 && errno == EINTR) continue;
            if (done < 0 && errno != EAGAIN) error = {errno, boost::system::system_category()};
            if (!error && !wait(events)) error = beast::error::timeout;
            if (error) return 0;
        }
    }

    const std::string authority_;
    const Deadline deadline_;
    asio::io_context context_{1};  // never run: sockets want one
    tcp::socket socket_{context_};
    std::unique_ptr<async::TlsStream> tls_;  // null: plain
};

// One exchange over a connection of its own.
class Exchange {
  public:
    Exchange(const HttpUrl& url, const ClientRequest& request, Deadline deadline)
        : url_(url),
          request_(request),
          authority_(str_cat(url.host.find(':') == std::string::npos ? url.host : str_cat('[', url.host, ']'),
                             ':', url.port)),
          deadline_(deadline),
          wire_(authority_, deadline) {}

    Result<> connect() {
        error_code error;
        const auto address = asio::ip::make_address(url_.host, error);
        detail::Endpoints endpoints;
        if (!error) {
            endpoints = {{address, url_.port}};
        } else if (url_.host == "localhost") {
            endpoints = {{asio::ip::address_v4::loopback(), url_.port},
                         {asio::ip::address_v6::loopback(), url_.port}};
        } else {
            const auto by_name = [host = url_.host, port = url_.port] { return detail::look_up(host, port); };
            WEFT_TRY(endpoints, detail::answer_within(deadline_, url_.host, by_name));
        }
        WEFT_TRY_VOID(wire_.connect(endpoints));
        if (!url_.tls) return {};
        std::shared_ptr<security::TlsClient> tls = request_.security.tls;
        if (!tls) {
            WEFT_TRY(tls, security::TlsClient::create({}));
        }
        return wire_.shake_hands(*tls, url_.host);
    }

    Result<ClientResponse> send() {
        bhttp::request<bhttp::string_body> out;
        out.method_string(request_.method);
        out.target(url_.target);
        out.version(11);
        out.set(bhttp::field::host, authority_);
        out.set(bhttp::field::user_agent, "Weft");
        for (const auto& [name, value] : request_.headers) out.set(name, value);
        const auto& credentials = request_.security.credentials;
        std::string who;
        if (credentials) {
            WEFT_TRY(who, credentials->authorization(deadline_));
            if (!who.empty()) out.set(bhttp::field::authorization, who);
        }
        out.body() = request_.body;
        out.keep_alive(false);
        out.prepare_payload();
        // A server that refuses a body early may answer and close while we still send: its answer counts.
        error_code unsent, error;
        bhttp::write(wire_, out, unsent);
        beast::flat_buffer buffer;
        bhttp::response_parser<bhttp::string_body> parser;
        parser.body_limit(request_.answer_bytes_max);
        if (request_.method == "HEAD") parser.skip(true);
        bhttp::read(wire_, buffer, parser, error);
        if (error == bhttp::error::body_limit) {
            return fail(ErrorCode::too_large, "the answer of ", authority_, " to ", request_.method, ' ',
                        url_.target, " has more than ", request_.answer_bytes_max, " bytes");
        }
        if (error) {
            return fail(ErrorCode::unknown_outcome, "no answer from ", authority_, " to ", request_.method,
                        ' ', url_.target, ": ", unsent ? unsent.message() : error.message());
        }
        if (credentials && parser.get().result() == bhttp::status::unauthorized) credentials->refused(who);
        return answer_of(parser.get());
    }

  private:
    static ClientResponse answer_of(bhttp::response<bhttp::string_body>& in) {
        ClientResponse out;
        out.status = static_cast<int>(in.result_int());
        for (const auto& field : in) {
            std::string name = field.name_string();
            std::ranges::transform(name, name.begin(),
                                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            out.headers[std::move(name)] = field.value();
        }
        out.body = std::move(in.body());
        return out;
    }

    const HttpUrl url_;
    const ClientRequest& request_;
    const std::string authority_;
    const Deadline deadline_;
    ClientWire wire_;
};

// A header that holds a line end would start a header, or a request, of its own.
Result<> check(const ClientRequest& request) {
    const auto is_bad = [](std::string_view text) {
        return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
    };
    if (request.method.empty() || request.method.find_first_of(" \r\n") != std::string::npos)
        return fail(ErrorCode::invalid_argument, "not an HTTP method: ", request.method);
    for (const auto& [name, value] : request.headers) {
        if (name.empty() || is_bad(name) || is_bad(value))
            return fail(ErrorCode::invalid_argument, "line end in HTTP header: ", name);
    }
    return {};
}

constexpr std::uint64_t kAnswerBytesMax = 1U << 20;
constexpr int kRedirectsMax = 3;  // of a question without a secret

std::string form_text(const std::map<std::string, std::string>& form) {
    std::string text;
    for (const auto& [name, value] : form)
        str_append(text, text.empty() ? "" : "&", url_encode(name), '=', url_encode(value));
    return text;
}

Result<security::HttpAnswer> answer_to(const security::HttpQuestion& question, Deadline deadline) {
    ClientRequest request;
    request.url = question.url;
    request.headers["Accept"] = "application/json";
    request.answer_bytes_max = kAnswerBytesMax;
    request.headers.insert(question.headers.begin(), question.headers.end());
    request.security.tls = question.tls;
    const bool posts = !question.form.empty() || !question.json.empty();
    if (posts) {
        request.method = "POST";
        request.headers["Content-Type"] =
            question.json.empty() ? "application/x-www-form-urlencoded" : "application/json";
        request.body = question.json.empty() ? form_text(question.form) : question.json;
    }
    request.redirects_max = posts || !question.headers.empty() ? 0 : kRedirectsMax;
    WEFT_TRY(auto answer, fetch(request, deadline));
    return security::HttpAnswer{answer.status, std::move(answer.body)};
}

}  // namespace

security::HttpExchange exchange() { return answer_to; }

Result<security::ClientSecurity> client_security(const security::ClientSettings& settings,
                                                 std::string_view url) {
    return security::ClientSecurity::of(settings, url, exchange());
}

Result<ClientResponse> fetch(const ClientRequest& request, Deadline deadline) {
    WEFT_TRY_VOID(check(request));
    std::string address = request.url;
    for (int redirects = 0;; ++redirects) {
        WEFT_TRY(const HttpUrl url, parse_http_url(address));
        Exchange exchange(url, request, deadline);
        WEFT_TRY_VOID(exchange.connect());
        WEFT_TRY(ClientResponse response, exchange.send());
        if (response.status != 307 && response.status != 308) return response;
        const auto location = response.headers.find("location");
        if (location == response.headers.end()) return response;
        if (redirects == request.redirects_max)
            return fail(ErrorCode::limit_reached, "redirected more than ", request.redirects_max,
                        " times: ", request.url);
        if (location->second.starts_with('/')) {
            const std::size_t path = address.find('/', address.find("//") + 2);
            address = address.substr(0, path) + location->second;
        } else {
            address = location->second;
        }
        if (url.tls && !address.starts_with("https://")) {
            return fail(ErrorCode::unauthorized, "redirected from ", request.url, " to ", address,
                        ", which is not encrypted");
        }
    }
}

}  // namespace weft::http
