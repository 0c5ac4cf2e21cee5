#pragma once
// A broker on a loop of its own over files in memory, and clients that speak to it in commands, without
// sockets.

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "async/call.h"
#include "broker/broker.h"
#include "store/testing/sim_file_system.h"
#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {

namespace proto = ::pulsar::proto;
using Command = proto::BaseCommand;
inline constexpr auto kPatience = 20s;

/// The broker's end of a connection whose other end is a test.
class TestChannel final : public async::FrameChannel {
  public:
    /// What both ends share; the test's end outlives the broker's.
    struct Shared {
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<Bytes> written;  // frames without their length
        bool closed = false;
        // On the loop.
        async::FrameHandler* handler = nullptr;
        bool reading = true;
        std::size_t queued = 0;  // what the test says is waiting to be written
    };
    TestChannel(async::Loop& loop, std::shared_ptr<Shared> shared)
        : loop_(loop), shared_(std::move(shared)) {}
    ~TestChannel() override { shared_->handler = nullptr; }

    void start(async::FrameHandler& handler) override { shared_->handler = &handler; }
    void write(std::span<const Bytes> pieces) override {
        std::string frame;
        for (const auto& piece : pieces) frame += piece.view();
        const std::lock_guard lock(shared_->mutex);
        if (shared_->closed) return;
        shared_->written.push_back(Bytes::from(frame.substr(4)));
        shared_->changed.notify_all();
    }
    std::size_t queued_bytes() const override { return shared_->queued; }
    void pause_reading() override { shared_->reading = false; }
    void resume_reading() override { shared_->reading = true; }
    void close(Error why) override {
        {
            const std::lock_guard lock(shared_->mutex);
            if (std::exchange(shared_->closed, true)) return;
            shared_->changed.notify_all();
        }
        loop_.post([shared = shared_, why = std::move(why)] {
            if (shared->handler != nullptr) shared->handler->on_closed(why);
        });
    }
    std::string peer() const override { return "test:1"; }

  private:
    async::Loop& loop_;
    std::shared_ptr<Shared> shared_;
};

class TestBroker {
  public:
    explicit TestBroker(store::FileSystem& files, BrokerOptions options = {}) {
        options.port = 0;
        run([&] {
            store::StoreOptions storage;
            storage.directory = "/data";
            storage.segment_bytes = 1U << 20;
            auto opened = store::Store::open(files, loop(), storage);
            ASSERT_TRUE(opened) << opened.error().message;
            store_ = std::move(*opened);
            auto made = Broker::create(loop(), *store_, options);
            ASSERT_TRUE(made) << made.error().message;
            broker_ = std::move(*made);
        });
    }
    ~TestBroker() {
        run([&] {
            broker_.reset();
            store_.reset();
        });
    }
    TestBroker(const TestBroker&) = delete;
    TestBroker& operator=(const TestBroker&) = delete;

    async::Loop& loop() { return thread_.loop(); }
    Broker& broker() { return *broker_; }
    store::Store& store() { return *store_; }  // on the loop
    /// Runs on the loop, and waits.
    void run(const std::function<void()>& action) {
        const auto ran = async::call_on<int>(loop(), Deadline::after(kPatience), [&](auto done) {
            action();
            done(0);
        });
        ASSERT_TRUE(ran) << ran.error().message;
    }
    http::Response rest(std::string method, std::string path, std::string body = {},
                        std::map<std::string, std::string> headers = {}) {
        http::Router router;
        broker_->add_routes(router);
        http::Request request;
        request.method = std::move(method);
        request.path = request.raw_path = std::move(path);
        request.body = std::move(body);
        request.headers = std::move(headers);
        return router.handle(request);
    }

  private:
    async::LoopThread thread_{"broker-test"};
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<Broker> broker_;
};

/// A client of Pulsar's protocol, one command at a time.
class TestClient {
  public:
    struct Received {
        Command command;
        Bytes entry;
    };

    explicit TestClient(TestBroker& broker) : broker_(broker) {
        broker_.run([&] { broker_.broker().accept(std::make_unique<TestChannel>(broker_.loop(), shared_)); });
    }
    ~TestClient() { disconnect(); }
    TestClient(const TestClient&) = delete;
    TestClient& operator=(const TestClient&) = delete;

