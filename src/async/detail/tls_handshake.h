#pragma once
// The server's side of a TLS handshake, for those who accept sockets.

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "async/detail/tls_stream.h"
#include "async/loop.h"

namespace weft::async {

/// Called once, on the loop, within 10 s. No stream: it failed, and the socket is closed.
using HandsShaken = std::function<void(boost::asio::ip::tcp::socket, std::unique_ptr<TlsStream>)>;
/// Ends a handshake as if it had failed; does nothing when it is over. On the loop only.
using GiveUp = std::function<void()>;

GiveUp shake_hands(Loop& loop, boost::asio::ip::tcp::socket socket, security::TlsServer& tls,
                   HandsShaken done);

}  // namespace weft::async
