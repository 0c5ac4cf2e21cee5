#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "base/testing/temporary_directory.h"
#include "http/client.h"
#include "http/server.h"
#include "security/testing/certificates.h"

namespace weft::http {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// `last`: of the client's address, 127.0.0.N.
int connect_to(std::uint16_t port, std::uint32_t last = 1) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}
void send_all(int fd, std::string_view bytes) { (void)!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
std::string read_to_end(int fd) {
    std::string out;
    char buffer[4096];
    for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
        out.append(buffer, static_cast<std::size_t>(got));
    return out;
}

class HttpTest : public testing::Test {
  protected:
    void serve(ServerOptions options = {}) {
        router.add("GET", "/hello/{name}", [](const Request& request) {
            return Response::text(str_cat("hello ", request.param("name"),
                                          request.query.contains("q") ? request.query.at("q") : ""));
        });
        router.add("POST", "/echo", [](const Request& request) { return Response::text(request.body); });
        router.add("POST", "/who", [](const Request& request) {
            return Response::text(str_cat(request.certificate_name, " at ", request.remote_address));
        });
        router.add("POST", "/moved",
                   [](const Request&) { return Response{307, "", "", {{"Location", "/echo"}}}; });
        router.add("GET", "/loop",
                   [](const Request&) { return Response{307, "", "", {{"Location", "/loop"}}}; });
        router.add("GET", "/nothing", [](const Request&) { return Response::no_content(); });
        for (const auto* const method : {"GET", "POST"}) {
            router.add(method, "/wait", [this](const Request&) {
                started.release();
                go.acquire();
                return Response::text("waited");
            });
        }
        server = *Server::start(std::move(options), router);
    }
    std::string url(std::string_view path) const {
        return str_cat("http://127.0.0.1:", server->port(), path);
    }
    Result<ClientResponse> get(std::string_view path) const {
        return fetch({.url = url(path)}, Deadline::after(20s));
    }
    Result<ClientResponse> post(std::string_view path, std::string body) const {
        return fetch({.method = "POST", .url = url(path), .headers = {}, .body = std::move(body)},
                     Deadline::after(20s));
    }
    // What the server answers to these bytes, until it closes.
    std::string raw(std::string_view bytes) const {
        const int fd = connect_to(server->port());
        send_all(fd, bytes);
        ::shutdown(fd, SHUT_WR);
        std::string answer = read_to_end(fd);
        ::close(fd);
        return answer;
    }

    // Serves over TLS; `clients` trust it, and know themselves by a certificate.
    void serve_tls(security::TlsServer::ClientCertificate clients, std::uint32_t connections_max = 2048) {
        authority.emplace(temporary.path());
        const auto own = authority->issue("server", "IP:127.0.0.1");
        const std::string& trusted = authority->certificate_file();
        auto tls = security::TlsServer::create({trusted, own.certificate, own.key}, clients);
        ASSERT_TRUE(tls) << tls.error().message;
        ServerOptions options;
        options.tls = *tls;
        options.connections_max = connections_max;
        serve(std::move(options));
        const auto mine = authority->issue("client", "");
        known.tls = *security::TlsClient::create({.files = {trusted, mine.certificate, mine.key}});
        stranger.tls = *security::TlsClient::create({.files = {trusted, "", ""}});
    }
    Result<ClientResponse> post_tls(const security::ClientSecurity& who, std::string body,
                                    std::string_view path = "/echo") const {
        ClientRequest request{.method = "POST", .url = str_cat("https://127.0.0.1:", server->port(), path)};
        request.body = std::move(body);
        request.security = who;
        return fetch(request, Deadline::after(20s));
    }
    void TearDown() override { server.reset(); }

    const TemporaryDirectory temporary;
    std::optional<security::testing::Authority> authority;
    security::ClientSecurity known, stranger;
    Router router;
    std::counting_semaphore<> started{0}, go{0};
    std::unique_ptr<Server> server;
};

TEST_F(HttpTest, answers_with_parameters_and_query) {
    serve();
    const auto answer = get("/hello/a%2Fb?q=%20%26+x");
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "hello a/b & x");
    EXPECT_EQ(answer->headers.at("content-type"), "text/plain");
    EXPECT_EQ(get("/nowhere")->status, 404);
    EXPECT_EQ(post("/hello/x", "")->status, 405);
    EXPECT_EQ(get("/nothing")->status, 204);
    EXPECT_EQ(get("/hello/x?q=%zz")->status, 400);
    const auto head = fetch({.method = "HEAD", .url = url("/hello/x")}, Deadline::after(20s));
    ASSERT_TRUE(head.has_value()) << head.error().message;
    EXPECT_EQ(head->headers.at("content-length"), "7");
}

