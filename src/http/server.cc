#include "http/server.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "async/call.h"
#include "async/detail/socket_acceptor.h"
#include "http/detail/address_rates.h"
#include "http/detail/handler_pool.h"
#include "http/detail/url.h"
#include "http/detail/wire.h"
#include "observe/log.h"

namespace weft::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using beast::error_code;

namespace {

constexpr auto kDrainTime = 2s;  // for a client that is still sending when it gets its answer and the end
constexpr auto kLastAnswersTime = 1s;      // for answers under way when the server stops
constexpr double kRefusedPerSecond = 200;  // requests that anybody might send, of one address
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::size_t kHeaderReadBytes = 4U << 10;  // what a connection at rest keeps
constexpr std::size_t kReadBytes = 64U << 10;
constexpr int kDrainReadsPerTurn = 16;               // then other connections have their turn
constexpr std::uint64_t kBodyStepBytes = 64U << 10;  // what a body is given before more of it has come
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 63\r\n"
    "Connection: close\r\n\r\n"
    R"({"reason":"too many connections at once: try again in a while"})";

class Session;

// What sessions share. Lives until the last of them is gone.
struct Core {
    Core(async::Loop& l, ServerOptions o, const Router& r)
        : loop(l),
          options(std::move(o)),
          router(r),
          rates(options.requests_per_second_max),
          refused(kRefusedPerSecond),
          pool(options.threads, options.requests_waiting_max) {}

    async::Loop& loop;
    const ServerOptions options;
    const Router router;
    const observe::Logger log{"http"};

    // on the loop
    std::unique_ptr<async::SocketAcceptor> acceptor;
    std::unordered_set<Session*> sessions;
    using SessionsOf = std::unordered_map<std::string, std::size_t>;
    SessionsOf sessions_of;  // each address
    AddressRates rates, refused;
    std::uint64_t body_bytes = 0;  // reserved for bodies that are read or handled
    std::size_t writing = 0;       // sessions that send an answer
    bool stopping = false;
    std::move_only_function<void(Result<bool>)> when_quiet;

    HandlerPool pool;

    // Frees a place: of the address with the most connections it ends one that waits for its client. One that
    // waits for the rest of a body goes last, else the one that has waited longest first.
    bool make_place();
    bool reserve(std::uint64_t bytes) {
        if (body_bytes + bytes > 2 * options.body_bytes_max) return false;
        body_bytes += bytes;
        return true;
    }
    void tell_if_quiet() {
        if (writing == 0 && when_quiet) std::exchange(when_quiet, nullptr)(true);
    }
};

// One connection: reads a request, has it handled, writes the answer, and again. All on the loop but the
// handler.
class Session final : public std::enable_shared_from_this<Session> {
  public:
    // `core` is shared by all sessions and the server: whoever ends last frees it.
    Session(std::shared_ptr<Core> core, tcp::socket socket, std::unique_ptr<async::TlsStream> tls)
        : core_(std::move(core)),
          wire_(std::make_shared<Wire>(core_->loop, std::move(socket), std::move(tls))),
          buffer_(core_->options.header_bytes_max + (64U << 10)) {
        core_->sessions.insert(this);
        const std::string& peer = wire_->peer();
        address_ = &*core_->sessions_of.try_emplace(peer.substr(0, peer.rfind(':'))).first;
        ++address_->second;
    }
    ~Session() {
        core_->body_bytes -= reserved_;  // if it broke off
        core_->sessions.erase(this);
        if (--address_->second == 0) core_->sessions_of.erase(core_->sessions_of.find(address_->first));
    }

    void read_request();
    bool is_waiting() const { return phase_ == Phase::waiting; }
    bool waits_for_client() const { return is_waiting() || reading_body_; }
    /// Whether it should give way rather than the other one. Both wait for their clients.
    bool goes_before(const Session& other) const {
        if (address_->second != other.address_->second) return address_->second > other.address_->second;
        if (reading_body_ != other.reading_body_) return other.reading_body_;
        return since_ < other.since_;
    }
    /// Ends a connection that waits for a request. It lives until what is going on now is over.
    void close_if_idle() {
        if (is_waiting()) end_waiting();
    }
    void end_waiting() {
        phase_ = Phase::ending;
        core_->loop.post([self = shared_from_this()] {});
        core_->loop.cancel(timer_);
        wire_->close();
    }

