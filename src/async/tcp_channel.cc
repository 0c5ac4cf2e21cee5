#include "async/detail/tcp_channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "async/detail/read_blocks.h"
#include "base/check.h"

namespace weft::async {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
// Whether no frame holds a slice any more, so that the memory may be written again.
bool is_free(const ReadBlock& block) {
#if __has_feature(thread_sanitizer)  // which does not see that the fence orders a reader's last use before
                                     // ours
    return block.memory == nullptr;
#else
    if (block.memory.use_count() != 1) return false;
    std::atomic_thread_fence(std::memory_order_acquire);
    return true;
#endif
}
}  // namespace

ReadBlock ReadBlocks::take(std::size_t room, std::size_t capacity) {
    if (current_.memory && current_.room() >= room) return std::exchange(current_, {});
    if (current_.memory && retired_.size() < kRetiredMax) retired_.push_back(std::move(current_));
    current_ = {};
    ReadBlock again;
    std::erase_if(retired_, [&](ReadBlock& block) {
        if (!is_free(block)) return false;
        if (!again.memory && block.capacity >= capacity && block.capacity <= 4 * capacity)
            again = std::move(block);
        return true;
    });
    again.used = 0;
    if (again.memory) return again;
    return {std::make_shared_for_overwrite<char[]>(capacity), capacity, 0};
}

void ReadBlocks::give(ReadBlock block) {
    if (is_free(block)) block.used = 0;
    if (!current_.memory) {
        current_ = std::move(block);
    } else if (retired_.size() < kRetiredMax) {
        retired_.push_back(std::move(block));
    }
}

std::string text_of(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return endpoint.address().is_v6() ? str_cat('[', address, "]:", endpoint.port())
                                      : str_cat(address, ':', endpoint.port());
}

namespace {

constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kReadBytesMin = 64U << 10;
constexpr std::size_t kReadBytesMax = 512U << 10;
constexpr std::size_t kRoomMin = 8U << 10;  // less is not worth a system call
constexpr int kReadsPerTurn = 4;            // then other sockets have their turn
constexpr int kRecordsPerTurn = 32;         // the same with TLS, of up to 16 KiB each
constexpr int kSendsPerTurn = 16;
constexpr std::size_t kPiecesPerSend = 256;
constexpr auto kCloseWithin = 1s;
constexpr std::size_t kDrainBytesMax = 16U << 20;

std::uint32_t big_endian_u32(const char* at) {
    std::uint32_t value;
    std::memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

Error socket_error(std::string_view what, const std::string& peer, int number, const TlsStream* tls) {
    const std::string why = tls != nullptr && number == EPROTO ? tls->failure() : std::strerror(number);
    return {ErrorCode::connection_closed, str_cat(what, ' ', peer, ": ", why)};
}

// What a connection is made of. Shared by the channel that the owner holds and by what waits in the loop, so
// that the owner may destroy the channel from inside any callback.
class Connection final : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Loop& loop, tcp::socket socket, std::unique_ptr<TlsStream> tls)
        : loop_(loop),
          blocks_(asio::use_service<ReadBlocks>(loop.context())),
          socket_(std::move(socket)),
          tls_(std::move(tls)) {
        boost::system::error_code
            ignored;  // an unknown peer name and a socket without these options still work
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay(true), ignored);
        const auto endpoint = socket_.remote_endpoint(ignored);
        peer_ = ignored ? "unknown" : text_of(endpoint);
    }

    void start(FrameHandler& handler);
    void write(std::span<const Bytes> pieces);
    std::size_t queued_bytes() const { return queued_bytes_; }
    void pause_reading() { paused_ = true; }
    void limit_frames(std::size_t bytes) { frame_bytes_max_ = std::min(bytes, kFrameBytesMax); }
    void resume_reading();
    void close(Error why);
    void detach();
    const std::string& peer() const { return peer_; }
    std::string certificate_name() const { return tls_ ? tls_->certificate_name() : std::string(); }

  private:
    enum class State : std::uint8_t { open, closing, draining, closed };

    void wait_readable();
    void on_readable();
    bool read_once();
    bool make_room();
    void hand_out_frames();
    void keep_or_give_block();
    void drain_input();

    void schedule_flush();
    void flush();
    bool send_some();
    void drop_sent(std::size_t bytes);
    void drop_queue();
    void wait_writable();
    void tell_writable();

    void finish_writing();
    void fail(Error why);
    void tell_closed();
    void close_socket();

    // fixed after construction
    Loop& loop_;
    ReadBlocks& blocks_;
    std::string peer_;

    // on the loop
    tcp::socket socket_;
    std::unique_ptr<TlsStream> tls_;  // null: plain
    FrameHandler* handler_ = nullptr;
    std::size_t frame_bytes_max_ = kFrameBytesMax;
    State state_ = State::open;
    std::optional<Error> why_closed_;
    TimerId close_timer_ = 0;

    ReadBlock block_;              // held while reading, and as long as it ends with a part of a frame
    std::size_t frame_begin_ = 0;  // of that part, in block_
    std::size_t read_bytes_ = kReadBytesMin;  // how much one read asks for
    std::size_t drained_bytes_ = 0;
    bool paused_ = false;
    bool read_waits_ = false;

    std::deque<Bytes> queue_;
    std::size_t first_sent_ = 0;  // bytes of queue_.front() already sent
    std::size_t queued_bytes_ = 0;
    bool was_over_high_mark_ = false;
    bool flush_posted_ = false;
    bool write_waits_ = false;
    bool write_broken_ = false;
};

