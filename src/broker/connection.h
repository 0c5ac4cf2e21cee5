#pragma once
// Connection: one client's connection. Takes frames apart and calls topics and subscriptions; writes their
// answers. On the loop.

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "async/frames.h"
#include "broker/consumer.h"
#include "broker/producer.h"
#include "broker/schema_registry.h"
#include "broker/subscription.h"
#include "broker/topic.h"
#include "wire/topic_name.h"

namespace pulsar::proto {
class BaseCommand;
class CommandAck;
class CommandAuthResponse;
class CommandConnect;
class CommandGetSchema;
class CommandGetOrCreateSchema;
class CommandLookupTopic;
class CommandPartitionedTopicMetadata;
class CommandProducer;
class CommandRedeliverUnacknowledgedMessages;
class CommandSeek;
class CommandSend;
class CommandSubscribe;
class CommandUnsubscribe;
class MessageIdData;
}  // namespace pulsar::proto

namespace weft::broker {

namespace proto = ::pulsar::proto;
class Engine;

class Connection final : public async::FrameHandler, public ConsumerSink, public ProducerSink {
  public:
    Connection(Engine& engine, std::unique_ptr<async::FrameChannel> channel);
    ~Connection() override;
    void start();
    /// In the order of their coming.
    std::uint64_t number() const { return number_; }
    /// "host:port" of the client, and the host alone.
    const std::string& peer() const { return peer_; }
    std::string address() const { return peer_.substr(0, peer_.rfind(':')); }
    /// Tells the client, and closes.
    void send_away(const Refusal& why);
    /// Lets go of all producers and consumers, without a word to the client.
    void detach();
    /// Ends it behind what was written.
    void close(std::string_view why);
    /// Publishing may go on.
    void resume();
    /// Called kKeepAliveLooks times in a keep-alive interval: PING when nothing came for half of it, the end
    /// when nothing came for the whole.
    void check_keep_alive();
    static constexpr int kKeepAliveLooks = 16;
    /// Asks for new credentials where the old ones are over; who does not give any is sent away.
    void check_credentials();
    /// Lets go of the producers and consumers that their role has no right to any more.
    void apply_rights();

    // async::FrameHandler
    void on_frame(Bytes frame) override;
    void on_writable() override;
    void on_closed(const Error& why) override;

    // ConsumerSink
    void send_entry(const Consumer& consumer, const Delivery& delivery) override;
    bool has_room() const override { return !channel_->over_high_mark(); }
    void send_active_change(Consumer& consumer, bool active) override;
    void close_consumer(Consumer& consumer) override;

    // ProducerSink
    void send_receipt(const Producer& producer, std::uint64_t sequence_id, store::LedgerId ledger,
                      store::EntryId entry) override;
    void publish_failed(Producer& producer, std::uint64_t sequence_id, const Refusal& why) override;
    void publishes_done(Producer& producer) override;
    void producer_ready(const Producer& producer) override;
    void close_producer(Producer& producer) override;
    void fence_producer(Producer& producer) override;

    // Both
    void check_alive() override;

