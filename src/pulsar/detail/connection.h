#pragma once
// Connection: one channel to one broker: handshake, keep-alive, questions and answers, and the way from the
// commands that arrive to the producer or consumer they are for. On the loop only.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/frames.h"
#include "async/loop.h"
#include "pulsar/detail/failure.h"
#include "security/client_security.h"
#include "wire/frame.h"

namespace weft::pulsar::detail {

/// A producer or consumer, as its connection sees it.
class ConnectionUser {
  public:
    virtual ~ConnectionUser() = default;
    /// A command that names this user; `entry` is what followed a MESSAGE.
    virtual void on_command(const wire::proto::BaseCommand& command, const Bytes& entry) = 0;
    /// All commands that had arrived together were handed over.
    virtual void on_burst_end() = 0;
    /// The connection is gone, and the user with it from the connection's table.
    virtual void on_connection_lost(const Error& why) = 0;
};

enum class UserKind : std::uint8_t { producer, consumer };

class Connection final : private async::FrameHandler {
  public:
    using Ready = std::move_only_function<void(Outcome<Connection*>)>;
    /// The answer to a question; the command lives as long as the call.
    using Reply = std::move_only_function<void(Outcome<const wire::proto::BaseCommand*>)>;

    struct Options {
        std::string host;
        std::uint16_t port = 0;
        std::string proxy_to_broker;  // not empty: the "host:port" that the proxy at the other end shall
                                      // connect us to
        std::string client_version;
        Duration keep_alive{};
        Duration connect_timeout{};
        security::ClientSecurity security;
    };

    /// Begins to connect. `gone` is called once, when it has ended (posted, so that it may be destroyed
    /// there).
    Connection(async::Loop& loop, Options options, std::function<void(Connection*)> gone);
    ~Connection() override;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Calls back when the handshake is done or has failed; at once if that is known.
    void when_ready(Ready ready);
    bool ready() const { return state_ == State::ready; }
    bool ended() const { return state_ == State::closed; }
    bool proxied() const { return !options_.proxy_to_broker.empty(); }
    /// "host:port" of the other side.
    const std::string& peer() const { return peer_; }
    /// The largest message payload the broker takes.
    std::size_t message_bytes_max() const { return message_bytes_max_; }

    /// Sends a command that will be answered with `request_id` in it; a refusal becomes a Failure that begins
    /// with `what`.
    void request(std::uint64_t request_id, const wire::proto::BaseCommand& command, std::string what,
                 Deadline deadline, Reply reply);
    /// The same for a command that the caller sends itself, right after.
    void expect(std::uint64_t request_id, std::string what, Deadline deadline, Reply reply);
    void send(const wire::proto::BaseCommand& command);
    void send(Bytes frame);
    void send(Bytes head, Bytes entry);

    void add_user(UserKind kind, std::uint64_t id, ConnectionUser& user);
    void remove_user(UserKind kind, std::uint64_t id);
    /// Answers an open question with a failure; an answer that still comes is ignored.
    void give_up(std::uint64_t request_id, Failure why);
    /// Ends it: everyone is told.
    void close(Error why) { close(Failure{std::move(why), Retry::always, true}); }

  private:
    enum class State : std::uint8_t { connecting, handshake, ready, closed };
    struct Question {
        std::string what;
        Reply reply;
        async::TimerId timer;
    };
    struct UserSlot {
        ConnectionUser* user;
        bool touched;  // in touched_
    };
    using Users = std::unordered_map<std::uint64_t, UserSlot>;

    void on_frame(Bytes frame) override;
    void on_frames_done() override;
    void on_closed(const Error& why) override;
    void start_handshake();
    void introduce();
    void answer_challenge();
    void send_new_credentials();
    void cant_say_who(const std::string& what, Error why);
    void soon(Duration delay, void (Connection::*then)());
    void finish_handshake(const wire::proto::BaseCommand& command);
    void dispatch(const wire::proto::BaseCommand& command, const Bytes& entry);
    void answer(std::uint64_t request_id, const wire::proto::BaseCommand& command);
    void refuse(std::uint64_t request_id, int server_error, std::string_view message);
    void to_user(UserKind kind, std::uint64_t id, const wire::proto::BaseCommand& command,
                 const Bytes& entry);
    void arm_keep_alive();
    void keep_alive_tick();
    void close(Failure why);
    void end(Failure why);
    void release();
    Users& users(UserKind kind) { return kind == UserKind::producer ? producers_ : consumers_; }

    // Fixed.
    async::Loop& loop_;
    const Options options_;
    const std::string peer_;
    std::function<void(Connection*)> gone_;
    // Shared with callbacks that may come after the end; they look whether it has expired.
    std::shared_ptr<char> life_ = std::make_shared<char>();

    // On the loop.
    State state_ = State::connecting;
    Failure end_;  // why it is closed, and what that means for another try
    std::unique_ptr<async::FrameChannel> channel_;
    std::unique_ptr<wire::proto::BaseCommand> command_;  // reused for each frame
    std::vector<Ready> waiting_;
    std::unordered_map<std::uint64_t, Question> questions_;
    Users producers_, consumers_;
    std::vector<std::pair<UserKind, std::uint64_t>> touched_;
    std::size_t message_bytes_max_ = 5U << 20;
    async::TimerId timer_ = 0;  // handshake limit, then keep-alive
    bool heard_ = false;        // something arrived since the last tick
    bool pinged_ = false;
    std::string shown_;        // of our credentials, last
    bool challenged_ = false;  // and the answer waits for credentials
};

}  // namespace weft::pulsar::detail
