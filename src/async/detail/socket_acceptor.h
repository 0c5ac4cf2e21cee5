#pragma once
// SocketAcceptor: accepts TCP connections for a loop, and does their TLS handshakes beside it.

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "async/detail/tls_stream.h"
#include "async/loop.h"
#include "base/result.h"

namespace weft::async {

/// Accepts until destroyed. On the loop only, or when that has stopped. Accept errors back off and go on.
class SocketAcceptor {
  public:
    /// An open socket; with the TLS on it, if its handshake is done.
    using Taken = std::function<void(boost::asio::ip::tcp::socket, std::unique_ptr<TlsStream>)>;
    virtual ~SocketAcceptor() = default;
    virtual std::uint16_t port() const = 0;

    /// Binds and listens; `port` 0 takes a free one. May be called before the loop runs. An address in use is
    /// `conflict`.
    /// With `tls` there is a thread of less weight for the handshakes, and a connection is handed over when
    /// its own is done, within 10 s. Where there are 1,000 on their way, one at its handshake ends: of the
    /// addresses that have the most of them, the oldest.
    static Result<std::unique_ptr<SocketAcceptor>> listen(Loop& loop, const std::string& bind_address,
                                                          std::uint16_t port, Taken taken,
                                                          std::shared_ptr<security::TlsServer> tls);
};

}  // namespace weft::async
