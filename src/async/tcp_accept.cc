#include <unistd.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <utility>

#include "async/detail/tcp_channel.h"
#include "async/detail/tls_handshake.h"
#include "observe/log.h"

namespace weft::async {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kBackoffAfterError = 100ms;  // no file descriptors left, most likely
constexpr std::size_t kHandshakesMax = 1000;

// A socket on its way from one loop to another, of neither.
class Moving {
  public:
    explicit Moving(tcp::socket socket) {
        boost::system::error_code failed;  // then it is closed here
        const auto local = socket.local_endpoint(failed);
        if (failed) return;
        protocol_ = local.protocol();
        fd_ = socket.release(failed);
    }
    Moving(Moving&& from) noexcept : protocol_(from.protocol_), fd_(std::exchange(from.fd_, -1)) {}
    Moving& operator=(Moving&&) = delete;
    ~Moving() {
        if (fd_ >= 0) ::close(fd_);
    }
    /// Not open, if it could not be taken.
    tcp::socket into(Loop& loop) {
        tcp::socket socket(loop.context());
        boost::system::error_code failed;
        if (fd_ >= 0) socket.assign(protocol_, fd_, failed);
        if (!failed) fd_ = -1;
        return socket;
    }

  private:
    tcp protocol_ = tcp::v4();
    int fd_ = -1;
};

// Who gets the connections. Shared by the listener and by connections on their way, which may outlive it.
struct Taker {
    Taker(Loop& of, FrameAcceptor::Accepted to) : loop(of), accepted(std::move(to)) {}

    // On the loop.
    void take(tcp::socket socket, std::unique_ptr<TlsStream> stream) {
        if (closed || !socket.is_open()) return;
        accepted(make_tcp_channel(loop, std::move(socket), std::move(stream)));
    }

    Loop& loop;
    const FrameAcceptor::Accepted accepted;
    bool closed = false;                  // set when nothing runs beside it
    std::atomic<std::size_t> coming = 0;  // connections on their way from another loop, from their first byte
};

// Accepts on one loop, for a taker on another: with TLS these are two, and what a stranger costs before his
// handshake is done is not the taker's. Without TLS they are the same. Shared by the FrameAcceptor that the
// owner holds, the accept that waits, and the handshakes: all of the accepting loop, which outlives it.
class Listener final : public std::enable_shared_from_this<Listener> {
  public:
    Listener(Loop& accepting, std::shared_ptr<Taker> taker, std::shared_ptr<security::TlsServer> tls)
        : loop_(accepting), taker_(std::move(taker)), tls_(std::move(tls)), acceptor_(loop_.context()) {}

    /// Once, before anything else. Accepts from the next turn of the accepting loop on.
    Result<> open(const tcp::endpoint& endpoint) {
        boost::system::error_code error;
        acceptor_.open(endpoint.protocol(), error);
        if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
        if (!error) acceptor_.bind(endpoint, error);
        if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
        if (!error) port_ = acceptor_.local_endpoint(error).port();
        if (error == asio::error::address_in_use)
            return fail(ErrorCode::conflict,
                        "address in use (another program listens there): ", text_of(endpoint));
        if (error) return fail(ErrorCode::io, "can't listen on ", text_of(endpoint), ": ", error.message());
        loop_.post([self = shared_from_this()] { self->accept_next(); });
        return {};
    }

    /// On the taker's loop; the accepting one is the same, or stopped.
    void close() {
        taker_->closed = true;
        if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
        boost::system::error_code ignored;  // there is nothing left to lose
        acceptor_.close(ignored);
    }

    std::uint16_t port() const { return port_; }

  private:
    void accept_next() {
        acceptor_.async_accept(
            [self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
                self->on_accepted(error, std::move(socket));
            });
    }

    void on_accepted(const boost::system::error_code& error, tcp::socket socket) {
        if (taker_->closed) return;
        if (!error) {
            accept_next();
            return tls_ ? shake_hands_with(std::move(socket)) : taker_->take(std::move(socket), nullptr);
        }
        if (error == asio::error::connection_aborted) return accept_next();
        log_.warn("can't accept a connection, trying again", {{"port", port_}, {"reason", error.message()}});
        timer_ = loop_.after(kBackoffAfterError, [self = shared_from_this()] {
            self->timer_ = 0;
            self->accept_next();
        });
    }

