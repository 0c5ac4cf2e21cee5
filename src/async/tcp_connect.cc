#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "async/detail/tcp_channel.h"

namespace weft::async {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kIdleSeconds = 5, kProbeSeconds = 2, kProbesLost = 5;

// One attempt to connect: resolves, tries each address in turn, shakes hands, gives up at the deadline.
// Shared by the operations that wait for the network and the timer; the last one out ends it.
class Attempt final : public std::enable_shared_from_this<Attempt> {
  public:
    Attempt(Loop& loop, std::string host, std::uint16_t port, std::shared_ptr<security::TlsClient> tls,
            Connected done)
        : loop_(loop),
          host_(std::move(host)),
          port_(port),
          tls_(std::move(tls)),
          resolver_(loop.context()),
          socket_(loop.context()),
          done_(std::move(done)) {}

    void start(Deadline deadline) {
        timer_ = loop_.after(deadline.left(), [self = shared_from_this()] {
            self->timer_ = 0;
            self->finish(fail(ErrorCode::deadline_exceeded,
                              "connecting took longer than the deadline: ", self->target()));
        });
        boost::system::error_code error;
        const auto address = asio::ip::make_address(host_, error);
        if (!error) {
            addresses_ = {tcp::endpoint(address, port_)};
        } else if (host_ == "localhost") {  // always the loopback (RFC 6761): no need to ask
            addresses_ = {tcp::endpoint(asio::ip::address_v4::loopback(), port_),
                          tcp::endpoint(asio::ip::address_v6::loopback(), port_)};
        } else {
            resolve();
            return;
        }
        loop_.post([self = shared_from_this()] { self->try_next(); });
    }

  private:
    std::string target() const { return str_cat(host_, ':', port_); }

    void resolve() {
        resolver_.async_resolve(host_, std::to_string(port_),
                                [self = shared_from_this()](const auto& error, auto results) {
                                    if (error) {
                                        self->finish(fail(ErrorCode::unavailable, "no address for host ",
                                                          self->host_, ": ", error.message()));
                                        return;
                                    }
                                    for (const auto& result : results)
                                        self->addresses_.push_back(result.endpoint());
                                    self->try_next();
                                });
    }

    void try_next() {
        if (!done_) return;
        if (next_ == addresses_.size()) {
            finish(fail(ErrorCode::unavailable, "can't connect to ", target(), ": ", last_error_));
            return;
        }
        boost::system::error_code ignored;  // a socket that was never opened
        socket_.close(ignored);
        socket_.async_connect(addresses_[next_++],
                              [self = shared_from_this()](const boost::system::error_code& error) {
                                  if (!self->done_) return;
                                  if (!error) return self->on_connected();
                                  self->last_error_ = error.message();
                                  self->try_next();
                              });
    }

    void on_connected() {
        watch_the_line();
        if (!tls_) return finish(make_tcp_channel(loop_, std::move(socket_)));
        boost::system::error_code ignored;  // it is non-blocking already, or the handshake says more
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay(true), ignored);
        auto stream = TlsStream::client(*tls_, socket_.native_handle(), host_);
        if (!stream) return finish(std::unexpected(std::move(stream.error())));
        stream_ = std::move(*stream);
        shake_hands();
    }

    /// The kernel asks the other side while nothing comes. So a connection that ended over there, or a
    /// network that lost it, is found out within seconds, also by who only waits.
    void watch_the_line() {
        const int on = 1, idle = kIdleSeconds, every = kProbeSeconds, probes = kProbesLost;
        for (const auto& [level, option, value] : {std::tuple{SOL_SOCKET, SO_KEEPALIVE, &on},
                                                   {IPPROTO_TCP, TCP_KEEPIDLE, &idle},
                                                   {IPPROTO_TCP, TCP_KEEPINTVL, &every},
                                                   {IPPROTO_TCP, TCP_KEEPCNT, &probes}}) {
            ::setsockopt(socket_.native_handle(), level, option, value, sizeof *value);  // works without
        }
    }

    void shake_hands() {
        if (!done_) return;
        switch (stream_->handshake()) {
            case TlsStream::Progress::done:
                return finish(make_tcp_channel(loop_, std::move(socket_), std::move(stream_)));
            case TlsStream::Progress::wants_read:
                return wait(tcp::socket::wait_read);
            case TlsStream::Progress::wants_write:
                return wait(tcp::socket::wait_write);
            case TlsStream::Progress::failed:
                return finish(fail(ErrorCode::unauthorized, "TLS with ", target(), ": ", stream_->failure()));
        }
    }

    void wait(tcp::socket::wait_type what) {
        socket_.async_wait(what, [self = shared_from_this()](const boost::system::error_code& error) {
            if (!error) return self->shake_hands();
            self->finish(fail(ErrorCode::unavailable, "TLS with ", self->target(), ": ", error.message()));
        });
    }

    void finish(Result<std::unique_ptr<FrameChannel>> result) {
        if (!done_) return;
        if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
        resolver_.cancel();
        boost::system::error_code ignored;  // gone already if it was handed on
        socket_.close(ignored);
        std::exchange(done_, nullptr)(std::move(result));
    }

    Loop& loop_;
    const std::string host_;
    const std::uint16_t port_;
    const std::shared_ptr<security::TlsClient> tls_;  // null: plain
    tcp::resolver resolver_;
    tcp::socket socket_;
    std::unique_ptr<TlsStream> stream_;  // during its handshake
    Connected done_;
    TimerId timer_ = 0;
    std::vector<tcp::endpoint> addresses_;
    std::size_t next_ = 0;
    std::string last_error_ = "no address";
};

}  // namespace

void connect_frames(Loop& loop, std::string host, std::uint16_t port, Deadline deadline,
                    std::shared_ptr<security::TlsClient> tls, Connected done) {
    std::make_shared<Attempt>(loop, std::move(host), port, std::move(tls), std::move(done))->start(deadline);
}

void connect_frames(Loop& loop, std::string host, std::uint16_t port, Deadline deadline, Connected done) {
    connect_frames(loop, std::move(host), port, deadline, nullptr, std::move(done));
}

}  // namespace weft::async