  private:
    enum class Phase : std::uint8_t { waiting, busy, ending };
    enum class After : std::uint8_t { keep_alive, close };

    void end_reading_after(Duration limit);
    void read_more();
    void on_readable();
    error_code receive();
    void go_on();
    bool go_on_with_header();
    bool go_on_with_body();
    void on_header();
    bool within_rate();
    void read_body();
    bool reserve_for_body();
    void on_request();
    std::optional<Request> take_request(std::string& problem);
    void refuse(const error_code& error);
    void answer(Response response, After after);
    void finish(After after);
    void drain();

    const std::shared_ptr<Core> core_;
    const std::shared_ptr<Wire> wire_;  // shared with what waits in the loop
    beast::flat_buffer buffer_;
    std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
    Phase phase_ = Phase::waiting;
    SteadyTime since_ = steady_now();  // when it began to wait
    bool reading_body_ = false;
    Duration pause_{};                     // before it is read again
    Core::SessionsOf::pointer address_{};  // of the client, and how many sessions that has
    Deadline deadline_ = Deadline::never();
    async::TimerId timer_ = 0;  // ends a read that takes too long
    bool late_ = false;         // it did
    std::uint64_t reserved_ = 0;
    bool is_head_ = false;
    unsigned version_ = 11;
    char scratch_[4096];
};

bool Core::make_place() {
    Session* first = nullptr;
    for (Session* session : sessions) {
        if (session->waits_for_client() && (!first || session->goes_before(*first))) first = session;
    }
    if (first) first->end_waiting();
    return first != nullptr;
}

void Session::read_request() {
    if (core_->stopping) return;  // the last reference goes, and the connection with it
    phase_ = Phase::waiting;
    since_ = steady_now();
    if (buffer_.size() == 0 && buffer_.capacity() > kHeaderReadBytes) buffer_.shrink_to_fit();
    parser_.emplace();
    parser_->eager(false);  // the header first
    parser_->header_limit(static_cast<std::uint32_t>(core_->options.header_bytes_max));
    parser_->body_limit(core_->options.body_bytes_max);
    end_reading_after(core_->options.idle_timeout);
    go_on();  // what came behind the last request
}

void Session::end_reading_after(Duration limit) {
    late_ = false;
    core_->loop.cancel(timer_);
    timer_ = core_->loop.after(limit, [self = shared_from_this()] {
        self->late_ = true;
        self->wire_->cancel();
        self->refuse({});
    });
}

void Session::read_more() {
    wire_->when_readable([self = shared_from_this()] { self->on_readable(); });
}

void Session::on_readable() {
    const error_code error = receive();
    if (error == asio::error::would_block) return read_more();
    if (error) {
        core_->loop.cancel(timer_);
        return refuse(error);
    }
    go_on();
}

// Takes what has come into the buffer. At the end of the stream it asks the parser what that means.
error_code Session::receive() {
    const std::size_t wanted = phase_ == Phase::waiting ? kHeaderReadBytes : kReadBytes;
    const std::size_t room = std::min(buffer_.max_size() - buffer_.size(), wanted);
    if (room == 0) return bhttp::error::buffer_overflow;
    const auto into = buffer_.prepare(room);
    const ssize_t got = wire_->read(static_cast<char*>(into.data()), into.size());
    if (got > 0) {
        buffer_.commit(static_cast<std::size_t>(got));
        return {};
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return asio::error::would_block;
    if (got < 0) return {errno, boost::system::system_category()};
    if (!parser_->got_some()) return bhttp::error::end_of_stream;
    error_code error;
    parser_->put_eof(error);
    return error;
}

// Parses what is there, step by step, until more is needed or the request has other hands.
void Session::go_on() {
    while (phase_ == Phase::waiting ? go_on_with_header() : go_on_with_body()) {
    }
}

// True: there is more to parse.
bool Session::go_on_with_header() {
    if (buffer_.size() == 0) return read_more(), false;
    error_code error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == bhttp::error::need_more) return read_more(), false;
    if (!error && !parser_->is_header_done()) return true;
    core_->loop.cancel(timer_);
    return error ? refuse(error) : on_header(), false;
}

bool Session::go_on_with_body() {
    if (parser_->is_done()) return core_->loop.cancel(timer_), on_request(), false;
    if (buffer_.size() == 0) return read_more(), false;
    error_code error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == bhttp::error::need_more) return read_more(), false;
    if (error && error != bhttp::error::need_buffer) {
        core_->loop.cancel(timer_);
        return refuse(error), false;
    }
    if (parser_->is_done()) return true;
    if (!reserve_for_body()) return false;
    end_reading_after(std::min(deadline_.left(), core_->options.idle_timeout));
    return true;
}

