#include "async/detail/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft::async {

namespace {

constexpr std::size_t kRecordBytes = 16U << 10;

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int finish(BIO* bio, ssize_t done, int retry_flag) {
    BIO_clear_retry_flags(bio);
    if (done < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
    return static_cast<int>(done);
}

// OpenSSL's own kind of socket writes with write(), and a peer that is gone would mean SIGPIPE.
BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft socket");
        BIO_meth_set_write(made, [](BIO* bio, const char* from, int size) {
            return finish(bio, ::send(socket_of(bio), from, static_cast<std::size_t>(size), MSG_NOSIGNAL),
                          BIO_FLAGS_WRITE);
        });
        BIO_meth_set_read(made, [](BIO* bio, char* into, int size) {
            return finish(bio, ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0),
                          BIO_FLAGS_READ);
        });
        BIO_meth_set_ctrl(
            made, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
        return made;
    }();
    return method;
}

}  // namespace

Result<std::shared_ptr<ssl_st>> TlsStream::on_socket(ssl_ctx_st* context, int socket) {
    std::shared_ptr<ssl_st> connection(SSL_new(context), SSL_free);
    BIO* const bio = connection ? BIO_new(socket_method()) : nullptr;
    if (bio == nullptr) return fail(ErrorCode::internal, "no memory for a TLS connection");
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
    BIO_set_init(bio, 1);
    SSL_set_bio(connection.get(), bio, bio);
    return connection;
}

Result<std::unique_ptr<TlsStream>> TlsStream::client(security::TlsClient& tls, int socket,
                                                     const std::string& host) {
    WEFT_TRY(auto connection, on_socket(tls.context().get(), socket));
    WEFT_TRY_VOID(tls.prepare(connection.get(), host));
    SSL_set_connect_state(connection.get());
    return std::unique_ptr<TlsStream>(new TlsStream(std::move(connection)));
}

Result<std::unique_ptr<TlsStream>> TlsStream::server(security::TlsServer& tls, int socket) {
    WEFT_TRY(auto connection, on_socket(tls.context().get(), socket));
    SSL_set_accept_state(connection.get());
    return std::unique_ptr<TlsStream>(new TlsStream(std::move(connection)));
}

TlsStream::Progress TlsStream::handshake() {
    ERR_clear_error();
    errno = 0;
    const int done = SSL_do_handshake(connection_.get());
    if (done == 1) return Progress::done;
    switch (SSL_get_error(connection_.get(), done)) {
        case SSL_ERROR_WANT_READ:
            return Progress::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return Progress::wants_write;
        case SSL_ERROR_SYSCALL:
            failure_ = errno != 0 ? std::strerror(errno) : "the other side closed the connection";
            return Progress::failed;
        default:
            failure_ = security::tls_failure(connection_.get());
            return Progress::failed;
    }
}

// What SSL_read() or SSL_write() answered, as a system call would.
ssize_t TlsStream::result_of(int got) {
    if (got > 0) return got;
    switch (SSL_get_error(connection_.get(), got)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            errno = EAGAIN;
            return -1;
        case SSL_ERROR_ZERO_RETURN:
            return 0;
        case SSL_ERROR_SYSCALL:
            return errno == 0 ? 0 : -1;
        default:
            // Who ends without a word of TLS is a peer that closed.
            if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return 0;
            failure_ = security::tls_failure(connection_.get());
            errno = EPROTO;
            return -1;
    }
}

ssize_t TlsStream::read(char* into, std::size_t room) {
    ERR_clear_error();
    errno = 0;
    return result_of(
        SSL_read(connection_.get(), into, static_cast<int>(std::min(room, std::size_t{1} << 20))));
}

bool TlsStream::has_unread() const { return SSL_pending(connection_.get()) > 0; }

ssize_t TlsStream::send(const iovec* pieces, std::size_t count) {
    const void* from = pieces[0].iov_base;
    std::size_t size = pieces[0].iov_len;
    if (size < kRecordBytes && count > 1) {
        gathered_.clear();
        for (std::size_t n = 0; n < count && gathered_.size() < kRecordBytes; ++n) {
            const auto* begin = static_cast<const char*>(pieces[n].iov_base);
            gathered_.insert(gathered_.end(), begin,
                             begin + std::min(pieces[n].iov_len, kRecordBytes - gathered_.size()));
        }
        from = gathered_.data();
        size = gathered_.size();
    }
    ERR_clear_error();
    errno = 0;
    return result_of(SSL_write(connection_.get(), from, static_cast<int>(std::min(size, kRecordBytes))));
}

void TlsStream::end_writing() {
    ERR_clear_error();
    SSL_shutdown(connection_.get());  // what doesn't fit now is given up: the end of the stream says it too
    ERR_clear_error();
}

}  // namespace weft::async
