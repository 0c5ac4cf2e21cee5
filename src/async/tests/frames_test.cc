#include "async/frames.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>

#include "async/call.h"
#include "async/detail/turns.h"
#include "base/testing/temporary_directory.h"
#include "security/testing/certificates.h"
#include "security/tls.h"

namespace weft::async {
namespace {

std::string framed(std::string_view content) {
    const std::uint32_t size = htonl(static_cast<std::uint32_t>(content.size()));
    return std::string(reinterpret_cast<const char*>(&size), 4).append(content);
}
Bytes frame(std::string_view content) { return Bytes::from(framed(content)); }

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + (i >> 8));
    return text;
}

// One end of a connection that keeps what it is told. Lives on the loop; looked at through ask().
struct End final : FrameHandler {
    std::unique_ptr<FrameChannel> channel;
    std::vector<Bytes> frames;
    int rounds = 0, writable = 0;
    std::optional<Error> closed;
    std::function<void(End&, Bytes)> on_each;
    std::function<void(End&)> on_change = [](End&) {};

    void on_frame(Bytes bytes) override {
        frames.push_back(bytes);
        if (on_each) on_each(*this, bytes);
    }
    void on_frames_done() override { ++rounds, on_change(*this); }
    void on_writable() override { ++writable, on_change(*this); }
    void on_closed(const Error& why) override { closed = why, on_change(*this); }
};

enum class Over : std::uint8_t { plain, tls };

class FramesTest : public testing::Test {
  protected:
    explicit FramesTest(Over over = Over::plain) {
        if (over == Over::tls) make_certificates();
        run([&] {
            auto accepted = [&](std::unique_ptr<FrameChannel> channel) {
                server.channel = std::move(channel);
                server.channel->start(server);
                check();
            };
            acceptor = *FrameAcceptor::listen(loop, "127.0.0.1", 0, accepted, tls_server);
            for (End* end : {&client, &server}) end->on_change = [&](End&) { check(); };
        });
    }
    ~FramesTest() override {
        run([&] { client.channel.reset(), server.channel.reset(), acceptor.reset(); });
        thread.stop();
    }

    void run(const std::function<void()>& action) {
        std::promise<void> done;
        loop.post([&] { action(), done.set_value(); });
        done.get_future().wait();
    }
    // Waits until the condition holds; it is looked at on the loop whenever an end is told something.
    void wait_for(std::function<bool()> wanted) {
        std::promise<void> met;
        run([&] {
            condition = std::move(wanted);
            reached = &met;
            check();
        });
        if (met.get_future().wait_for(20s) != std::future_status::ready) {
            run([&] { reached = nullptr; });
            FAIL() << "condition not met within 20 s";
        }
    }
    void check() {
        if (reached == nullptr || !condition()) return;
        std::exchange(reached, nullptr)->set_value();
    }
    void connect() {
        auto channel = call_on<std::unique_ptr<FrameChannel>>(loop, Deadline::after(10s), [&](auto done) {
            connect_frames(loop, "127.0.0.1", acceptor->port(), Deadline::after(5s), tls_client,
                           std::move(done));
        });
        ASSERT_TRUE(channel.has_value()) << channel.error().message;
        run([&] {
            client.channel = std::move(*channel);
            client.channel->start(client);
        });
        wait_for([&] { return server.channel != nullptr; });
    }
    // A connection that says nothing, from 127.0.0.`last`.
    int silent(std::uint32_t last = 1) const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in from{};
        from.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(acceptor->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
        const timeval limit{8, 0};  // less than a handshake may take
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        return fd;
    }
    int connect_raw() {
        const int fd = silent();
        wait_for([&] { return server.channel != nullptr; });
        return fd;
    }
    void echo() {
        server.on_each = [](End& end, const Bytes& bytes) {
            const Bytes pieces[] = {frame(bytes.view()).slice(0, 4), bytes};
            end.channel->write(pieces);
        };
    }

