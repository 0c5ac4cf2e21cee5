#include "http/detail/wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <utility>

#include "async/detail/tcp_channel.h"

namespace weft::http {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr int kSendsPerTurn = 16;  // then other connections have their turn

}  // namespace

Wire::Wire(async::Loop& loop, tcp::socket socket, std::unique_ptr<async::TlsStream> tls)
    : loop_(loop), socket_(std::move(socket)), tls_(std::move(tls)) {
    error_code ignored;  // slower without, not wrong; a socket that blocks is none of Asio's
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    const auto endpoint = socket_.remote_endpoint(ignored);
    if (!ignored) peer_ = async::text_of(endpoint);
}

void Wire::when_readable(Then then) {
    const std::uint64_t mine = ++reading_;
    if (tls_ && tls_->has_unread()) {
        loop_.post([self = shared_from_this(), mine, then = std::move(then)]() mutable {
            if (mine == self->reading_) then();
        });
        return;
    }
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this(), mine,
                                                then = std::move(then)](const error_code& error) mutable {
        if (!error && mine == self->reading_) then();
    });
}

void Wire::cancel() { ++reading_; }

ssize_t Wire::read(char* into, std::size_t room) {
    return tls_ ? tls_->read(into, room) : ::recv(socket_.native_handle(), into, room, 0);
}

void Wire::write(std::string head, std::string body, Written written) {
    head_ = std::move(head);
    body_ = std::move(body);
    sent_ = 0;
    written_ = std::move(written);
    flush();
}

void Wire::flush() {
    for (int sends = 0; sends < kSendsPerTurn; ++sends) {
        if (!written_) return;  // closed
        iovec pieces[2];
        std::size_t count = 0;
        if (sent_ < head_.size()) pieces[count++] = {head_.data() + sent_, head_.size() - sent_};
        const std::size_t of_body = sent_ > head_.size() ? sent_ - head_.size() : 0;
        if (of_body < body_.size()) pieces[count++] = {body_.data() + of_body, body_.size() - of_body};
        if (count == 0) return finish_write(true);
        msghdr message{};
        message.msg_iov = pieces;
        message.msg_iovlen = count;
        const ssize_t sent =
            tls_ ? tls_->send(pieces, count) : ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (sent > 0) {
            sent_ += static_cast<std::size_t>(sent);
        } else if (sent < 0 && errno == EAGAIN) {
            break;
        } else if (sent == 0 || errno != EINTR) {
            return finish_write(false);
        }
    }
    wait_writable();
}

void Wire::wait_writable() {
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const error_code& error) {
        error ? self->finish_write(false) : self->flush();
    });
}

void Wire::finish_write(bool whole) {
    head_ = body_ = {};
    if (written_) std::exchange(written_, nullptr)(whole);
}

void Wire::end_writing() {
    if (tls_) tls_->end_writing();
    ::shutdown(socket_.native_handle(), SHUT_WR);
}

void Wire::close() {
    ++reading_;
    error_code ignored;  // there is nothing left to lose
    socket_.close(ignored);
    loop_.post([written = std::exchange(written_, nullptr)]() mutable {
        if (written) written(false);
    });
}

}  // namespace weft::http