void Session::on_header() {
    phase_ = Phase::busy;
    deadline_ = Deadline::after(core_->options.request_timeout);
    is_head_ = parser_->get().method() == bhttp::verb::head;
    version_ = parser_->get().version();
    parser_->eager(true);
    if (!within_rate()) return;
    if (parser_->is_done()) return on_request();
    if (!reserve_for_body()) return;
    if (!beast::iequals(parser_->get()[bhttp::field::expect], "100-continue")) return read_body();
    wire_->write(std::string(kContinue), {}, [self = shared_from_this()](bool whole) {
        if (whole) self->read_body();
    });
}

// Answers by itself if the client asks too often.
bool Session::within_rate() {
    if (core_->options.requests_per_second_max <= 0) return true;
    const Duration wait = core_->rates.take(address_->first, steady_now());
    if (wait == Duration::zero()) return true;
    auto refused = Response::error(429, str_cat("more than ", core_->options.requests_per_second_max,
                                                " requests in a second from ", address_->first,
                                                ": send them slower, or raise "
                                                "httpRequestsMaxPerSecond"));
    refused.headers["Retry-After"] = str_cat(std::chrono::ceil<std::chrono::seconds>(wait).count());
    const bool whole = parser_->is_done() && parser_->get().keep_alive();
    return answer(std::move(refused), whole ? After::keep_alive : After::close), false;
}

// Counts what has come, not what was announced: who announces much and sends nothing takes no room from
// others. Answers by itself if there is none.
bool Session::reserve_for_body() {
    const std::uint64_t wanted =
        std::min(parser_->get().body().size() + kBodyStepBytes, core_->options.body_bytes_max);
    if (wanted <= reserved_) return true;
    if (!core_->reserve(wanted - reserved_)) {
        core_->loop.cancel(timer_);
        answer(Response::error(503, "too many large requests at once: try again in a while"), After::close);
        return false;
    }
    reserved_ = wanted;
    return true;
}

void Session::read_body() {
    reading_body_ = true;
    since_ = steady_now();
    end_reading_after(std::min(deadline_.left(), core_->options.idle_timeout));
    go_on();
}

// Tells the client what was wrong with its bytes, if there is a point in telling it; else ends the
// connection.
void Session::refuse(const error_code& error) {
    const auto& options = core_->options;
    const bool began = phase_ == Phase::busy || buffer_.size() > 0 || parser_->got_some();
    if (phase_ == Phase::ending || !began || error == bhttp::error::end_of_stream) return wire_->close();
    const auto say = [&](int status, const auto&... parts) {
        answer(Response::error(status, str_cat(parts...)), After::close);
    };
    if (late_ && phase_ == Phase::waiting)
        return say(408, "request header not complete within ", options.idle_timeout / 1ms,
                   " ms: send it at once");
    if (late_)
        return say(408, "request body not complete: ", parser_->get().body().size(), " bytes came within ",
                   (options.request_timeout - deadline_.left()) / 1ms, " ms, and none for up to ",
                   options.idle_timeout / 1ms, " ms: send it faster, or in smaller requests");
    if (error == bhttp::error::body_limit)
        return say(413, "request body over the limit of ", options.body_bytes_max, " bytes: send less");
    if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow)
        return say(431, "request header over the limit of ", options.header_bytes_max, " bytes: send less");
    if (error == bhttp::error::partial_message && phase_ == Phase::busy)
        return say(400, "request body cut off after ", parser_->get().body().size(), " of ",
                   parser_->content_length() ? str_cat(*parser_->content_length()) : "an unknown number of",
                   " bytes: send as many as Content-Length says");
    if (error.category() == bhttp::make_error_code(bhttp::error::bad_method).category())
        return say(400, "malformed HTTP request: ", error.message(), ": send HTTP/1.1 as in RFC 9112");
    wire_->close();
}