    void make_certificates() {
        security::testing::Authority authority(temporary.path());
        const auto own = authority.issue("server", "IP:127.0.0.1");
        const auto server_made = security::TlsServer::create(
            {"", own.certificate, own.key}, security::TlsServer::ClientCertificate::optional);
        ASSERT_TRUE(server_made) << server_made.error().message;
        tls_server = *server_made;
        const auto client_made =
            security::TlsClient::create({.files = {authority.certificate_file(), "", ""}});
        ASSERT_TRUE(client_made) << client_made.error().message;
        tls_client = *client_made;
    }
    // The error of a connection that must not come about.
    Error refusal(const std::string& host, std::shared_ptr<security::TlsClient> tls) {
        const auto made = call_on<std::unique_ptr<FrameChannel>>(loop, Deadline::after(10s), [&](auto done) {
            connect_frames(loop, host, acceptor->port(), Deadline::after(5s), std::move(tls),
                           std::move(done));
        });
        EXPECT_FALSE(made.has_value());
        return made ? Error{} : made.error();
    }

    const TemporaryDirectory temporary;
    std::shared_ptr<security::TlsServer> tls_server;  // null: plain
    std::shared_ptr<security::TlsClient> tls_client;
    LoopThread thread{"frames"};
    Loop& loop = thread.loop();
    End client, server;
    std::unique_ptr<FrameAcceptor> acceptor;
    std::function<bool()> condition;
    std::promise<void>* reached = nullptr;
};

