// Calls to a server of this test, which speaks HTTP/2 by nghttp2 or says something else. Real gRPC servers
// are called by the tests of Java and Go functions.

#include "runtime/grpc_call.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "runtime/instance_control.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

using testing::HasSubstr;

/// Accepts one connection on a thread of its own.
class Server {
  public:
    explicit Server(std::function<void(int)> talk) {
        listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(listen(listening_, 1), 0);
        getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        thread_ = std::thread([this, talk = std::move(talk)] {
            const int connection = accept(listening_, nullptr, nullptr);
            const int on = 1;
            setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            talk(connection);
            close(connection);
        });
    }
    ~Server() {
        thread_.join();
        close(listening_);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    std::uint16_t port = 0;

  private:
    int listening_ = -1;
    std::thread thread_;
};

void read_until_closed(int connection) {
    char buffer[1024];
    while (read(connection, buffer, sizeof buffer) > 0) {
    }
}

struct Reply {
    std::string body = {}, grpc_status = "0", http_status = "200";
    std::string path = {}, request = {};  // what was asked
    std::size_t sent = 0;
};

nghttp2_nv field(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

ssize_t read_body(nghttp2_session* session, std::int32_t stream, std::uint8_t* into, std::size_t size,
                  std::uint32_t* flags, nghttp2_data_source* source, void*) {
    Reply& reply = *static_cast<Reply*>(source->ptr);
    const std::size_t n = reply.body.copy(reinterpret_cast<char*>(into), size, reply.sent);
    reply.sent += n;
    if (reply.sent == reply.body.size()) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const nghttp2_nv trailers[] = {field("grpc-status", reply.grpc_status),
                                       field("grpc-message", "so it is")};
        nghttp2_submit_trailer(session, stream, trailers, 2);
    }
    return static_cast<ssize_t>(n);
}

/// Answers one call.
void serve(int connection, Reply& reply) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t size,
                      const std::uint8_t* value, std::size_t length, std::uint8_t, void* data) {
            if (std::string_view(reinterpret_cast<const char*>(name), size) == ":path")
                static_cast<Reply*>(data)->path.assign(reinterpret_cast<const char*>(value), length);
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* bytes,
                      std::size_t size, void* data) {
            static_cast<Reply*>(data)->request.append(reinterpret_cast<const char*>(bytes), size);
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session* session, const nghttp2_frame* frame, void* data) {
            const bool whole = frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
            if (!whole) return 0;
            Reply& reply = *static_cast<Reply*>(data);
            const nghttp2_nv head[] = {field(":status", reply.http_status),
                                       field("content-type", "application/grpc")};
            nghttp2_data_provider body{};
            body.source.ptr = &reply;
            body.read_callback = read_body;
            nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
            return 0;
        });
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new(&session, callbacks, &reply);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
    std::uint8_t buffer[4096];
    for (;;) {
        const std::uint8_t* bytes = nullptr;
        ssize_t size = 0;
        while ((size = nghttp2_session_mem_send(session, &bytes)) > 0) {
            if (send(connection, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) break;
        }
        const ssize_t n = read(connection, buffer, sizeof buffer);
        if (n <= 0) break;
        nghttp2_session_mem_recv(session, buffer, static_cast<std::size_t>(n));
    }
    nghttp2_session_del(session);
}

std::string framed(std::string_view message) {
    std::string bytes(1, '\0');
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        bytes.push_back(static_cast<char>(message.size() >> shift & 0xffU));
    return bytes.append(message);
}

Result<std::string> call(Reply& reply, std::string_view message = "") {
    const Server server([&reply](int connection) { serve(connection, reply); });
    return grpc_call(server.port, "/a.B/C", message, Deadline::after(20s));
}

TEST(GrpcCall, carries_messages_of_any_size_up_to_its_limit) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{200'000}, kGrpcAnswerBytesMax}) {
        Reply reply{.body = framed(std::string(size, 'x'))};
        const std::string message(std::min<std::size_t>(size, 50'000), 'm');
        const auto answer = call(reply, message);
        ASSERT_TRUE(answer) << size << ": " << answer.error().message;
        EXPECT_EQ(answer->size(), size);
        EXPECT_EQ(reply.path, "/a.B/C");
        EXPECT_EQ(reply.request, framed(message));
    }
    Reply reply{.body = framed(std::string(kGrpcAnswerBytesMax + 1, 'x'))};
    EXPECT_EQ(call(reply).error().code, ErrorCode::too_large);
}

TEST(GrpcCall, a_refusal_is_told_with_its_words) {
    Reply reply{.body = "", .grpc_status = "12"};
    const auto answer = call(reply);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().message, HasSubstr("gRPC status 12: so it is"));
}

TEST(GrpcCall, what_is_not_grpc_is_corrupt) {
    Reply short_one{.body = "abc"}, longer{.body = framed("abc") + "d"}, other{.http_status = "404"};
    for (Reply* reply : {&short_one, &longer, &other})
        EXPECT_EQ(call(*reply).error().code, ErrorCode::corrupt) << reply->body;
    const Server server([](int connection) {
        (void)!write(connection, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        read_until_closed(connection);
    });
    EXPECT_EQ(grpc_call(server.port, "/a.B/C", "", Deadline::after(20s)).error().code, ErrorCode::corrupt);
}

TEST(GrpcCall, an_absent_or_silent_server_is_not_waited_for_longer_than_the_deadline) {
    std::uint16_t port = 0;
    {
        const Server gone([](int) {});
        port = gone.port;
        EXPECT_EQ(grpc_call(port, "/a.B/C", "", Deadline::after(20s)).error().code, ErrorCode::unavailable);
    }
    EXPECT_EQ(grpc_call(port, "/a.B/C", "", Deadline::after(20s)).error().code, ErrorCode::unavailable);
    const Server silent(read_until_closed);
    const SteadyTime begun = steady_now();
    EXPECT_EQ(grpc_call(silent.port, "/a.B/C", "", Deadline::after(50ms)).error().code,
              ErrorCode::deadline_exceeded);
    EXPECT_GE(steady_now() - begun, 50ms);
}

TEST(InstanceControlTest, asks_by_the_names_of_pulsars_service) {
    ::proto::HealthCheckResult healthy;
    healthy.set_success(true);
    Reply reply{.body = framed(healthy.SerializeAsString())};
    {
        const Server server([&reply](int connection) { serve(connection, reply); });
        EXPECT_TRUE(InstanceControl(server.port).health_check(Deadline::after(20s)));
    }
    EXPECT_EQ(reply.path, "/proto.InstanceControl/HealthCheck");
}

TEST(InstanceControlTest, one_that_is_not_healthy_or_talks_nonsense_is_an_error) {
    Reply ill{.body = framed("")}, nonsense{.body = framed("\xff\xff")};
    for (Reply* reply : {&ill, &nonsense}) {
        const Server server([reply](int connection) { serve(connection, *reply); });
        const auto healthy = InstanceControl(server.port).health_check(Deadline::after(20s));
        ASSERT_FALSE(healthy);
        EXPECT_EQ(healthy.error().code, reply == &ill ? ErrorCode::unavailable : ErrorCode::corrupt);
    }
}

}  // namespace
}  // namespace weft::runtime