std::optional<Request> Session::take_request(std::string& problem) {
    auto& in = parser_->get();
    Request request;
    request.method = in.method_string();
    std::string_view target = in.target();
    if (!target.starts_with('/') && target != "*") {  // http://host/path, as proxies write it
        const auto url = parse_http_url(target);
        if (!url) {
            problem =
                str_cat("malformed request target ", shown(target), ": it must begin with / or http://host/");
            return std::nullopt;
        }
        request.raw_path = url->target;
        target = request.raw_path;
    }
    target = target.substr(0, target.find('#'));
    const std::size_t question = target.find('?');
    auto path = url_decode(target.substr(0, question));
    if (!path) return problem = bad_encoding("path", target), std::nullopt;
    auto query = parse_query(question == std::string_view::npos ? "" : target.substr(question + 1));
    if (!query) return problem = bad_encoding("query", target), std::nullopt;
    request.raw_path = std::string(target.substr(0, question));
    request.path = std::move(*path);
    request.query = std::move(*query);
    for (const auto& field : in) {
        std::string name = field.name_string();
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const auto [at, first] = request.headers.try_emplace(std::move(name), field.value());
        if (!first) str_append(at->second, ", ", std::string_view(field.value()));
    }
    request.host = in[bhttp::field::host];
    request.body = std::move(in.body());
    request.certificate_name = wire_->certificate_name();
    request.remote_address = wire_->peer();
    request.deadline = deadline_;
    return request;
}

void Session::on_request() {
    reading_body_ = false;
    const After after = parser_->get().keep_alive() ? After::keep_alive : After::close;
    std::string problem;
    auto request = take_request(problem);
    parser_.reset();
    if (!request) return answer(Response::error(400, problem), after);
    const bool taken =
        core_->pool.submit([self = shared_from_this(), request = std::move(*request), after]() mutable {
            const SteadyTime begin = steady_now();
            Response response = self->core_->router.handle(request);
            if (observe::enabled(observe::Level::debug)) {
                self->core_->log.debug("handled", {{"method", request.method},
                                                   {"path", request.path},
                                                   {"status", response.status},
                                                   {"us", (steady_now() - begin) / 1us}});
            }
            request = {};  // a large body goes before its answer is sent
            Session* session = self.get();
            session->core_->loop.post([self = std::move(self), response = std::move(response),
                                       after]() mutable { self->answer(std::move(response), after); });
        });
    if (!taken) answer(Response::error(503, "too many requests wait, try again later"), after);
}

void Session::answer(Response response, After after) {
    core_->body_bytes -= std::exchange(reserved_, 0);
    phase_ = Phase::busy;
    reading_body_ = false;
    pause_ = response.to_anybody ? core_->refused.charge(address_->first, steady_now()) : Duration::zero();
    if (core_->stopping) after = After::close;
    std::string head = str_cat("HTTP/1.", version_ % 10, ' ', response.status, ' ',
                               std::string_view(bhttp::obsolete_reason(
                                   bhttp::int_to_status(static_cast<unsigned>(response.status)))),
                               "\r\n");
    const auto add = [&](std::string_view name, const auto& value) {
        str_append(head, name, ": ", value, "\r\n");
    };
    if (!response.content_type.empty()) add("Content-Type", response.content_type);
    for (const auto& [name, value] : response.headers) add(name, value);
    if (after == After::close) add("Connection", "close");
    if (after == After::keep_alive && version_ < 11) add("Connection", "keep-alive");
    if (response.status / 100 != 1 && response.status != 204 && response.status != 304)
        add("Content-Length", response.body.size());
    head += "\r\n";
    if (is_head_) response.body.clear();
    ++core_->writing;
    core_->loop.cancel(timer_);
    timer_ = core_->loop.after(core_->options.request_timeout, [wire = wire_] { wire->close(); });
    wire_->write(std::move(head), std::move(response.body), [self = shared_from_this(), after](bool whole) {
        self->core_->loop.cancel(self->timer_);
        --self->core_->writing;
        self->core_->tell_if_quiet();
        if (whole) self->finish(after);
    });
}