TEST_F(HttpTest, serves_over_tls) {
    serve_tls(security::TlsServer::ClientCertificate::optional);
    std::string body(3'000'000, 'x');
    for (const auto& who : {known, stranger}) {
        const auto answer = post_tls(who, body);
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->body, body);
    }
    const auto untrusting = post_tls({}, "x");  // which trusts the system's authorities only
    EXPECT_EQ(untrusting.error().code, ErrorCode::unauthorized);
    EXPECT_THAT(untrusting.error().message, HasSubstr("certificate verify failed"));
    EXPECT_FALSE(get("/hello/x"));
}

TEST_F(HttpTest, knows_who_asks_by_a_verified_certificate) {
    serve_tls(security::TlsServer::ClientCertificate::optional);
    EXPECT_THAT(post_tls(known, "", "/who")->body, StartsWith("client at 127.0.0.1:"));
    EXPECT_THAT(post_tls(stranger, "", "/who")->body, StartsWith(" at 127.0.0.1:"));
}

TEST_F(HttpTest, asks_clients_for_their_certificate) {
    serve_tls(security::TlsServer::ClientCertificate::required);
    EXPECT_EQ(post_tls(known, "x")->body, "x");
    EXPECT_FALSE(post_tls(stranger, "x"));
}

// Of a thread of this process: -100 if there is none of that name.
int nice_of(std::string_view name) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string comm;
        std::getline(std::ifstream(task.path() / "comm"), comm);
        if (comm == name) return ::getpriority(PRIO_PROCESS, id_t(std::stoi(task.path().filename())));
    }
    return -100;
}

TEST_F(HttpTest, hands_are_shaken_by_a_thread_of_less_weight) {
    serve();
    EXPECT_EQ(nice_of("tls"), -100);
    server.reset();
    router = {};
    serve_tls(security::TlsServer::ClientCertificate::optional);
    EXPECT_TRUE(post_tls(stranger, "x"));
    ASSERT_NE(nice_of("tls"), -100);
    EXPECT_EQ(nice_of("tls"), std::min(nice_of("http") + 10, 19));
}

TEST_F(HttpTest, who_is_at_his_handshake_takes_no_place_and_is_ended_by_a_stop) {
    serve_tls(security::TlsServer::ClientCertificate::optional, 2);
    std::vector<int> silent;
    for (int i = 0; i < 10; ++i) silent.push_back(connect_to(server->port()));
    EXPECT_EQ(post_tls(stranger, "x")->body, "x");
    server.reset();
    for (const int fd : silent) {
        EXPECT_EQ(read_to_end(fd), "");
        ::close(fd);
    }
}

TEST_F(HttpTest, too_many_connections_are_told_so_over_tls) {
    serve_tls(security::TlsServer::ClientCertificate::optional, 1);
    auto running = std::async(std::launch::async, [&] { return post_tls(stranger, "", "/wait"); });
    started.acquire();
    const auto refused = post_tls(stranger, "x");
    ASSERT_TRUE(refused) << refused.error().message;
    EXPECT_EQ(refused->status, 503);
    EXPECT_THAT(refused->body, HasSubstr("too many connections"));
    go.release();
    EXPECT_EQ(running.get()->body, "waited");
}

