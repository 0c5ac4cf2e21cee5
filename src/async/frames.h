#pragma once
// FrameChannel: a connection that carries length-prefixed frames both ways. TCP is one kind, with and without
// TLS; others (in-process) take its place behind the same face. The format is Pulsar's: four bytes of
// big-endian length, then that many bytes.
//
// Everything here belongs to one Loop: call on it, be called on it.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "async/loop.h"
#include "base/bytes.h"
#include "base/result.h"

namespace weft::security {
class TlsClient;
class TlsServer;
}  // namespace weft::security

namespace weft::async {

/// The largest frame that is taken: Pulsar's 5 MiB message plus room for its command.
inline constexpr std::size_t kFrameBytesMax = (5U << 20) + (64U << 10);

/// What the owner of a channel wants to be told.
class FrameHandler {
  public:
    virtual ~FrameHandler() = default;
    /// One whole frame, without its length prefix; the bytes may be kept and sliced.
    virtual void on_frame(Bytes frame) = 0;
    /// All frames that had arrived together were handed over: the place to flush what they caused, once.
    virtual void on_frames_done() {}
    /// What waited to be written fell below the low mark after it had been over the high mark.
    virtual void on_writable() {}
    /// The end; called once, never from inside a call to the channel; nothing is called afterwards.
    virtual void on_closed(const Error& why) = 0;
};

class FrameChannel {
  public:
    virtual ~FrameChannel() = default;
    /// Says who is told; call once, before start().
    virtual void start(FrameHandler& handler) = 0;
    /// Queues one frame given as pieces (the first piece begins with the length prefix). Never blocks: what
    /// is written in one turn of the loop goes out together in gathered writes at its end. Dropped silently
    /// after the close.
    virtual void write(std::span<const Bytes> pieces) = 0;
    void write(const Bytes& piece) { write(std::span(&piece, 1)); }
    /// Bytes queued and not yet taken by the kernel. Over kWriteHighMark a well-behaved owner stops producing
    /// until on_writable().
    virtual std::size_t queued_bytes() const = 0;
    bool over_high_mark() const { return queued_bytes() > kWriteHighMark; }
    /// Stops and resumes reading: back pressure on the peer. Frames already read may still be handed over.
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    /// Closes after what is queued was written, within one second; on_closed follows.
    virtual void close(Error why) = 0;
    /// "host:port" of the other side.
    virtual std::string peer() const = 0;
    /// The common name of the certificate that the other side has shown and that was verified; else empty.
    virtual std::string certificate_name() const { return {}; }
    /// From the next frame on: one that is larger ends the connection as it begins. kFrameBytesMax, if
    /// nobody says otherwise. A kind of channel without frames of others may ignore it.
    virtual void limit_frames(std::size_t bytes) { (void)bytes; }

    static constexpr std::size_t kWriteHighMark = 4U << 20;
    static constexpr std::size_t kWriteLowMark = 1U << 20;
};

/// Connects over TCP (TCP_NODELAY), with TLS on it if `tls` is given; the callback runs once, on the loop.
/// Names are resolved off the loop. A host that shows no certificate that is taken: `unauthorized`.
using Connected = std::move_only_function<void(Result<std::unique_ptr<FrameChannel>>)>;
void connect_frames(Loop& loop, std::string host, std::uint16_t port, Deadline deadline,
                    std::shared_ptr<security::TlsClient> tls, Connected done);
void connect_frames(Loop& loop, std::string host, std::uint16_t port, Deadline deadline, Connected done);

/// Accepts TCP connections until destroyed. On the loop only. Accept errors back off and go on.
class FrameAcceptor {
  public:
    using Accepted = std::function<void(std::unique_ptr<FrameChannel>)>;
    virtual ~FrameAcceptor() = default;
    /// The port that was bound (useful when 0 was asked for).
    virtual std::uint16_t port() const = 0;

    /// Binds and listens; `port` 0 takes a free one. May be called before the loop runs. An address in use is
    /// `conflict`.
    /// With `tls` one is handed over when its handshake is done, as SocketAcceptor does it: beside the loop.
    static Result<std::unique_ptr<FrameAcceptor>> listen(Loop& loop, const std::string& bind_address,
                                                         std::uint16_t port, Accepted accepted,
                                                         std::shared_ptr<security::TlsServer> tls = nullptr);
};

}  // namespace weft::async
