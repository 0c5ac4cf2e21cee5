#include "runtime/grpc_call.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace weft::runtime {
namespace {

constexpr std::size_t kPrefixBytes = 5;  // of a message: compressed or not, and its length
constexpr std::size_t kShownBytes = 500;

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

/// A socket that does not block, and waits with a deadline.
class Socket {
  public:
    explicit Socket(Deadline deadline) : deadline_(deadline) {}
    ~Socket() {
        if (fd_ >= 0) close(fd_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    Result<> connect_to(std::uint16_t port) {
        fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd_ < 0) return failed("no socket", errno);
        const int on = 1;  // small frames go at once
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            if (errno != EINPROGRESS) return failed("can't connect", errno);
            WEFT_TRY_VOID(wait_for(POLLOUT));
        }
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return failed("can't connect", error);
        return {};
    }
    Result<> send_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno == EAGAIN) {
                WEFT_TRY_VOID(wait_for(POLLOUT));
            } else if (errno != EINTR) {
                return failed("can't send", errno);
            }
        }
        return {};
    }
    /// Some bytes; none: the other side has closed.
    Result<std::string_view> receive() {
        for (;;) {
            const ssize_t n = recv(fd_, buffer_.data(), buffer_.size(), 0);
            if (n >= 0) return view(buffer_.data(), static_cast<std::size_t>(n));
            if (errno == EAGAIN) {
                WEFT_TRY_VOID(wait_for(POLLIN));
            } else if (errno != EINTR) {
                return failed("can't receive", errno);
            }
        }
    }

  private:
    static std::unexpected<Error> failed(const char* what, int error) {
        return fail(ErrorCode::unavailable, what, ": ", std::strerror(error));
    }
    Result<> wait_for(short events) {
        pollfd one{fd_, events, 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_.left()).count();
        const int ready = poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (ready < 0 && errno != EINTR) return failed("poll", errno);
        if (ready == 0 && deadline_.passed()) return fail(ErrorCode::deadline_exceeded, "no answer in time");
        return {};
    }

    const Deadline deadline_;
    int fd_ = -1;
    std::array<std::uint8_t, 16384> buffer_{};
};

/// What is said and heard on the one stream of a call.
struct Exchange {
    std::string request;
    std::size_t sent = 0;
    std::string answer;
    std::string http_status, grpc_status, grpc_message;
    bool over = false, too_large = false;
    std::uint32_t reset = NGHTTP2_NO_ERROR;
};

Exchange& exchange_of(void* user_data) { return *static_cast<Exchange*>(user_data); }

int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
              const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user_data) {
    Exchange& exchange = exchange_of(user_data);
    const std::string_view key = view(name, name_size);
    const std::string_view text = view(value, std::min(value_size, kShownBytes));
    if (key == ":status") exchange.http_status = text;
    if (key == "grpc-status") exchange.grpc_status = text;
    if (key == "grpc-message") exchange.grpc_message = text;
    return 0;
}

int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* bytes, std::size_t size,
            void* user_data) {
    Exchange& exchange = exchange_of(user_data);
    if (exchange.answer.size() + size > kGrpcAnswerBytesMax + kPrefixBytes) {
        exchange.too_large = exchange.over = true;
        return 0;
    }
    exchange.answer.append(view(bytes, size));
    return 0;
}

int on_close(nghttp2_session*, std::int32_t, std::uint32_t error, void* user_data) {
    exchange_of(user_data).over = true;
    exchange_of(user_data).reset = error;
    return 0;
}

ssize_t read_request(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size,
                     std::uint32_t* flags, nghttp2_data_source* source, void*) {
    Exchange& exchange = exchange_of(source->ptr);
    const std::size_t n = exchange.request.copy(reinterpret_cast<char*>(into), size, exchange.sent);
    exchange.sent += n;
    if (exchange.sent == exchange.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
}

using Session = std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)>;

