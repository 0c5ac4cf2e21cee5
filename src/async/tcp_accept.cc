#include "async/detail/socket_acceptor.h"
#include "async/detail/tcp_channel.h"

namespace weft::async {

using boost::asio::ip::tcp;

namespace {

class TcpFrames final : public FrameAcceptor {
  public:
    explicit TcpFrames(std::unique_ptr<SocketAcceptor> sockets) : sockets_(std::move(sockets)) {}
    std::uint16_t port() const override { return sockets_->port(); }

  private:
    const std::unique_ptr<SocketAcceptor> sockets_;
};

}  // namespace

Result<std::unique_ptr<FrameAcceptor>> FrameAcceptor::listen(Loop& loop, const std::string& bind_address,
                                                             std::uint16_t port, Accepted accepted,
                                                             std::shared_ptr<security::TlsServer> tls) {
    auto taken = [&loop, accepted = std::move(accepted)](tcp::socket socket,
                                                         std::unique_ptr<TlsStream> stream) {
        accepted(make_tcp_channel(loop, std::move(socket), std::move(stream)));
    };
    WEFT_TRY(auto sockets,
             SocketAcceptor::listen(loop, bind_address, port, std::move(taken), std::move(tls)));
    return std::make_unique<TcpFrames>(std::move(sockets));
}

}  // namespace weft::async
