#include "async/detail/socket_acceptor.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "async/detail/tcp_channel.h"
#include "async/detail/tls_handshake.h"
#include "async/detail/turns.h"
#include "observe/log.h"

namespace weft::async {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kBackoffAfterError = 100ms;  // no file descriptors left, most likely
constexpr std::size_t kHandshakesMax = 1000;
constexpr int kAcceptedPerTurn = 16;  // many, as a step of a handshake may cost as much as all of them

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
    Taker(Loop& of, SocketAcceptor::Taken to) : loop(of), taken(std::move(to)) {}

    // On the loop.
    void take(tcp::socket socket, std::unique_ptr<TlsStream> stream) {
        if (!closed && socket.is_open()) taken(std::move(socket), std::move(stream));
    }

    Loop& loop;
    const SocketAcceptor::Taken taken;
    bool closed = false;                  // set when nothing runs beside it
    std::atomic<std::size_t> coming = 0;  // connections on their way from another loop, from their first byte
};

// The handshakes under way, each with a number, in their order. Of one loop.
class Handshakes {
  public:
    std::uint64_t add(const asio::ip::address& from) {
        ++of_address_[from];
        under_way_.emplace(++last_, Each{from, nullptr});
        return last_;
    }
    /// It may be over already.
    void set(std::uint64_t number, GiveUp give_up) {
        const auto still = under_way_.find(number);
        if (still != under_way_.end()) still->second.give_up = std::move(give_up);
    }
    void remove(std::uint64_t number) {
        const auto gone = under_way_.extract(number);
        const auto of = of_address_.find(gone.mapped().from);
        if (--of->second == 0) of_address_.erase(of);
    }
    /// Ends one: the oldest of those whose address has the most. False: there is none.
    bool give_way() {
        std::size_t most = 0;
        for (const auto& [address, has] : of_address_) most = std::max(most, has);
        const auto first = std::ranges::find_if(
            under_way_, [&](const auto& each) { return of_address_.at(each.second.from) == most; });
        if (first == under_way_.end()) return false;
        const GiveUp end = first->second.give_up;  // it is removed by that
        end();
        return true;
    }

  private:
    struct Each {
        asio::ip::address from;
        GiveUp give_up;
    };
    std::map<std::uint64_t, Each> under_way_;
    std::map<asio::ip::address, std::size_t> of_address_;
    std::uint64_t last_ = 0;
};

// Accepts on one loop, for a taker on another: with TLS these are two, and what a stranger costs before his
// handshake is done is not the taker's. Without TLS they are the same. Shared by the SocketAcceptor that the
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
        if (!error) acceptor_.non_blocking(true, error);
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

    void on_accepted(boost::system::error_code error, tcp::socket socket) {
        for (int number = 1; !error && !taker_->closed; ++number) {
            tls_ ? shake_hands_with(std::move(socket)) : taker_->take(std::move(socket), nullptr);
            if (number == kAcceptedPerTurn) break;
            socket = acceptor_.accept(error);
        }
        if (taker_->closed) return;
        if (!error || error == asio::error::would_block || error == asio::error::connection_aborted)
            return accept_next();
        log_.warn("can't accept a connection, trying again", {{"port", port_}, {"reason", error.message()}});
        timer_ = loop_.after(kBackoffAfterError, [self = shared_from_this()] {
            self->timer_ = 0;
            self->accept_next();
        });
    }

    // Who is slow, or silent, keeps nobody out. If all are done and wait for the taker, the new one goes.
    void shake_hands_with(tcp::socket socket) {
        boost::system::error_code gone;
        const auto peer = socket.remote_endpoint(gone);
        if (gone || (taker_->coming >= kHandshakesMax && !handshakes_.give_way())) return;  // closed with it
        ++taker_->coming;
        const std::uint64_t number = handshakes_.add(peer.address());
        auto give_up = shake_hands(
            loop_, std::move(socket), *tls_,
            // It is called only before the handshake is done, which has the listener until then.
            [this, from = peer.address()](Turns::Step step) { give_turn(from, std::move(step)); },
            [self = shared_from_this(), number](tcp::socket whole, std::unique_ptr<TlsStream> stream) {
                self->on_shaken(number, std::move(whole), std::move(stream));
            });
        handshakes_.set(number, std::move(give_up));
    }

    // One step in a turn of the loop: between two of them others are accepted, and heard.
    void give_turn(const asio::ip::address& to, Turns::Step step) {
        turns_.add(to, std::move(step));
        if (!std::exchange(turn_comes_, true)) loop_.post([self = shared_from_this()] { self->take_turn(); });
    }
    void take_turn() {
        turns_.take_one();
        turn_comes_ = !turns_.empty();
        if (turn_comes_) loop_.post([self = shared_from_this()] { self->take_turn(); });
    }

    void on_shaken(std::uint64_t number, tcp::socket whole, std::unique_ptr<TlsStream> stream) {
        handshakes_.remove(number);
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
    Handshakes handshakes_;
    Turns turns_;
    bool turn_comes_ = false;
};

class TcpAcceptor final : public SocketAcceptor {
  public:
    TcpAcceptor(Loop& loop, Taken taken, std::shared_ptr<security::TlsServer> tls)
        : handshakes_(tls ? std::make_unique<LoopThread>("tls", Weight::light) : nullptr),
          listener_(std::make_shared<Listener>(handshakes_ ? handshakes_->loop() : loop,
                                               std::make_shared<Taker>(loop, std::move(taken)),
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

Result<std::unique_ptr<SocketAcceptor>> SocketAcceptor::listen(Loop& loop, const std::string& bind_address,
                                                               std::uint16_t port, Taken taken,
                                                               std::shared_ptr<security::TlsServer> tls) {
    WEFT_TRY(const auto endpoint, endpoint_of(loop, bind_address, port));
    auto acceptor = std::make_unique<TcpAcceptor>(loop, std::move(taken), std::move(tls));
    WEFT_TRY_VOID(acceptor->open(endpoint));
    return acceptor;
}

}  // namespace weft::async