void Connection::start(FrameHandler& handler) {
    WEFT_CHECK(handler_ == nullptr, "FrameChannel::start called twice");
    handler_ = &handler;
    if (why_closed_) {
        tell_closed();
    } else {
        wait_readable();
    }
}

// ---- reading

void Connection::wait_readable() {
    if (read_waits_ || (paused_ && state_ == State::open) || state_ == State::closed) return;
    read_waits_ = true;
    if (tls_ && state_ == State::open && tls_->has_unread()) {
        loop_.post([self = shared_from_this()] {
            self->read_waits_ = false;
            self->on_readable();
        });
        return;
    }
    socket_.async_wait(tcp::socket::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& e) {
                           self->read_waits_ = false;
                           if (!e) self->on_readable();
                       });
}

void Connection::on_readable() {
    if (state_ == State::draining) {
        drain_input();
    } else if (state_ == State::open && !paused_) {
        const int reads_max = tls_ ? kRecordsPerTurn : kReadsPerTurn;
        for (int reads = 0; reads < reads_max && read_once(); ++reads) {
        }
        keep_or_give_block();
    }
    if (state_ != State::closing) wait_readable();
}

// Reads once and hands out the frames that are whole; true if it pays to read again at once.
bool Connection::read_once() {
    if (!make_room()) return false;
    const std::size_t room = block_.room();
    const ssize_t got =
        tls_ ? tls_->read(block_.end(), room) : ::recv(socket_.native_handle(), block_.end(), room, 0);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) return errno == EINTR;
        fail(socket_error("reading from", peer_, errno, tls_.get()));
        return false;
    }
    if (got == 0) {
        fail({ErrorCode::connection_closed, str_cat("closed by ", peer_)});
        return false;
    }
    const auto bytes = static_cast<std::size_t>(got);
    block_.used += bytes;
    const bool filled = bytes == room;
    if (filled && bytes >= read_bytes_ / 2) read_bytes_ = std::min(2 * read_bytes_, kReadBytesMax);
    if (bytes < read_bytes_ / 8) read_bytes_ = std::max(read_bytes_ / 2, kReadBytesMin);
    hand_out_frames();
    return (filled || tls_) && state_ == State::open && handler_ != nullptr && !paused_;
}

