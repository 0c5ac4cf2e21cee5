#pragma once
// TlsStream: TLS over a connected, non-blocking socket, with the manners of recv() and sendmsg(). On the loop
// only.

#include <sys/types.h>
#include <sys/uio.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "security/tls.h"

namespace weft::async {

class TlsStream final {
  public:
    /// The socket stays the caller's, and open as long as this lives.
    static Result<std::unique_ptr<TlsStream>> client(security::TlsClient& tls, int socket,
                                                     const std::string& host);
    static Result<std::unique_ptr<TlsStream>> server(security::TlsServer& tls, int socket);

    enum class Progress : std::uint8_t { done, wants_read, wants_write, failed };
    /// One step of the handshake, to be gone on with when the socket is ready for what it wants.
    Progress handshake();

    /// As recv(): bytes, 0 at the end, -1 with errno; EAGAIN: wait until it is readable; EPROTO: failure()
    /// says more. At most one record is read.
    ssize_t read(char* into, std::size_t room);
    /// Whether bytes wait in here that the socket will not report as readable.
    bool has_unread() const;
    /// As sendmsg(); after EAGAIN the same bytes must come first again.
    ssize_t send(const iovec* pieces, std::size_t count);
    /// Tells the peer that nothing follows.
    void end_writing();
    /// security::certificate_name() of the other side.
    std::string certificate_name() const { return security::certificate_name(connection_.get()); }
    const std::string& failure() const { return failure_; }

  private:
    explicit TlsStream(std::shared_ptr<ssl_st> connection) : connection_(std::move(connection)) {}
    static Result<std::shared_ptr<ssl_st>> on_socket(ssl_ctx_st* context, int socket);
    ssize_t result_of(int got);

    std::shared_ptr<ssl_st> connection_;
    std::vector<char> gathered_;  // small pieces go into one record
    std::string failure_;
};

}  // namespace weft::async