    // Where there are too many, the one that has been at it the longest gives way: who is slow, or silent,
    // keeps nobody out. If all are done and wait for the taker, the new one goes.
    void shake_hands_with(tcp::socket socket) {
        if (taker_->coming >= kHandshakesMax) {
            if (shaking_.empty()) return;  // the socket is closed with it
            const GiveUp oldest = shaking_.begin()->second;
            oldest();
        }
        ++taker_->coming;
        const std::uint64_t number = ++last_number_;
        shaking_.emplace(number, nullptr);
        auto give_up = shake_hands(
            loop_, std::move(socket), *tls_,
            [self = shared_from_this(), number](tcp::socket whole, std::unique_ptr<TlsStream> stream) {
                self->on_shaken(number, std::move(whole), std::move(stream));
            });
        const auto still = shaking_.find(number);
        if (still != shaking_.end()) still->second = std::move(give_up);
    }

    void on_shaken(std::uint64_t number, tcp::socket whole, std::unique_ptr<TlsStream> stream) {
        shaking_.erase(number);
        if (!stream) {
            --taker_->coming;
            return;
        }
        taker_->loop.post(
            [taker = taker_, stream = std::move(stream), moving = Moving(std::move(whole))]() mutable {
                --taker->coming;
                taker->take(moving.into(taker->loop), std::move(stream));
            });
    }

    // Fixed after open().
    Loop& loop_;
    const std::shared_ptr<Taker> taker_;
    const std::shared_ptr<security::TlsServer> tls_;  // null: plain
    const observe::Logger log_{"async"};
    std::uint16_t port_ = 0;

    // On the accepting loop.
    tcp::acceptor acceptor_;
    TimerId timer_ = 0;
    std::map<std::uint64_t, GiveUp> shaking_;  // the oldest first
    std::uint64_t last_number_ = 0;
};

class TcpAcceptor final : public FrameAcceptor {
  public:
    TcpAcceptor(Loop& loop, Accepted accepted, std::shared_ptr<security::TlsServer> tls)
        : handshakes_(tls ? std::make_unique<LoopThread>("tls") : nullptr),
          listener_(std::make_shared<Listener>(handshakes_ ? handshakes_->loop() : loop,
                                               std::make_shared<Taker>(loop, std::move(accepted)),
                                               std::move(tls))) {}
    ~TcpAcceptor() override {
        if (handshakes_) handshakes_->stop();
        listener_->close();
    }
    Result<> open(const tcp::endpoint& endpoint) { return listener_->open(endpoint); }
    std::uint16_t port() const override { return listener_->port(); }

  private:
    const std::unique_ptr<LoopThread> handshakes_;  // null: without TLS; goes last
    std::shared_ptr<Listener> listener_;
};

Result<tcp::endpoint> endpoint_of(Loop& loop, const std::string& address, std::uint16_t port) {
    boost::system::error_code error;
    const auto numeric = asio::ip::make_address(address, error);
    if (!error) return tcp::endpoint(numeric, port);
    if (address == "localhost") return tcp::endpoint(asio::ip::address_v4::loopback(), port);
    const auto results = tcp::resolver(loop.context()).resolve(address, std::to_string(port), error);
    if (error || results.empty())
        return fail(ErrorCode::invalid_argument, "no such address to bind to: ", address, " (",
                    error.message(), ")");
    return results.begin()->endpoint();
}

}  // namespace

Result<std::unique_ptr<FrameAcceptor>> FrameAcceptor::listen(Loop& loop, const std::string& bind_address,
                                                             std::uint16_t port, Accepted accepted,
                                                             std::shared_ptr<security::TlsServer> tls) {
    WEFT_TRY(const auto endpoint, endpoint_of(loop, bind_address, port));
    auto acceptor = std::make_unique<TcpAcceptor>(loop, std::move(accepted), std::move(tls));
    WEFT_TRY_VOID(acceptor->open(endpoint));
    return acceptor;
}

}  // namespace weft::async