    static std::unique_ptr<TestClient> connected(TestBroker& broker) {
        auto client = std::make_unique<TestClient>(broker);
        auto connect = make(Command::CONNECT);
        connect.mutable_connect()->set_client_version("test");
        connect.mutable_connect()->set_protocol_version(21);
        client->send(connect);
        client->expect(Command::CONNECTED);
        return client;
    }

    static Command make(Command::Type type) {
        Command command;
        command.set_type(type);
        return command;
    }

    void send(const Command& command, const Bytes& entry = {}) {
        const auto head =
            entry.empty() ? wire::encode_command(command) : wire::encode_command_head(command, entry.size());
        send_frame(str_cat(head.view().substr(4), entry.view()));
    }
    void send_frame(std::string frame) {
        broker_.run([&] {
            if (shared_->handler == nullptr) return;
            shared_->handler->on_frame(Bytes::from(std::move(frame)));
            if (shared_->handler != nullptr) shared_->handler->on_frames_done();
        });
    }
    void disconnect() {
        broker_.run([&] {
            if (shared_->handler != nullptr)
                shared_->handler->on_closed({ErrorCode::connection_closed, "test"});
        });
    }
    /// What the broker waits for when this client doesn't read.
    void set_queued(std::size_t bytes) {
        broker_.run([&] {
            const bool drained = shared_->queued > bytes;
            shared_->queued = bytes;
            if (drained && shared_->handler != nullptr) shared_->handler->on_writable();
        });
    }
    bool is_read() {
        bool reading = false;
        broker_.run([&] { reading = shared_->reading; });
        return reading;
    }
    bool wait_for_close() {
        std::unique_lock lock(shared_->mutex);
        return shared_->changed.wait_for(lock, kPatience, [&] { return shared_->closed; });
    }

    /// The next frame; fails the test when none comes.
    Received next() {
        std::unique_lock lock(shared_->mutex);
        if (!shared_->changed.wait_for(lock, kPatience, [&] { return !shared_->written.empty(); })) {
            ADD_FAILURE() << "the broker sent nothing";
            return {};
        }
        const auto frame = shared_->written.front();
        shared_->written.pop_front();
        lock.unlock();
        Received received;
        auto entry = wire::decode_frame(frame, received.command);
        EXPECT_TRUE(entry) << entry.error().message;
        if (entry) received.entry = *entry;
        return received;
    }
    Received expect(Command::Type type) {
        auto received = next();
        EXPECT_EQ(Command::Type_Name(received.command.type()), Command::Type_Name(type))
            << received.command.ShortDebugString();
        return received;
    }
    /// Whether nothing was sent, once the loop has done what it had to do.
    bool silent() {
        for (int turn = 0; turn < 3; ++turn) broker_.run([] {});
        const std::lock_guard lock(shared_->mutex);
        return shared_->written.empty();
    }