  private:
    static constexpr std::uint64_t kNoAnswer = ~0ULL;  // instead of a request's number: nobody waits
    void handle(proto::BaseCommand& command, Bytes entry);
    void handle_request(proto::BaseCommand& command);
    // connection.cc
    void ping();
    void connect(const proto::CommandConnect& command);
    void welcome(const proto::CommandConnect& command);
    bool authenticate(const proto::CommandConnect& command);
    void take_new_credentials(const proto::CommandAuthResponse& command);
    bool may(Rule rule, const wire::TopicName& topic, std::string subscription = {}) const;
    void refuse_unserved(const proto::BaseCommand& command);
    // connection_lookup.cc
    void partitioned_metadata(const proto::CommandPartitionedTopicMetadata& command);
    void lookup(const proto::CommandLookupTopic& command);
    void topics_of_namespace(std::uint64_t request, const std::string& ns);
    void get_schema(const proto::CommandGetSchema& command);
    void get_or_create_schema(const proto::CommandGetOrCreateSchema& command);
    // connection_produce.cc
    void open_producer(const proto::CommandProducer& command);
    Answer<ProducerSet::Ptr> make_producer(const proto::CommandProducer& command);
    Answer<> admit_producer(Topic& topic, const ProducerSet::Ptr& producer);
    void send(const proto::CommandSend& command, Bytes entry);
    void send_producer_success(const Producer& producer, std::uint64_t request);
    void end_producer(std::uint64_t id, std::uint64_t request);
    void refuse_waiting(Producer& producer, const Refusal& why);
    void send_error(std::uint64_t producer, std::uint64_t sequence_id, const Refusal& why);
    // connection_consume.cc
    void subscribe(const proto::CommandSubscribe& command);
    Answer<std::unique_ptr<Consumer>> make_consumer(const proto::CommandSubscribe& command);
    Answer<> check_consumer_schema(const Topic& topic, Schema schema);
    Answer<> subscribe_to(Topic& topic, const proto::CommandSubscribe& command,
                          std::unique_ptr<Consumer> consumer);
    void acknowledge(const proto::CommandAck& command);
    Refusal take_acks(Consumer& consumer, const proto::CommandAck& command);
    void redeliver(const proto::CommandRedeliverUnacknowledgedMessages& command);
    void unsubscribe(const proto::CommandUnsubscribe& command);
    void seek(const proto::CommandSeek& command);
    void last_message_id(std::uint64_t consumer, std::uint64_t request);
    void consumer_stats(std::uint64_t consumer, std::uint64_t request);
    void end_consumer(std::uint64_t id, std::uint64_t request);
    void confirm(std::uint64_t consumer, std::uint64_t request);
    Consumer* find_consumer(std::uint64_t id);
    Consumer* subscribed_consumer(std::uint64_t id, std::uint64_t request);

    void write(const proto::BaseCommand& command);
    void succeed(std::uint64_t request);
    void fail_request(std::uint64_t request, const Refusal& why);
    /// A callback for work that comes back later: dropped when the connection is gone.
    template <class Action>
    auto later(Action action) {
        return [self = std::weak_ptr(self_), action = std::move(action)](auto&&... answers) mutable {
            if (const auto here = self.lock()) action(**here, std::forward<decltype(answers)>(answers)...);
        };
    }

    // Fixed after construction.
    Engine& engine_;
    const std::unique_ptr<async::FrameChannel> channel_;
    const std::uint64_t number_;
    const std::string peer_;
    const std::string since_;
    // On the loop.
    const std::unique_ptr<proto::BaseCommand>
        command_;  // reused: parsing into it allocates nothing in the long run
    std::string client_version_;
    Principal principal_;
    std::string auth_method_;
    std::int64_t valid_until_seconds_ = 0;  // 0: no end
    bool can_refresh_ = false;              // the client understands AUTH_CHALLENGE
    bool challenged_ = false;               // and has not answered yet
    bool connected_ = false;
    async::TimerId connect_timer_ = 0;  // ends a client that does not connect
    bool closed_ = false;
    bool heard_ = true;  // since the last keep-alive look
    int silent_looks_ = 0;
    bool waits_for_store_ = false;   // not read until resume()
    bool waits_for_client_ = false;  // not read until on_writable()
    bool probing_ = false;           // a PING is out and must be answered within a few seconds
    std::unordered_map<std::uint64_t, ProducerSet::Ptr> producers_;
    std::unordered_map<std::uint64_t, std::uint64_t>
        ending_;  // producers that wait for their last receipts: close request
    std::unordered_map<std::uint64_t, std::unique_ptr<Consumer>> consumers_;
    std::vector<Ack> acks_;         // scratch
    std::vector<EntryId> entries_;  // scratch
    // Shared with work under way: tells it that the connection is gone.
    std::shared_ptr<Connection*> self_ = std::make_shared<Connection*>(this);
};

/// A topic that is being let go of: the client tries again.
std::unexpected<Refusal> refuse_for_now(const Topic& topic);

/// "2026-11-22T13:40:05.123Z", for statistics.
std::string timestamp_text(std::uint64_t wall_clock_ms);

}  // namespace weft::broker