TEST_F(HttpTest, says_who_it_is_and_is_not_led_out_of_tls) {
    serve();
    router = {};
    router.add("GET", "/who", [](const Request& request) {
        const auto found = request.headers.find("authorization");
        return Response::text(found == request.headers.end() ? "nobody" : found->second);
    });
    server = *Server::start({}, router);
    ClientRequest request{.url = url("/who")};
    EXPECT_EQ(fetch(request, Deadline::after(20s))->body, "nobody");
    request.security.credentials = *security::Credentials::create("token", "token:abc");
    EXPECT_EQ(fetch(request, Deadline::after(20s))->body, "Bearer abc");

    const std::string plain = url("/who");
    server.reset();
    router.add("POST", "/echo",
               [plain](const Request&) { return Response{307, "", "", {{"Location", plain}}}; });
    serve_tls(security::TlsServer::ClientCertificate::optional);
    EXPECT_THAT(post_tls(known, "x").error().message, HasSubstr("which is not encrypted"));
}

TEST_F(HttpTest, asks_for_secrets_and_gives_none_to_whom_the_server_names) {
    router.add("GET", "/told", [](const Request& request) {
        const auto found = request.headers.find("x-vault-token");
        return Response::text(found == request.headers.end() ? "nothing" : found->second);
    });
    router.add("GET", "/moved",
               [](const Request&) { return Response{307, "", "", {{"Location", "/told"}}}; });
    serve();
    const security::HttpExchange ask = exchange();
    const auto answer =
        ask({.url = url("/echo"), .form = {{"id", "a b&c"}, {"secret", "="}}}, Deadline::after(20s));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "id=a%20b%26c&secret=%3D");
    EXPECT_FALSE(ask({.url = url("/moved"), .form = {{"secret", "x"}}}, Deadline::after(20s)));
    EXPECT_EQ(ask({.url = url("/nothing")}, Deadline::after(20s))->status, 204);

    EXPECT_EQ(ask({.url = url("/echo"), .json = R"({"a":1})"}, Deadline::after(20s))->body, R"({"a":1})");
    EXPECT_FALSE(ask({.url = url("/moved"), .json = "{}"}, Deadline::after(20s)));
    const std::map<std::string, std::string> headers = {{"X-Vault-Token", "x"}};
    EXPECT_EQ(ask({.url = url("/told"), .headers = headers}, Deadline::after(20s))->body, "x");
    EXPECT_EQ(ask({.url = url("/moved")}, Deadline::after(20s))->body, "nothing");
    EXPECT_FALSE(ask({.url = url("/moved"), .headers = headers}, Deadline::after(20s)));
}

TEST_F(HttpTest, large_binary_bodies_come_back_and_follow_redirects) {
    serve();
    std::string body(20'000'000, '\0');
    std::mt19937 random(7);
    for (char& c : body) c = static_cast<char>(random());
    EXPECT_EQ(post("/echo", body)->body, body);
    const auto moved = post("/moved", "payload");
    EXPECT_EQ(moved->status, 200);
    EXPECT_EQ(moved->body, "payload");
    EXPECT_EQ(get("/loop").error().code, ErrorCode::limit_reached);
}

