#include "async/detail/tls_handshake.h"

#include <utility>

#include "observe/log.h"

namespace weft::async {

namespace {

using boost::asio::ip::tcp;

constexpr Duration kHandshakeWithin = 10s;

// A connection on its way through the TLS handshake. Shared by what waits in the loop; the last one out ends
// it.
class Handshake final : public std::enable_shared_from_this<Handshake> {
  public:
    Handshake(Loop& loop, tcp::socket socket, Turn turn, HandsShaken done)
        : loop_(loop), socket_(std::move(socket)), turn_(std::move(turn)), done_(std::move(done)) {}

    void start(security::TlsServer& tls) {
        boost::system::error_code ignored;  // the handshake says more
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay(true), ignored);
        auto stream = TlsStream::server(tls, socket_.native_handle());
        if (!stream) return finish(false);
        stream_ = std::move(*stream);
        timer_ = loop_.after(kHandshakeWithin, [self = shared_from_this()] {
            self->timer_ = 0;
            self->finish(false);
        });
        wait(tcp::socket::wait_read);  // the client begins
    }

    void give_up() { finish(false); }

  private:
    bool step() {
        if (!done_) return false;
        switch (stream_->handshake()) {
            case TlsStream::Progress::done:
                finish(true);
                break;
            case TlsStream::Progress::wants_read:
                wait(tcp::socket::wait_read);
                break;
            case TlsStream::Progress::wants_write:
                wait(tcp::socket::wait_write);
                break;
            case TlsStream::Progress::failed:
                log_.debug("TLS handshake failed", {{"reason", stream_->failure()}});
                finish(false);
        }
        return true;
    }

    void wait(tcp::socket::wait_type what) {
        socket_.async_wait(what, [self = shared_from_this()](const boost::system::error_code& error) {
            if (error) return self->finish(false);
            if (!self->done_) return;
            self->turn_([handshake = std::weak_ptr(self)] {  // the timer has it until it is done
                const auto still = handshake.lock();
                return still && still->step();
            });
        });
    }

    void finish(bool whole) {
        if (!done_) return;
        if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
        if (!whole) stream_.reset();
        boost::system::error_code ignored;  // there is nothing left to lose
        if (!whole) socket_.close(ignored);
        std::exchange(done_, nullptr)(std::move(socket_), std::move(stream_));
    }

    Loop& loop_;
    tcp::socket socket_;
    std::unique_ptr<TlsStream> stream_;
    const Turn turn_;
    HandsShaken done_;
    TimerId timer_ = 0;
    const observe::Logger log_{"async"};
};

}  // namespace

GiveUp shake_hands(Loop& loop, tcp::socket socket, security::TlsServer& tls, Turn turn, HandsShaken done) {
    const auto handshake =
        std::make_shared<Handshake>(loop, std::move(socket), std::move(turn), std::move(done));
    handshake->start(tls);
    return [handshake = std::weak_ptr(handshake)] {
        if (const auto still = handshake.lock()) still->give_up();
    };
}

}  // namespace weft::async
