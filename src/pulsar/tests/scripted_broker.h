#pragma once
// A broker for tests: answers as a friendly one would, unless the test's script does it; remembers all
// commands.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/frames.h"
#include "async/loop.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::testing {

using wire::proto::BaseCommand;

class ScriptedBroker {
  public:
    /// One connection to it. On its loop only.
    class Session : async::FrameHandler {
      public:
        Session(ScriptedBroker& broker, std::unique_ptr<async::FrameChannel> channel);
        void send(const BaseCommand& command);
        void send_raw(std::string frame);
        void send_message(std::uint64_t consumer, std::uint64_t ledger, std::uint64_t entry,
                          const Bytes& data);
        void send_receipt(const wire::proto::CommandSend& send, std::uint64_t entry);
        void close();

      private:
        friend class ScriptedBroker;
        void on_frame(Bytes frame) override;
        void on_closed(const Error& why) override;
        ScriptedBroker& broker_;
        std::unique_ptr<async::FrameChannel> channel_;
        bool open_ = true;
    };
    /// True: the script has dealt with it.
    using Script = std::function<bool(Session&, const BaseCommand&, const Bytes& entry)>;
    struct Seen {
        BaseCommand command;
        Bytes entry;
    };

    explicit ScriptedBroker(Script script = {});
    ~ScriptedBroker();
    std::string url() const { return str_cat("pulsar://127.0.0.1:", port_); }
    std::string host_port() const { return str_cat("127.0.0.1:", port_); }
    /// The first `count` commands of a type, once they have come; fewer after ten seconds.
    std::vector<Seen> wait_for(BaseCommand::Type type, std::size_t count);
    std::size_t count(BaseCommand::Type type);
    /// Runs on the loop, with the youngest connection (null: none), and waits.
    void run(std::function<void(Session*)> action);

  private:
    void on_command(Session& session, const BaseCommand& command, const Bytes& entry);
    void answer(Session& session, const BaseCommand& command);

    Script script_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<BaseCommand::Type, std::vector<Seen>> seen_;  // guarded by mutex_
    std::uint16_t port_ = 0;
    async::LoopThread thread_{"test-broker"};
    std::vector<std::unique_ptr<Session>> sessions_;  // on the loop
    std::unique_ptr<async::FrameAcceptor> acceptor_;
};

BaseCommand error_answer(std::uint64_t request, wire::proto::ServerError error, const std::string& message);
BaseCommand success(std::uint64_t request);
BaseCommand lookup_answer(std::uint64_t request, const std::string& url,
                          wire::proto::CommandLookupTopicResponse::LookupType type);

}  // namespace weft::pulsar::testing
