#pragma once
// The server's side of a TLS handshake, for those who accept sockets.

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "async/detail/tls_stream.h"
#include "async/detail/turns.h"
#include "async/loop.h"

namespace weft::async {

/// Takes the next step of a handshake on the loop, when it is its turn: it may cost a signature.
using Turn = std::function<void(Turns::Step)>;
/// Called once, on the loop, within 10 s. No stream: it failed, and the socket is closed.
using HandsShaken = std::function<void(boost::asio::ip::tcp::socket, std::unique_ptr<TlsStream>)>;
/// Ends a handshake as if it had failed; does nothing when it is over. On the loop only.
using GiveUp = std::function<void()>;

/// `turn` is not called any more when `done` was.
GiveUp shake_hands(Loop& loop, boost::asio::ip::tcp::socket socket, security::TlsServer& tls, Turn turn,
                   HandsShaken done);

}  // namespace weft::async