class FramesOver : public FramesTest, public testing::WithParamInterface<Over> {
  protected:
    FramesOver() : FramesTest(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Frames, FramesOver, testing::Values(Over::plain, Over::tls),
                         [](const auto& over) { return over.param == Over::tls ? "tls" : "plain"; });

class TlsFrames : public FramesTest {
  protected:
    TlsFrames() : FramesTest(Over::tls) {}
};

TEST_P(FramesOver, frames_of_all_sizes_come_back_unchanged) {
    echo();
    connect();
    std::vector<std::size_t> sizes = {0,      1,      3,      4,       5,         100,           4095,
                                      65'532, 65'536, 65'537, 262'144, 1'000'000, kFrameBytesMax};
    for (int i = 0; i < 300; ++i) sizes.push_back(static_cast<std::size_t>(i * 977 % 9000));
    for (const std::size_t size : sizes) run([&] { client.channel->write(frame(pattern(size))); });
    wait_for([&] { return client.frames.size() == sizes.size(); });
    for (std::size_t i = 0; i < sizes.size(); ++i)
        EXPECT_EQ(client.frames[i].view(), pattern(sizes[i])) << sizes[i];
}

TEST_P(FramesOver, many_small_frames_are_handed_out_by_reads_and_slices) {
    connect();
    run([&] {
        for (int i = 0; i < 20'000; ++i) client.channel->write(frame(std::to_string(i)));
    });
    wait_for([&] { return server.frames.size() == 20'000; });
    run([&] {
        EXPECT_LT(server.rounds, 2'000);
        EXPECT_EQ(server.frames[0].owner(), server.frames[1].owner());  // slices of one block
        for (std::size_t i = 0; i < 20'000; ++i) ASSERT_EQ(server.frames[i].view(), std::to_string(i));
    });
}

TEST_P(FramesOver, frames_that_nobody_keeps_do_not_grow_memory_and_kept_ones_stay_unchanged) {
    connect();
    std::size_t total = 0;
    run([&] {
        server.on_each = [&](End& end, const Bytes& bytes) {
            total += bytes.size();
            if (total % 7 != 0) end.frames.clear();  // keeps some over the reuse of blocks
            EXPECT_EQ(bytes.view(), pattern(bytes.size()));
            for (const Bytes& kept : end.frames) ASSERT_EQ(kept.view(), pattern(kept.size()));
        };
    });
    std::size_t sent = 0;
    for (int round = 0; round < 50; ++round) {
        run([&] {
            for (int i = 0; i < 40; ++i) {
                const std::size_t size = static_cast<std::size_t>((round * 40 + i) * 7919 % 30'000);
                sent += size;
                client.channel->write(frame(pattern(size)));
            }
        });
    }
    wait_for([&] { return total == sent; });
}

TEST_F(FramesTest, bytes_one_by_one_make_frames) {
    const int fd = connect_raw();
    const std::string bytes = framed("hello") + framed("") + framed("world");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on);
    for (const char c : bytes) {
        ASSERT_EQ(::send(fd, &c, 1, 0), 1);
        run([] {});  // lets the loop see it alone
    }
    wait_for([&] { return server.frames.size() == 3; });
    run([&] {
        EXPECT_EQ(server.frames[0].view(), "hello");
        EXPECT_EQ(server.frames[1].view(), "");
        EXPECT_EQ(server.frames[2].view(), "world");
    });
    ::close(fd);
    wait_for([&] { return server.closed.has_value(); });
    EXPECT_EQ(server.closed->code, ErrorCode::connection_closed);
}

TEST_F(FramesTest, an_oversize_frame_ends_the_connection_with_a_reason) {
    const int fd = connect_raw();
    const std::string request = framed("first") + "GET / HTTP/1.1\r\n\r\n";
    ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    wait_for([&] { return server.closed.has_value(); });
    EXPECT_EQ(server.frames.size(), 1U);
    EXPECT_EQ(server.closed->code, ErrorCode::too_large);
    EXPECT_NE(server.closed->message.find("limit=5308416"), std::string::npos) << server.closed->message;
    char byte;
    EXPECT_LE(::recv(fd, &byte, 1, 0), 0);
    ::close(fd);
}

TEST_F(FramesTest, frames_are_limited_until_the_owner_has_seen_the_first) {
    server.on_each = [](End& end, const Bytes&) { end.channel->limit_frames(kFrameBytesMax); };
    const int fd = connect_raw();
    run([&] { server.channel->limit_frames(1000); });
    const std::string frames = framed(pattern(1000)) + framed(pattern(2000));  // in one write
    ASSERT_EQ(::send(fd, frames.data(), frames.size(), 0), static_cast<ssize_t>(frames.size()));
    wait_for([&] { return server.frames.size() == 2; });
    run([&] { server.channel->limit_frames(1000); });
    const std::string begun = framed(pattern(1001)).substr(0, 4);
    ASSERT_EQ(::send(fd, begun.data(), begun.size(), 0), static_cast<ssize_t>(begun.size()));
    wait_for([&] { return server.closed.has_value(); });
    EXPECT_EQ(server.closed->code, ErrorCode::too_large);
    EXPECT_NE(server.closed->message.find("bytes=1001 limit=1000"), std::string::npos);
    ::close(fd);
}

TEST_P(FramesOver, back_pressure_tells_when_to_go_on) {
    connect();
    run([&] { server.channel->pause_reading(); });
    const std::string big = pattern(1U << 20);
    run([&] {
        for (int i = 0; i < 24; ++i) client.channel->write(frame(big));
        EXPECT_TRUE(client.channel->over_high_mark());
    });
    run([&] {});
    EXPECT_TRUE(server.frames.empty());
    EXPECT_EQ(client.writable, 0);
    run([&] { server.channel->resume_reading(); });
    wait_for([&] { return server.frames.size() == 24 && client.writable == 1; });
    run([&] { EXPECT_EQ(client.channel->queued_bytes(), 0U); });
}

TEST_P(FramesOver, close_sends_what_is_queued_and_tells_both_sides) {
    connect();
    run([&] {
        server.channel->write(frame("late input that nobody reads"));
        client.channel->write(frame("last"));
        client.channel->write(frame(pattern(2'000'000)));
        client.channel->close({ErrorCode::cancelled, "done"});
        client.channel->write(frame("dropped"));
        EXPECT_FALSE(client.closed.has_value());
    });
    wait_for([&] { return client.closed && server.closed; });
    EXPECT_EQ(*client.closed, (Error{ErrorCode::cancelled, "done"}));
    EXPECT_EQ(server.closed->code, ErrorCode::connection_closed);
    ASSERT_EQ(server.frames.size(), 2U);
    EXPECT_EQ(server.frames[1].size(), 2'000'000U);
}

TEST_P(FramesOver, close_gives_up_after_a_second_on_a_peer_that_does_not_read) {
    connect();
    run([&] {
        server.channel->pause_reading();
        for (int i = 0; i < 24; ++i) client.channel->write(frame(pattern(1U << 20)));
        client.channel->close({ErrorCode::cancelled, "done"});
    });
    const auto begin = steady_now();
    wait_for([&] { return client.closed.has_value(); });
    EXPECT_GE(steady_now() - begin, 800ms);
    EXPECT_LT(steady_now() - begin, 5s);
}

TEST_P(FramesOver, a_channel_may_be_destroyed_from_its_own_callbacks) {
    connect();
    run([&] { server.on_each = [](End& end, const Bytes&) { end.channel.reset(); }; });
    run([&] {
        for (int i = 0; i < 10; ++i) client.channel->write(frame("x"));
        client.on_change = [&](End& end) {
            if (end.closed) end.channel.reset();
            check();
        };
    });
    wait_for([&] { return client.closed && client.channel == nullptr; });
    run([&] {
        EXPECT_EQ(server.frames.size(), 1U);
        EXPECT_FALSE(server.closed.has_value());
        EXPECT_EQ(server.rounds, 0);
    });
}

TEST_F(TlsFrames, a_certificate_must_be_trusted_and_name_the_host) {
    const auto by_the_system = security::TlsClient::create({});
    ASSERT_TRUE(by_the_system);
    const Error untrusted = refusal("127.0.0.1", *by_the_system);
    EXPECT_EQ(untrusted.code, ErrorCode::unauthorized);
    EXPECT_NE(untrusted.message.find("certificate"), std::string::npos) << untrusted.message;
    const Error misnamed = refusal("localhost", tls_client);
    EXPECT_NE(misnamed.message.find("hostname mismatch"), std::string::npos) << misnamed.message;
}

TEST_F(TlsFrames, who_does_not_speak_it_is_left) {
    const int fd = silent();
    const std::string plain = framed(pattern(1000));
    ASSERT_EQ(::send(fd, plain.data(), plain.size(), MSG_NOSIGNAL), static_cast<ssize_t>(plain.size()));
    char byte;
    while (::recv(fd, &byte, 1, 0) > 0) {  // an alert, perhaps
    }
    ::close(fd);
    run([&] { EXPECT_EQ(server.channel, nullptr); });
}

TEST_F(TlsFrames, who_says_nothing_gives_way_and_keeps_nobody_out) {
    rlimit files{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    const rlimit before = files;
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);  // each of them is two here
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
    const int alone = silent(2);
    std::vector<int> all;
    for (int i = 0; i < 1000; ++i) all.push_back(silent());
    char byte;
    EXPECT_EQ(::recv(all.front(), &byte, 1, 0), 0) << "the oldest of the many has ended";
    EXPECT_EQ(::recv(all.back(), &byte, 1, MSG_DONTWAIT), -1) << "the newest has not";
    EXPECT_EQ(::recv(alone, &byte, 1, MSG_DONTWAIT), -1) << "nor the only one of its address";
    connect();
    for (const int fd : all) ::close(fd);
    ::close(alone);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

// Shakes hands over a connected socket, with anybody.
bool shakes_hands(int fd) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                    SSL_CTX_free);
    const std::unique_ptr<SSL, decltype(&SSL_free)> client(SSL_new(context.get()), SSL_free);
    return SSL_set_fd(client.get(), fd) == 1 && SSL_connect(client.get()) == 1;
}

TEST(Turns, one_who_floods_waits_for_himself) {
    const auto of = [](std::uint32_t last) {
        return boost::asio::ip::address_v4(INADDR_LOOPBACK - 1 + last);
    };
    std::vector<int> taken;
    Turns turns;
    const auto add = [&](std::uint32_t address, int step, bool has_something_to_do = true) {
        turns.add(of(address), [&taken, step, has_something_to_do] {
            if (has_something_to_do) taken.push_back(step);
            return has_something_to_do;
        });
    };
    for (int step = 10; step < 15; ++step) add(1, step, step != 11);
    add(2, 20);
    turns.take_one();
    turns.take_one();
    add(3, 30);
    add(2, 21);
    while (!turns.empty()) turns.take_one();
    EXPECT_EQ(taken, (std::vector{10, 20, 30, 21, 12, 13, 14}));
}

TEST_F(TlsFrames, hands_are_shaken_beside_the_owner) {
    std::promise<void> go;
    loop.post([over = go.get_future().share()] { over.wait(); });  // he is busy
    const int fd = silent();
    EXPECT_TRUE(shakes_hands(fd));
    go.set_value();
    wait_for([&] { return server.channel != nullptr; });
    ::close(fd);
}

TEST_F(TlsFrames, what_comes_when_the_acceptor_has_gone_is_closed) {
    std::promise<void> go;
    loop.post([&, over = go.get_future().share()] {
        over.wait();
        acceptor.reset();
    });
    const int shaken = silent(), begun = silent();
    EXPECT_TRUE(shakes_hands(shaken));  // it waits for the owner now
    ASSERT_EQ(::send(begun, "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
    go.set_value();
    char byte;
    for (const int fd : {shaken, begun}) {
        const ssize_t got = ::recv(fd, &byte, 1, 0);
        EXPECT_TRUE(got == 0 || (got < 0 && errno == ECONNRESET)) << "it is open still";
        ::close(fd);
    }
    run([&] { EXPECT_EQ(server.channel, nullptr); });
}

TEST_F(FramesTest, a_plain_server_is_no_tls_server) {
    const auto tls = security::TlsClient::create({.files = {}, .allow_insecure = true});
    ASSERT_TRUE(tls);
    EXPECT_EQ(refusal("127.0.0.1", *tls).code, ErrorCode::unauthorized);
}

TEST_F(FramesTest, a_refused_connection_names_the_target) {
    const std::uint16_t port = acceptor->port();
    run([&] { acceptor.reset(); });
    for (const char* host : {"127.0.0.1", "localhost"}) {
        const auto refused = call_on<std::unique_ptr<FrameChannel>>(
            loop, Deadline::after(10s),
            [&](auto done) { connect_frames(loop, host, port, Deadline::after(5s), std::move(done)); });
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
        EXPECT_NE(refused.error().message.find(str_cat(host, ':', port)), std::string::npos)
            << refused.error().message;
    }
}

TEST_F(FramesTest, a_host_without_address_and_a_passed_deadline_are_errors) {
    const auto unknown = call_on<std::unique_ptr<FrameChannel>>(loop, Deadline::after(20s), [&](auto done) {
        connect_frames(loop, "no-such-host.invalid", 1, Deadline::after(15s), std::move(done));
    });
    EXPECT_FALSE(unknown.has_value());
    const auto late = call_on<std::unique_ptr<FrameChannel>>(loop, Deadline::after(10s), [&](auto done) {
        connect_frames(loop, "127.0.0.1", acceptor->port(), Deadline::after(-1s), std::move(done));
    });
    EXPECT_TRUE(late.has_value() || late.error().code == ErrorCode::deadline_exceeded);
}

TEST_F(FramesTest, an_address_in_use_is_a_conflict) {
    run([&] {
        const auto second = FrameAcceptor::listen(loop, "127.0.0.1", acceptor->port(), [](auto) {});
        ASSERT_FALSE(second.has_value());
        EXPECT_EQ(second.error().code, ErrorCode::conflict);
    });
}

TEST_F(FramesTest, a_reset_by_the_peer_closes) {
    const int fd = connect_raw();
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd);
    wait_for([&] { return server.closed.has_value(); });
    EXPECT_EQ(server.closed->code, ErrorCode::connection_closed);
    run([&] { server.channel->write(frame("into the void")); });
}

}  // namespace
}  // namespace weft::async