Session make_session(Exchange& exchange) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new(&session, callbacks, &exchange);
    nghttp2_session_callbacks_del(callbacks);
    return {session, nghttp2_session_del};
}

std::unexpected<Error> nonsense(std::string_view what) {
    return fail(ErrorCode::corrupt, "what came is not gRPC: ", what);
}

Result<> submit(nghttp2_session* session, Exchange& exchange, const std::string& authority,
                std::string_view path) {
    const auto field = [](std::string_view name, std::string_view value) {
        const auto bytes = [](std::string_view text) {
            return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
        };
        return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    const std::array fields{field(":method", "POST"),   field(":scheme", "http"),
                            field(":path", path),       field(":authority", authority),
                            field("te", "trailers"),    field("content-type", "application/grpc"),
                            field("user-agent", "weft")};
    nghttp2_data_provider body{};
    body.source.ptr = &exchange;
    body.read_callback = read_request;
    const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    const bool submitted =
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &no_push, 1) == 0 &&
        nghttp2_submit_request(session, nullptr, fields.data(), fields.size(), &body, nullptr) > 0;
    if (!submitted) return fail(ErrorCode::internal, "can't make a gRPC request");
    return {};
}

Result<> send_what_waits(nghttp2_session* session, Socket& socket) {
    for (;;) {
        const std::uint8_t* bytes = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session, &bytes);
        if (size < 0) return nonsense(nghttp2_strerror(static_cast<int>(size)));
        if (size == 0) return {};
        WEFT_TRY_VOID(socket.send_all(view(bytes, static_cast<std::size_t>(size))));
    }
}

Result<std::string> message_of(Exchange exchange) {
    if (exchange.too_large)
        return fail(ErrorCode::too_large, "the answer has more than ", kGrpcAnswerBytesMax, " bytes");
    if (exchange.reset != NGHTTP2_NO_ERROR && exchange.grpc_status.empty())
        return fail(ErrorCode::io, "the call was reset: ", nghttp2_http2_strerror(exchange.reset));
    if (exchange.http_status != "200") return nonsense(str_cat("HTTP status ", exchange.http_status));
    if (exchange.grpc_status != "0") {
        return fail(ErrorCode::io, "the call failed with gRPC status ",
                    exchange.grpc_status.empty() ? "none" : exchange.grpc_status, ": ",
                    exchange.grpc_message);
    }
    std::string& answer = exchange.answer;
    if (answer.size() < kPrefixBytes || answer[0] != 0) return nonsense("no message, or a compressed one");
    std::size_t size = 0;
    for (std::size_t i = 1; i < kPrefixBytes; ++i) size = size << 8U | static_cast<unsigned char>(answer[i]);
    if (size != answer.size() - kPrefixBytes) return nonsense("the message's length is wrong");
    answer.erase(0, kPrefixBytes);
    return std::move(answer);
}

}  // namespace

Result<std::string> grpc_call(std::uint16_t port, std::string_view path, std::string_view message,
                              Deadline deadline) {
    Exchange exchange;
    exchange.request.push_back('\0');
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        exchange.request.push_back(static_cast<char>(message.size() >> shift & 0xffU));
    exchange.request.append(message);

    Socket socket(deadline);
    WEFT_TRY_VOID(socket.connect_to(port));
    const Session session = make_session(exchange);
    WEFT_TRY_VOID(submit(session.get(), exchange, str_cat("127.0.0.1:", port), path));
    while (!exchange.over) {
        WEFT_TRY_VOID(send_what_waits(session.get(), socket));
        if (nghttp2_session_want_read(session.get()) == 0) return nonsense("it is no HTTP/2");
        WEFT_TRY(const std::string_view bytes, socket.receive());
        if (bytes.empty()) return fail(ErrorCode::unavailable, "the server closed the connection");
        const ssize_t taken = nghttp2_session_mem_recv(
            session.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
        if (taken < 0) return nonsense(nghttp2_strerror(static_cast<int>(taken)));
    }
    return message_of(std::move(exchange));
}

}  // namespace weft::runtime
