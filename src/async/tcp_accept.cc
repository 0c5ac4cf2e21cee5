#include <boost/asio/ip/tcp.hpp>
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

// Shared by the FrameAcceptor that the owner holds and the accept that waits in the loop.
class Listener final : public std::enable_shared_from_this<Listener> {
  public:
    Listener(Loop& loop, FrameAcceptor::Accepted accepted, std::shared_ptr<security::TlsServer> tls)
        : loop_(loop), acceptor_(loop.context()), accepted_(std::move(accepted)), tls_(std::move(tls)) {}

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
        return {};
    }

    void accept_next() {
        acceptor_.async_accept(
            [self = shared_from_this()](const boost::system::error_code& error, tcp::socket socket) {
                self->on_accepted(error, std::move(socket));
            });
    }

    void close() {
        closed_ = true;
        if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
        boost::system::error_code ignored;  // there is nothing left to lose
        acceptor_.close(ignored);
    }

    std::uint16_t port() const { return port_; }

  private:
    void on_accepted(const boost::system::error_code& error, tcp::socket socket) {
        if (closed_) return;
        if (!error) {
            accept_next();
            return hand_over(std::move(socket));
        }
        if (error == asio::error::connection_aborted) return accept_next();
        log_.warn("can't accept a connection, trying again", {{"port", port_}, {"reason", error.message()}});
        timer_ = loop_.after(kBackoffAfterError, [self = shared_from_this()] {
            self->timer_ = 0;
            self->accept_next();
        });
    }

    void hand_over(tcp::socket socket) {
        if (!tls_) return accepted_(make_tcp_channel(loop_, std::move(socket)));
        if (handshakes_ == kHandshakesMax) return;  // the socket is closed with it
        ++handshakes_;
        shake_hands(
            loop_, std::move(socket), *tls_,
            [self = shared_from_this()](tcp::socket whole, std::unique_ptr<TlsStream> stream) {
                --self->handshakes_;
                if (stream && !self->closed_)
                    self->accepted_(make_tcp_channel(self->loop_, std::move(whole), std::move(stream)));
            });
    }

    Loop& loop_;
    tcp::acceptor acceptor_;
    const FrameAcceptor::Accepted accepted_;
    const std::shared_ptr<security::TlsServer> tls_;  // null: plain
    std::size_t handshakes_ = 0;
    const observe::Logger log_{"async"};
    std::uint16_t port_ = 0;
    TimerId timer_ = 0;
    bool closed_ = false;
};

class TcpAcceptor final : public FrameAcceptor {
  public:
    explicit TcpAcceptor(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}
    ~TcpAcceptor() override { listener_->close(); }
    std::uint16_t port() const override { return listener_->port(); }

  private:
    std::shared_ptr<Listener> listener_;  // shared with the accept that waits in the loop
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
    auto listener = std::make_shared<Listener>(loop, std::move(accepted), std::move(tls));
    WEFT_TRY_VOID(listener->open(endpoint));
    listener->accept_next();
    return std::make_unique<TcpAcceptor>(std::move(listener));
}

}  // namespace weft::async
