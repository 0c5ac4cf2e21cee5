#pragma once
// The TCP kind of FrameChannel, for those who connect or accept sockets.

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "async/detail/tls_stream.h"
#include "async/frames.h"

namespace weft::async {

/// Takes over a connected socket; with the TLS on it, if its handshake is done.
std::unique_ptr<FrameChannel> make_tcp_channel(Loop& loop, boost::asio::ip::tcp::socket socket,
                                               std::unique_ptr<TlsStream> tls = nullptr);

/// "host:port", with brackets around an IPv6 address.
std::string text_of(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace weft::async
