#include "http/client.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "http/detail/url.h"

namespace weft::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using beast::error_code;

namespace {

// One exchange over a connection of its own. Each step starts an operation and runs the context until it is
// done.
class Exchange {
  public:
    Exchange(const HttpUrl& url, Deadline deadline)
        : url_(url),
          authority_(str_cat(url.host.find(':') == std::string::npos ? url.host : str_cat('[', url.host, ']'),
                             ':', url.port)) {
        if (!deadline.is_never()) stream_.expires_at(deadline.time());
    }

    Result<> connect() {
        error_code error;
        const auto address = asio::ip::make_address(url_.host, error);
        std::vector<tcp::endpoint> endpoints;
        if (!error) {
            endpoints = {{address, url_.port}};
        } else if (url_.host == "localhost") {
            endpoints = {{asio::ip::address_v4::loopback(), url_.port},
                         {asio::ip::address_v6::loopback(), url_.port}};
        } else {
            for (const auto& found :
                 tcp::resolver(context_).resolve(url_.host, std::to_string(url_.port), error))
                endpoints.push_back(found.endpoint());
            if (error)
                return fail(ErrorCode::unavailable, "no address for host ", url_.host, ": ", error.message());
        }
        stream_.async_connect(endpoints, [&](const error_code& e, const tcp::endpoint&) { error = e; });
        run();
        if (error == beast::error::timeout)
            return fail(ErrorCode::deadline_exceeded,
                        "connecting took longer than the deadline: ", authority_);
        if (error)
            return fail(ErrorCode::unavailable, "can't connect to ", authority_, ": ", error.message());
        stream_.socket().set_option(tcp::no_delay(true), error);
        return {};
    }

    Result<ClientResponse> send(const ClientRequest& request) {
        bhttp::request<bhttp::string_body> out;
        out.method_string(request.method);
        out.target(url_.target);
        out.version(11);
        out.set(bhttp::field::host, authority_);
        out.set(bhttp::field::user_agent, "Weft");
        for (const auto& [name, value] : request.headers) out.set(name, value);
        out.body() = request.body;
        out.keep_alive(false);
        out.prepare_payload();
        error_code error;
        bhttp::async_write(stream_, out, [&](const error_code& e, std::size_t) { error = e; });
        run();
        // A server that refuses a body early may answer and close while we still send: its answer counts.
        const error_code unsent = error;
        beast::flat_buffer buffer;
        bhttp::response_parser<bhttp::string_body> parser;
        parser.body_limit(request.answer_bytes_max);
        if (request.method == "HEAD") parser.skip(true);
        bhttp::async_read(stream_, buffer, parser, [&](const error_code& e, std::size_t) { error = e; });
        run();
        if (error == bhttp::error::body_limit) {
            return fail(ErrorCode::too_large, "the answer of ", authority_, " to ", request.method, ' ',
                        url_.target, " has more than ", request.answer_bytes_max, " bytes");
        }
        if (error) {
            return fail(ErrorCode::unknown_outcome, "no answer from ", authority_, " to ", request.method,
                        ' ', url_.target, ": ", unsent ? unsent.message() : error.message());
        }
        return answer_of(parser.get());
    }

  private:
    void run() {
        context_.restart();
        context_.run();
    }

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
    const std::string authority_;
    asio::io_context context_{1};
    beast::tcp_stream stream_{context_};
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

}  // namespace

Result<ClientResponse> fetch(const ClientRequest& request, Deadline deadline) {
    WEFT_TRY_VOID(check(request));
    std::string address = request.url;
    for (int redirects = 0;; ++redirects) {
        WEFT_TRY(const HttpUrl url, parse_http_url(address));
        Exchange exchange(url, deadline);
        WEFT_TRY_VOID(exchange.connect());
        WEFT_TRY(ClientResponse response, exchange.send(request));
        if (response.status != 307 && response.status != 308) return response;
        const auto location = response.headers.find("location");
        if (location == response.headers.end()) return response;
        if (redirects == request.redirects_max)
            return fail(ErrorCode::limit_reached, "redirected more than ", request.redirects_max,
                        " times: ", request.url);
        if (location->second.starts_with('/')) {
            const std::size_t path = address.find('/', std::string_view("http://").size());
            address = address.substr(0, path) + location->second;
        } else {
            address = location->second;
        }
    }
}

}  // namespace weft::http