// Sees to it that the block has room for the rest of the frame that has begun, or for a good read.
bool Connection::make_room() {
    if (!block_.memory) {
        block_ = blocks_.take(read_bytes_ / 4, read_bytes_);
        frame_begin_ = block_.used;
        return true;
    }
    const std::size_t part = block_.used - frame_begin_;
    std::size_t needed = part + 1;
    if (part >= kPrefixBytes) {
        const std::size_t size = big_endian_u32(block_.memory.get() + frame_begin_);
        if (size > frame_bytes_max_) {
            fail({ErrorCode::too_large,
                  str_cat("frame over the limit (or another protocol than Pulsar's) from ", peer_,
                          ": bytes=", size, " limit=", frame_bytes_max_)});
            return false;
        }
        needed = kPrefixBytes + size;
    }
    const std::size_t room = block_.capacity - frame_begin_;
    if (room >= needed && (block_.room() >= kRoomMin || needed > part + 1)) return true;
    // The part moves to a block in which the frame is whole: bytes are copied at most once, and only there.
    const std::size_t capacity = std::max(read_bytes_, needed);
    ReadBlock next = blocks_.take(capacity, capacity);
    const std::size_t begin = next.used;
    if (part != 0) std::memcpy(next.end(), block_.memory.get() + frame_begin_, part);
    next.used += part;
    block_.used = frame_begin_;
    blocks_.give(std::exchange(block_, std::move(next)));
    frame_begin_ = begin;
    return true;
}

void Connection::hand_out_frames() {
    bool any = false;
    while (block_.used - frame_begin_ >= kPrefixBytes) {
        const char* prefix = block_.memory.get() + frame_begin_;
        const std::size_t size = big_endian_u32(prefix);
        if (size > frame_bytes_max_ || block_.used - frame_begin_ < kPrefixBytes + size) break;
        frame_begin_ += kPrefixBytes + size;
        any = true;
        handler_->on_frame(Bytes(block_.memory, prefix + kPrefixBytes, size));
        if (handler_ == nullptr || state_ != State::open) return;
    }
    if (any) handler_->on_frames_done();
    if (handler_ != nullptr && state_ == State::open && block_.used - frame_begin_ >= kPrefixBytes)
        make_room();
}

void Connection::keep_or_give_block() {
    if (!block_.memory) return;
    if (state_ == State::open && block_.used != frame_begin_) return;
    blocks_.give(std::exchange(block_, {}));
}

// After our half is closed: takes what the peer still sends, for a socket closed with unread bytes is reset,
// and a reset may destroy the last frames that we sent.
void Connection::drain_input() {
    char scratch[16 << 10];
    const ssize_t got = ::recv(socket_.native_handle(), scratch, sizeof scratch, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) drained_bytes_ += static_cast<std::size_t>(got);
    if (got <= 0 || drained_bytes_ > kDrainBytesMax) close_socket();
}

void Connection::resume_reading() {
    paused_ = false;
    if (handler_ != nullptr && state_ == State::open) wait_readable();
}

// ---- writing

void Connection::write(std::span<const Bytes> pieces) {
    if (state_ != State::open || write_broken_) return;
    for (const Bytes& piece : pieces) {
        if (piece.empty()) continue;
        queued_bytes_ += piece.size();
        queue_.push_back(piece);
    }
    was_over_high_mark_ |= queued_bytes_ > FrameChannel::kWriteHighMark;
    schedule_flush();
}

void Connection::schedule_flush() {
    if (flush_posted_ || write_waits_) return;
    flush_posted_ = true;
    loop_.post([self = shared_from_this()] {
        self->flush_posted_ = false;
        self->flush();
    });
}

void Connection::flush() {
    if (state_ != State::open && state_ != State::closing) return;
    const bool kernel_takes_more = send_some();
    if (state_ == State::closed) return;
    if (!queue_.empty()) {
        kernel_takes_more ? schedule_flush() : wait_writable();
    } else if (state_ == State::closing) {
        finish_writing();
        return;
    }
    tell_writable();
}

// Sends until the queue is empty, the kernel takes no more (then the answer is false) or others should have
// their turn.
bool Connection::send_some() {
    for (int sends = 0; sends < kSendsPerTurn && !queue_.empty(); ++sends) {
        iovec pieces[kPiecesPerSend];
        std::size_t count = 0, offered = 0;
        for (const Bytes& piece : queue_) {
            const std::size_t skip = count == 0 ? first_sent_ : 0;
            pieces[count].iov_base = const_cast<char*>(piece.data() + skip);
            pieces[count].iov_len = piece.size() - skip;
            offered += pieces[count].iov_len;
            if (++count == kPiecesPerSend) break;
        }
        msghdr message{};
        message.msg_iov = pieces;
        message.msg_iovlen = count;
        const ssize_t sent =
            tls_ ? tls_->send(pieces, count) : ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return false;
            const int number = errno;
            drop_queue();
            write_broken_ = true;
            // The reading side will meet the same end, after the frames (an error's reason, perhaps) that
            // came before it.
            if (paused_ || state_ != State::open || handler_ == nullptr)
                fail(socket_error("writing to", peer_, number, tls_.get()));
            return false;
        }
        drop_sent(static_cast<std::size_t>(sent));
        if (!tls_ && static_cast<std::size_t>(sent) < offered) return false;
    }
    return true;
}

