#pragma once
// Wire: a server's connection, plain or with TLS, that never blocks. On the loop only. Shared by its session
// and by what waits in the loop.

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "async/detail/tls_stream.h"
#include "async/loop.h"

namespace weft::http {

class Wire final : public std::enable_shared_from_this<Wire> {
  public:
    using Then = std::move_only_function<void()>;
    using Written = std::move_only_function<void(bool whole)>;

    /// `tls`: null, or one whose handshake is done.
    Wire(async::Loop& loop, boost::asio::ip::tcp::socket socket, std::unique_ptr<async::TlsStream> tls);

    /// Calls back when there may be something to read, or the end; never if close() or cancel() comes first.
    void when_readable(Then then);
    void cancel();
    /// As recv(): bytes, 0 at the end, -1 with errno; EAGAIN: wait.
    ssize_t read(char* into, std::size_t room);
    /// Sends all of this, one after the other, and calls back; false: the connection broke, or was closed.
    /// One at a time.
    void write(std::string head, std::string body, Written written);
    /// Says that nothing follows; what the peer still sends can be read.
    void end_writing();
    /// Of the client's verified certificate; empty: none.
    std::string certificate_name() const { return tls_ ? tls_->certificate_name() : std::string(); }
    /// "host:port" of the client.
    const std::string& peer() const { return peer_; }
    /// Ends it. A write under way calls back with false.
    void close();

  private:
    void flush();
    void wait_writable();
    void finish_write(bool whole);

    async::Loop& loop_;
    boost::asio::ip::tcp::socket socket_;
    const std::unique_ptr<async::TlsStream> tls_;
    std::string peer_;
    std::uint64_t reading_ = 0;  // which wait is under way; a cancelled one is none
    std::string head_, body_;
    std::size_t sent_ = 0;  // of both
    Written written_;       // empty: nothing is sent
};

}  // namespace weft::http