TEST_F(HttpTest, a_connection_serves_many_requests) {
    serve();
    const int fd = connect_to(server->port());
    std::string wire;
    for (int i = 0; i < 20; ++i) str_append(wire, "GET /hello/", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
    send_all(fd, wire + "GET /hello/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string answer = read_to_end(fd);
    ::close(fd);
    EXPECT_THAT(answer, HasSubstr("hello 19"));
    EXPECT_THAT(answer, HasSubstr("hello last"));
    EXPECT_THAT(raw("GET /hello/old HTTP/1.0\r\n\r\n"), HasSubstr("hello old"));
    EXPECT_THAT(raw("GET http://proxy/hello/abs?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("hello abs1"));
}

TEST_F(HttpTest, limits_are_answered_with_their_status) {
    serve({.body_bytes_max = 1000, .header_bytes_max = 4096});
    EXPECT_EQ(post("/echo", std::string(1000, 'x'))->status, 200);
    const auto large = post("/echo", std::string(5'000'000, 'x'));
    ASSERT_TRUE(large.has_value()) << large.error().message;
    EXPECT_EQ(large->status, 413);
    EXPECT_THAT(large->body, HasSubstr("limit of 1000 bytes"));
    const std::string chunk = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_THAT(raw(chunk + "5\r\nhello\r\n0\r\n\r\n"), HasSubstr("hello"));
    EXPECT_THAT(raw(chunk + "800\r\n" + std::string(2048, 'x') + "\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 413"));
    EXPECT_THAT(raw("GET / HTTP/1.1\r\nX: " + std::string(8000, 'x') + "\r\n\r\n"),
                StartsWith("HTTP/1.1 431"));
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
                StartsWith("HTTP/1.1 4"));
}

TEST_F(HttpTest, expect_continue_is_answered_before_the_body) {
    serve();
    const int fd = connect_to(server->port());
    send_all(fd,
             "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: "
             "close\r\n\r\n");
    char buffer[64];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    EXPECT_EQ(std::string_view(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))),
              "HTTP/1.1 100 Continue\r\n\r\n");
    send_all(fd, "body");
    EXPECT_THAT(read_to_end(fd), HasSubstr("\r\n\r\nbody"));
    ::close(fd);
}

TEST_F(HttpTest, malformed_requests_get_400_and_the_server_lives) {
    serve();
    for (const std::string_view bytes :
         {"nonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n",
          "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "POST /echo HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
          "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        EXPECT_THAT(raw(bytes), StartsWith("HTTP/1.1 400")) << bytes;
    }
    EXPECT_THAT(raw("GET / HTT"), StartsWith("HTTP/1.1 400"));
    EXPECT_THAT(raw("POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"),
                AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("cut off after 4 of 10 bytes")));
    std::mt19937 random(1);
    const std::string valid =
        "POST /echo?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /hello/x HTTP/1.1\r\nHost: "
        "x\r\n\r\n";
    for (int round = 0; round < 300; ++round) {
        std::string bytes = valid;
        for (int change = 0; change < 3; ++change)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        raw(bytes);
    }
    EXPECT_EQ(get("/hello/x")->body, "hello x");
}

TEST_F(HttpTest, too_many_waiting_requests_are_refused) {
    serve({.threads = 1, .requests_waiting_max = 1});
    auto running = std::async(std::launch::async, [&] { return get("/wait"); });
    started.acquire();
    std::vector<std::future<Result<ClientResponse>>> more;  // one of these waits, the others are refused
    for (int i = 0; i < 4; ++i)
        more.push_back(std::async(std::launch::async, [&] { return get("/hello/x"); }));
    int refused = 0;
    while (refused != 3) {
        for (auto& one : more) {
            if (!one.valid() || one.wait_for(1ms) != std::future_status::ready) continue;
            ASSERT_EQ(one.get()->status, 503);
            ++refused;
        }
    }
    go.release();
    EXPECT_EQ(running.get()->body, "waited");
    for (auto& one : more) {
        if (one.valid()) EXPECT_EQ(one.get()->body, "hello x");
    }
}

TEST_F(HttpTest, too_many_connections_are_refused) {
    serve({.connections_max = 1});
    const int first = connect_to(server->port());
    send_all(first, "GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    started.acquire();
    EXPECT_THAT(raw(""), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("too many connections")));
    go.release();
    EXPECT_THAT(read_to_end(first), HasSubstr("waited"));
    ::close(first);
}

TEST_F(HttpTest, connections_that_say_nothing_keep_nobody_out) {
    serve({.connections_max = 2});
    const int silent = connect_to(server->port());
    const int slow = connect_to(server->port());
    send_all(slow, "GET /hello/x HT");
    EXPECT_EQ(get("/hello/x")->body, "hello x");  // in the place of the one that has waited longest
    EXPECT_EQ(read_to_end(silent), "");
    EXPECT_EQ(get("/hello/y")->body, "hello y");
    ::close(slow);
    ::close(silent);
}

TEST_F(HttpTest, an_address_with_many_connections_gives_way_first) {
    serve({.connections_max = 4});
    const int alone = connect_to(server->port(), 2);  // has waited longest
    send_all(alone, "GET /hello/a HTT");
    std::vector<int> many;
    for (int i = 0; i < 6; ++i) {
        many.push_back(connect_to(server->port()));
        send_all(many.back(), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
    }
    EXPECT_EQ(get("/hello/b")->body, "hello b");
    send_all(alone, "P/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(read_to_end(alone), HasSubstr("hello a"));
    for (const int fd : many) ::close(fd);
    ::close(alone);
}

TEST_F(HttpTest, bodies_that_break_off_leave_room_for_others) {
    serve({.body_bytes_max = 100'000});  // 200,000 of all together
    for (int i = 0; i < 10; ++i) {
        const int fd = connect_to(server->port());
        send_all(fd,
                 "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 90000\r\n\r\n");
        char buffer[64];
        EXPECT_GT(::recv(fd, buffer, sizeof buffer, 0), 0);  // room is kept for its body
        const linger reset{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        ::close(fd);
    }
    EXPECT_EQ(post("/echo", std::string(90'000, 'x'))->status, 200);
}

TEST_F(HttpTest, an_address_that_asks_too_often_is_told_when_it_may) {
    serve({.requests_per_second_max = 0.5});
    EXPECT_EQ(get("/hello/x")->status, 200);
    const auto refused = post("/echo", std::string(100'000, 'x'));
    ASSERT_TRUE(refused) << refused.error().message;
    EXPECT_EQ(refused->status, 429);
    EXPECT_THAT(refused->body, HasSubstr("more than 0.5 requests in a second from 127.0.0.1"));
    EXPECT_THAT(refused->headers.at("retry-after"), testing::AnyOf("1", "2"));
    const int other = connect_to(server->port(), 2);
    send_all(other, "GET /hello/y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(read_to_end(other), HasSubstr("hello y"));
    ::close(other);
}

TEST_F(HttpTest, who_is_refused_again_and_again_is_read_slowly) {
    router.add("GET", "/secret", [](const Request&) { return Response::who_are_you(); });
    serve();
    const int fd = connect_to(server->port());
    const auto begin = steady_now();
    for (int i = 0; i < 260; ++i) {
        send_all(fd, i % 2 == 0 ? "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n"
                                : "PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    }
    send_all(fd, "GET /hello/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(read_to_end(fd), HasSubstr("hello x"));
    EXPECT_GE(steady_now() - begin, 290ms);  // 200 at once, and 200 a second
    ::close(fd);
}

TEST_F(HttpTest, who_waits_to_be_read_again_is_ended_by_a_stop) {
    router.add("GET", "/secret", [](const Request&) { return Response::who_are_you(); });
    serve();
    std::vector<int> all;
    for (int i = 0; i < 260; ++i) {
        all.push_back(connect_to(server->port()));
        send_all(all.back(), "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    char buffer[512];
    for (const int fd : all) ASSERT_GT(::recv(fd, buffer, sizeof buffer, 0), 0);
    server.reset();
    for (const int fd : all) {
        EXPECT_EQ(read_to_end(fd), "");
        ::close(fd);
    }
}

TEST_F(HttpTest, slow_requests_are_told_and_ended) {
    serve({.idle_timeout = 50ms});
    const int header = connect_to(server->port());
    send_all(header, "GET /hello/x HTTP/1.1\r\nHo");
    EXPECT_THAT(read_to_end(header),
                AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("header not complete within 50 ms")));
    ::close(header);
    const int body = connect_to(server->port());
    send_all(body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    EXPECT_THAT(read_to_end(body),
                AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("body not complete: 4 bytes came")));
    ::close(body);
}

TEST_F(HttpTest, a_slow_drip_is_ended_by_the_request_timeout) {
    serve({.request_timeout = 200ms, .idle_timeout = 20s});
    const int fd = connect_to(server->port());
    send_all(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    const timeval pause{0, 5000};  // between two bytes
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
    std::string answer;
    char buffer[1024];
    while (answer.empty()) {
        send_all(fd, "x");
        const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        ASSERT_NE(got, 0);
        if (got > 0) answer.assign(buffer, static_cast<std::size_t>(got));
    }
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 408"));
    ::close(fd);
}

TEST_F(HttpTest, who_announces_much_and_sends_nothing_takes_no_room) {
    serve({.body_bytes_max = 10'000'000});
    std::vector<int> announcers;
    for (int i = 0; i < 20; ++i) {
        announcers.push_back(connect_to(server->port()));
        send_all(announcers.back(),
                 i % 2 == 0 ? "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
                            : "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    const std::string body(9'000'000, 'x');
    EXPECT_EQ(post("/echo", body)->body, body);
    for (const int fd : announcers) ::close(fd);
}

TEST_F(HttpTest, bodies_together_are_bounded) {
    serve({.threads = 1, .body_bytes_max = 1'000'000});
    std::vector<int> senders;  // three bodies of 0.9 MB that stay unfinished: room for two
    int refused = 0;
    for (int i = 0; i < 3; ++i) {
        senders.push_back(connect_to(server->port()));
        send_all(senders.back(), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
                                     std::string(900'000, 'x'));
    }
    while (refused == 0) {
        for (const int fd : senders) {
            char buffer[512];
            const ssize_t got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got <= 0) continue;
            EXPECT_THAT(std::string(buffer, static_cast<std::size_t>(got)),
                        AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("too many large requests")));
            ++refused;
        }
    }
    EXPECT_EQ(refused, 1);
    for (const int fd : senders) ::close(fd);
}

TEST_F(HttpTest, an_idle_connection_is_closed) {
    serve({.idle_timeout = 50ms});
    const int fd = connect_to(server->port());
    EXPECT_EQ(read_to_end(fd), "");
    ::close(fd);
}

TEST_F(HttpTest, stopping_lets_running_handlers_answer) {
    serve();
    auto running = std::async(std::launch::async, [&] { return get("/wait"); });
    const int idle = connect_to(server->port());
    started.acquire();
    auto stopping = std::async(std::launch::async, [&] { server.reset(); });
    EXPECT_EQ(read_to_end(idle), "");  // closed by the stop
    ::close(idle);
    go.release();
    stopping.get();
    const auto answer = running.get();
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_EQ(answer->body, "waited");
}

TEST_F(HttpTest, an_idle_server_has_no_handler_threads) {
    const auto threads = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                             std::filesystem::directory_iterator());
    };
    const auto before = threads();
    serve();
    EXPECT_EQ(threads(), before + 1);
    EXPECT_EQ(get("/hello/x")->status, 200);
    EXPECT_EQ(threads(), before + 2);
}

TEST_F(HttpTest, a_port_in_use_is_a_conflict_and_client_errors_have_their_codes) {
    serve();
    const auto second = Server::start({.port = server->port()}, router);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
    const std::string there = url("/hello/x");
    const auto late = fetch({.url = url("/wait")}, Deadline::after(50ms));
    EXPECT_EQ(late.error().code, ErrorCode::unknown_outcome);
    go.release();
    EXPECT_EQ(fetch({.url = there, .headers = {{"X", "a\r\nY: b"}}}, Deadline::never()).error().code,
              ErrorCode::invalid_argument);
    server.reset();
    EXPECT_EQ(fetch({.url = there}, Deadline::after(5s)).error().code, ErrorCode::unavailable);
    for (const char* bad : {"ftp://x/", "x", "http://", "http://h:0/", "http://h:99999/", "http://a b/",
                            "http://h/a b", "http://h:/x"})
        EXPECT_EQ(fetch({.url = bad}, Deadline::after(5s)).error().code, ErrorCode::invalid_argument) << bad;
}

}  // namespace
}  // namespace weft::http