    // What most tests begin with.
    proto::CommandProducerSuccess open_producer(const std::string& topic, const std::string& name = {},
                                                std::uint64_t id = 1) {
        auto command = make(Command::PRODUCER);
        auto& producer = *command.mutable_producer();
        producer.set_topic(topic);
        producer.set_producer_id(id);
        producer.set_request_id(++requests_);
        if (!name.empty()) producer.set_producer_name(name);
        send(command);
        return expect(Command::PRODUCER_SUCCESS).command.producer_success();
    }
    /// Asks for a producer; the caller takes the answer.
    std::uint64_t ask_for_producer(const std::string& topic, const std::string& name,
                                   proto::ProducerAccessMode access, std::uint64_t id = 1) {
        auto command = make(Command::PRODUCER);
        auto& producer = *command.mutable_producer();
        producer.set_topic(topic);
        producer.set_producer_id(id);
        producer.set_request_id(++requests_);
        producer.set_producer_name(name);
        producer.set_producer_access_mode(access);
        send(command);
        return requests_;
    }
    void close_producer(std::uint64_t id = 1) {
        auto command = make(Command::CLOSE_PRODUCER);
        command.mutable_close_producer()->set_producer_id(id);
        command.mutable_close_producer()->set_request_id(++requests_);
        send(command);
        expect(Command::SUCCESS);
    }
    void publish(std::uint64_t sequence_id, const Bytes& entry, std::int32_t messages = 1,
                 std::uint64_t producer = 1) {
        auto command = make(Command::SEND);
        command.mutable_send()->set_producer_id(producer);
        command.mutable_send()->set_sequence_id(sequence_id);
        command.mutable_send()->set_num_messages(messages);
        send(command, entry);
    }
    /// Publishes one message and waits for its receipt.
    wire::MessageId store(std::uint64_t sequence_id, const std::string& payload) {
        publish(sequence_id, single(payload, sequence_id));
        return id_of(expect(Command::SEND_RECEIPT).command.send_receipt().message_id());
    }
    static Bytes single(std::string_view payload, std::uint64_t sequence_id = 0) {
        wire::OutgoingMessage message;
        message.payload = payload;
        return *wire::encode_single(message,
                                    {.producer_name = "p", .sequence_id = sequence_id, .publish_time_ms = 1});
    }
    /// A message with a key; no payload removes it.
    static Bytes keyed(std::string_view key, std::string_view payload, std::uint64_t sequence_id = 0) {
        wire::OutgoingMessage message;
        message.payload = payload;
        message.partition_key = key;
        message.null_value = payload.empty();
        return *wire::encode_single(message,
                                    {.producer_name = "p", .sequence_id = sequence_id, .publish_time_ms = 1});
    }
    static Bytes batch(unsigned messages) {
        wire::BatchBuilder builder;
        for (unsigned i = 0; i < messages; ++i) {
            wire::OutgoingMessage message;
            message.payload = "x";
            builder.add(message, i);
        }
        return *builder.seal({.producer_name = "p", .publish_time_ms = 1});
    }
    static wire::MessageId id_of(const proto::MessageIdData& id) {
        return {id.ledgerid(), id.entryid(), -1, -1};
    }

    struct Subscribe {
        std::string topic, subscription = "s", name = "c";
        proto::CommandSubscribe::SubType type = proto::CommandSubscribe::Exclusive;
        std::uint64_t id = 1;
        bool earliest = true;
        bool durable = true;
        std::optional<wire::MessageId> start = {};
        bool compacted = false;
    };
    void ask_to_subscribe(const Subscribe& options) {
        auto command = make(Command::SUBSCRIBE);
        auto& subscribe = *command.mutable_subscribe();
        subscribe.set_topic(options.topic);
        subscribe.set_subscription(options.subscription);
        subscribe.set_subtype(options.type);
        subscribe.set_consumer_id(options.id);
        subscribe.set_request_id(++requests_);
        subscribe.set_consumer_name(options.name);
        subscribe.set_durable(options.durable);
        subscribe.set_read_compacted(options.compacted);
        if (options.earliest) subscribe.set_initialposition(proto::CommandSubscribe::Earliest);
        if (options.start) {
            subscribe.mutable_start_message_id()->set_ledgerid(options.start->ledger);
            subscribe.mutable_start_message_id()->set_entryid(options.start->entry);
            subscribe.mutable_start_message_id()->set_batch_index(options.start->batch_index);
        }
        send(command);
    }
    void subscribe(const Subscribe& options) {
        ask_to_subscribe(options);
        expect(Command::SUCCESS);
    }
    void flow(std::uint32_t permits, std::uint64_t consumer = 1) {
        auto command = make(Command::FLOW);
        command.mutable_flow()->set_consumer_id(consumer);
        command.mutable_flow()->set_messagepermits(permits);
        send(command);
    }
    void acknowledge(const wire::MessageId& id, std::vector<std::int64_t> still_unacked = {},
                     std::uint64_t consumer = 1,
                     proto::CommandAck::AckType type = proto::CommandAck::Individual) {
        auto command = make(Command::ACK);
        auto& ack = *command.mutable_ack();
        ack.set_consumer_id(consumer);
        ack.set_ack_type(type);
        ack.set_request_id(++requests_);
        auto& where = *ack.add_message_id();
        where.set_ledgerid(id.ledger);
        where.set_entryid(id.entry);
        for (const auto word : still_unacked) where.add_ack_set(word);
        send(command);
    }
    std::uint64_t next_request() { return ++requests_; }
    std::uint64_t last_request() const { return requests_; }

  private:
    TestBroker& broker_;
    // Shared with the broker's end of the connection, which may go first or last.
    std::shared_ptr<TestChannel::Shared> shared_ = std::make_shared<TestChannel::Shared>();
    std::uint64_t requests_ = 100;
};

}  // namespace weft::broker