void Session::finish(After after) {
    if (after == After::keep_alive && pause_ > Duration::zero()) {
        phase_ = Phase::waiting;  // it gives way like the others
        since_ = steady_now();
        timer_ = core_->loop.after(pause_, [self = shared_from_this()] { self->read_request(); });
        return;
    }
    if (after == After::keep_alive) return read_request();
    wire_->end_writing();
    timer_ = core_->loop.after(kDrainTime, [wire = wire_] { wire->close(); });
    drain();
}

// A socket closed with unread input is reset, and a reset may overtake the answer.
void Session::drain() {
    wire_->when_readable([self = shared_from_this()] {
        for (int reads = 0; reads < kDrainReadsPerTurn; ++reads) {
            const ssize_t got = self->wire_->read(self->scratch_, sizeof self->scratch_);
            if (got > 0) continue;
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
            return self->core_->loop.cancel(self->timer_);
        }
        self->drain();
    });
}

// On the loop. Who finds no room is told, if it takes what he is told at once.
void serve(const std::shared_ptr<Core>& core, tcp::socket socket, std::unique_ptr<async::TlsStream> tls) {
    if (core->stopping) return;
    if (core->sessions.size() < core->options.connections_max || core->make_place())
        return std::make_shared<Session>(core, std::move(socket), std::move(tls))->read_request();
    std::string text(kTooManyConnections);
    error_code ignored;  // then it is not told
    socket.non_blocking(true, ignored);
    if (!tls) return void(socket.write_some(asio::buffer(text), ignored));
    const iovec piece{text.data(), text.size()};
    (void)tls->send(&piece, 1);
    tls->end_writing();
}

class BeastServer final : public Server {
  public:
    BeastServer(ServerOptions options, const Router& router)
        : core_(std::make_shared<Core>(thread_.loop(), std::move(options), router)) {}
    ~BeastServer() override { stop(); }

    Result<> listen() {
        return *async::call_on<Result<>>(thread_.loop(), Deadline::never(), [&](auto done) {
            const ServerOptions& options = core_->options;
            auto acceptor = async::SocketAcceptor::listen(
                thread_.loop(), options.bind_address, options.port,
                [core = std::weak_ptr(core_)](tcp::socket socket, std::unique_ptr<async::TlsStream> tls) {
                    if (const auto still = core.lock()) serve(still, std::move(socket), std::move(tls));
                },
                options.tls);
            if (!acceptor) return done(Result<>(std::unexpected(std::move(acceptor).error())));
            core_->acceptor = std::move(*acceptor);
            port_ = core_->acceptor->port();
            done(Result<>());
        });
    }
    std::uint16_t port() const override { return port_; }

  private:
    void stop() {
        thread_.loop().post([core = core_] {
            core->stopping = true;
            core->acceptor.reset();
            for (Session* session : core->sessions) session->close_if_idle();
        });
        core_->pool.stop();
        // Answers that don't get through in time are lost with their connections.
        (void)async::call_on<bool>(thread_.loop(), Deadline::after(kLastAnswersTime), [&](auto done) {
            core_->when_quiet = std::move(done);
            core_->tell_if_quiet();
        });
        thread_.stop();
    }

    async::LoopThread thread_{"http"};
    std::shared_ptr<Core> core_;  // shared with the sessions
    std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, const Router& router) {
    auto server = std::make_unique<BeastServer>(std::move(options), router);
    WEFT_TRY_VOID(server->listen());
    return server;
}

}  // namespace weft::http