void Connection::drop_sent(std::size_t bytes) {
    queued_bytes_ -= bytes;
    bytes += first_sent_;
    while (!queue_.empty() && bytes >= queue_.front().size()) {
        bytes -= queue_.front().size();
        queue_.pop_front();
    }
    first_sent_ = bytes;
}

void Connection::drop_queue() {
    queue_.clear();
    queued_bytes_ = first_sent_ = 0;
}

void Connection::wait_writable() {
    if (write_waits_) return;
    write_waits_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& e) {
                           self->write_waits_ = false;
                           if (!e) self->flush();
                       });
}

void Connection::tell_writable() {
    if (!was_over_high_mark_ || queued_bytes_ >= FrameChannel::kWriteLowMark) return;
    was_over_high_mark_ = false;
    if (handler_ != nullptr && state_ == State::open) handler_->on_writable();
}

// ---- the end

void Connection::close(Error why) {
    if (state_ != State::open) return;
    state_ = State::closing;
    why_closed_ = std::move(why);
    close_timer_ = loop_.after(kCloseWithin, [self = shared_from_this()] {
        self->close_timer_ = 0;
        if (self->state_ == State::closing) self->tell_closed();
        self->close_socket();
    });
    schedule_flush();
}

// Everything went out: says so with our FIN, and waits for the peer's.
void Connection::finish_writing() {
    state_ = State::draining;
    tell_closed();
    if (tls_) tls_->end_writing();
    ::shutdown(socket_.native_handle(), SHUT_WR);
    wait_readable();
}

void Connection::fail(Error why) {
    if (state_ == State::closed || state_ == State::draining) return;
    if (!why_closed_) why_closed_ = std::move(why);
    close_socket();
    tell_closed();
}

void Connection::close_socket() {
    if (close_timer_ != 0) loop_.cancel(std::exchange(close_timer_, 0));
    if (state_ == State::closed) return;
    state_ = State::closed;
    drop_queue();
    boost::system::error_code ignored;  // there is nothing left to lose
    socket_.close(ignored);
}

void Connection::tell_closed() {
    loop_.post([self = shared_from_this()] {
        if (FrameHandler* handler = std::exchange(self->handler_, nullptr))
            handler->on_closed(*self->why_closed_);
    });
}

// The owner is gone: what was queued gets one last try, and a close that is under way goes on.
void Connection::detach() {
    handler_ = nullptr;
    if (state_ != State::open) return;
    send_some();
    close_socket();
}

class TcpChannel final : public FrameChannel {
  public:
    TcpChannel(Loop& loop, tcp::socket socket, std::unique_ptr<TlsStream> tls)
        : connection_(std::make_shared<Connection>(loop, std::move(socket), std::move(tls))) {}
    ~TcpChannel() override { connection_->detach(); }

    void start(FrameHandler& handler) override { connection_->start(handler); }
    void write(std::span<const Bytes> pieces) override { connection_->write(pieces); }
    std::size_t queued_bytes() const override { return connection_->queued_bytes(); }
    void pause_reading() override { connection_->pause_reading(); }
    void limit_frames(std::size_t bytes) override { connection_->limit_frames(bytes); }
    void resume_reading() override { connection_->resume_reading(); }
    void close(Error why) override { connection_->close(std::move(why)); }
    std::string peer() const override { return connection_->peer(); }
    std::string certificate_name() const override { return connection_->certificate_name(); }

  private:
    std::shared_ptr<Connection> connection_;  // shared with what waits in the loop
};

}  // namespace

std::unique_ptr<FrameChannel> make_tcp_channel(Loop& loop, tcp::socket socket,
                                               std::unique_ptr<TlsStream> tls) {
    return std::make_unique<TcpChannel>(loop, std::move(socket), std::move(tls));
}

}  // namespace weft::async
