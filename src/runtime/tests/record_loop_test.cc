#include "runtime/record_loop.h"

#include <gmock/gmock.h>

#include "runtime/tests/fake_pulsar.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// Does what each payload says: "drop", "throw", "publish TOPIC", "twice"; anything else is echoed with a
/// '!'.
class ScriptHost final : public host::Host {
  public:
    explicit ScriptHost(host::Core& core) : core_(core) {}
    Result<> open(const host::FunctionInfo&, host::Core&) override { return {}; }
    void process(std::span<const weft_message> messages) override {
        for (std::uint32_t i = 0; i < messages.size(); ++i) {
            const std::string payload(host::view(messages[i].payload));
            ++called;
            if (on_call) on_call();
            if (payload == "drop") continue;
            if (payload == "throw") {
                core_.fail(i, "planted", "at line 1", host::FailureKind::user);
            } else if (payload.starts_with("publish ")) {
                weft_output output{};
                output.payload = host::text("extra");
                output.token = next_token_++;
                core_.publish(i, payload.substr(8), output);
            } else {
                const std::string text = payload + "!";
                weft_output output{};
                output.payload = host::text(text);
                core_.emit(i, output);
                if (payload == "twice") core_.emit(i, output);
            }
        }
    }
    void published(std::span<const host::Published> list) override {
        for (const auto& one : list)
            arrived.push_back(one.message_id ? "stored" : one.message_id.error().message);
    }
    std::vector<std::string> arrived;
    std::function<void()> on_call;
    int called = 0;

  private:
    host::Core& core_;
    std::uint64_t next_token_ = 1;
};

class RecordLoopTest : public testing::Test {
  protected:
    void start(Guarantee guarantee = Guarantee::at_least_once) {
        spec_.guarantee = guarantee;
        spec_.output_compression = wire::Compression::none;
        settlement_ = std::make_shared<Settlement>(stats_, guarantee == Guarantee::at_most_once
                                                               ? Settlement::Acks::none
                                                               : Settlement::Acks::when_stored);
        loop_ = std::make_unique<RecordLoop>(
            RecordLoop::Parts{.spec = spec_, .client = client_, .stats = stats_, .log = log_}, settlement_);
        auto consumer = std::make_unique<FakeConsumer>("persistent://public/default/in");
        consumer_ = consumer.get();
        std::vector<InputConsumer> inputs;
        inputs.push_back({std::move(consumer), 0, consumer_->topic()});
        loop_->set_inputs(std::move(inputs));
        auto output = OutputTopic::open(
            client_, {.topic = kOut, .compression = {}, .properties = {}, .pending_messages_max = {}},
            settlement_, Deadline::never());
        ASSERT_TRUE(output);
        loop_->set_output(std::move(*output));
    }
    void push(std::uint64_t number, std::vector<std::string> payloads) {
        std::vector<wire::OutgoingMessage> messages;
        for (const auto& payload : payloads) messages.push_back({.payload = payload, .partition_key = "k"});
        consumer_->push(fake_entry(number, messages));
    }
    /// Runs until the input is dry and, held receipts aside, all of it is settled.
    void run() {
        consumer_->on_dry = [this] { loop_->stop(Deadline::after(0s)); };
        ScriptHost host(*loop_);
        EXPECT_TRUE(loop_->run(host));
        host_called_ = host.called;
        arrived_ = host.arrived;
    }
    std::vector<std::string> payloads_of(const std::string& topic) {
        std::vector<std::string> payloads;
        for (const Bytes& raw : client_.topics[topic].entries) {
            const auto entry = wire::read_entry(raw);
            wire::MessageReader reader(entry->metadata, entry->payload.view());
            for (wire::MessageView view; reader.next(view).value();) payloads.emplace_back(view.payload);
        }
        return payloads;
    }
    proto::FunctionStatus status() {
        proto::FunctionStatus status;
        stats_.fill(status);
        return status;
    }

    static constexpr const char* kOut = "persistent://public/default/out";
    FunctionSpec spec_;
    FunctionStats stats_;
    FunctionLog log_{"t/n/f", 0};
    FakeClient client_;
    std::shared_ptr<Settlement> settlement_;
    std::unique_ptr<RecordLoop> loop_;
    FakeConsumer* consumer_ = nullptr;
    int host_called_ = 0;
    std::vector<std::string> arrived_;
};

TEST_F(RecordLoopTest, outputs_are_sent_and_inputs_acked) {
    start();
    push(0, {"a", "drop", "b"});
    push(1, {"twice"});
    run();
    EXPECT_THAT(payloads_of(kOut), ElementsAre("a!", "b!", "twice!", "twice!"));
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1", "3:1:-1"));
    EXPECT_EQ(status().numreceived(), 4);
    EXPECT_EQ(status().numsuccessfullyprocessed(), 4);
}

TEST_F(RecordLoopTest, nothing_is_acked_before_its_receipt) {
    start();
    client_.topics[kOut].receipts = FakeTopic::Receipts::held;
    push(0, {"a"});
    push(1, {"drop"});
    run();
    EXPECT_THAT(consumer_->acked, ElementsAre("3:1:-1"));
    ASSERT_THAT(client_.topics[kOut].held, SizeIs(1));
    client_.topics[kOut].held[0](wire::MessageId{});
    EXPECT_THAT(consumer_->acked, ElementsAre("3:1:-1", "3:0:-1"));
}

TEST_F(RecordLoopTest, a_failed_message_is_nacked_counted_and_kept_with_its_stack) {
    start();
    push(0, {"a", "throw", "b"});
    run();
    EXPECT_THAT(payloads_of(kOut), ElementsAre("a!", "b!"));
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1:0", "3:0:-1:2"));
    EXPECT_THAT(consumer_->nacked, ElementsAre("3:0:-1"));
    EXPECT_EQ(status().numuserexceptions(), 1);
    EXPECT_EQ(status().numsuccessfullyprocessed(), 2);
    EXPECT_EQ(status().latestuserexceptions(0).exceptionstring(), "planted\nat line 1");
}

TEST_F(RecordLoopTest, outputs_that_the_broker_refuses_bring_their_inputs_back) {
    start();
    client_.topics[kOut].receipts = FakeTopic::Receipts::fail;
    push(0, {"a", "drop"});
    run();
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1:1"));
    EXPECT_THAT(consumer_->nacked, ElementsAre("3:0:-1"));
    EXPECT_EQ(status().numsystemexceptions(), 1);
    EXPECT_THAT(status().latestsystemexceptions(0).exceptionstring(), HasSubstr("refused by the fake"));
}

TEST_F(RecordLoopTest, published_messages_count_for_the_ack_and_are_told_to_the_host) {
    start();
    push(0, {"publish other"});
    push(1, {"publish forbidden"});
    run();
    EXPECT_THAT(payloads_of("persistent://public/default/other"), ElementsAre("extra"));
    EXPECT_THAT(arrived_, ElementsAre("stored"));
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1"));
    EXPECT_THAT(consumer_->nacked, ElementsAre("3:1:-1"));
    EXPECT_THAT(status().latestsystemexceptions(0).exceptionstring(), HasSubstr("not allowed to produce"));
}

TEST_F(RecordLoopTest, at_most_once_acks_on_arrival_and_never_nacks) {
    start(Guarantee::at_most_once);
    client_.topics[kOut].receipts = FakeTopic::Receipts::fail;
    push(0, {"a", "throw"});
    run();
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1"));
    EXPECT_THAT(consumer_->nacked, IsEmpty());
}

TEST_F(RecordLoopTest, at_most_once_processes_only_what_is_claimed) {
    start(Guarantee::at_most_once);
    push(0, {"delivered before the connection was lost"});
    consumer_->waiting.back().delivery = 1;
    push(1, {"a"});
    consumer_->waiting.back().delivery = 2;
    consumer_->delivery = 2;
    consumer_->refuse_claim = true;
    run();
    EXPECT_THAT(payloads_of(kOut), ElementsAre("a!")) << "also after an attempt that failed";
    EXPECT_THAT(consumer_->acked, ElementsAre("3:1:-1"));
    EXPECT_EQ(status().numsystemexceptions(), 1);
}

TEST_F(RecordLoopTest, what_was_claimed_is_processed_before_a_stop) {
    start(Guarantee::at_most_once);
    push(0, std::vector<std::string>(100, "a"));
    ScriptHost host(*loop_);
    host.on_call = [this] { loop_->stop(Deadline::after(1h)); };
    EXPECT_TRUE(loop_->run(host));
    EXPECT_THAT(payloads_of(kOut), SizeIs(100));
}

TEST_F(RecordLoopTest, results_carry_key_properties_and_origin) {
    start();
    const wire::Property properties[] = {{"color", "red"}, {"__pfn_input_topic__", "an earlier one"}};
    const wire::OutgoingMessage messages[] = {
        {.payload = "x"}, {.payload = "y", .partition_key = "key", .properties = properties}};
    consumer_->push(fake_entry(300, messages));
    run();
    const auto entry = wire::read_entry(client_.topics[kOut].entries.at(0));
    wire::MessageReader reader(entry->metadata, entry->payload.view());
    wire::MessageView view;
    ASSERT_TRUE(reader.next(view).value());
    EXPECT_EQ(view.partition_key, std::nullopt);
    ASSERT_TRUE(reader.next(view).value());
    EXPECT_EQ(view.partition_key, "key");
    std::vector<std::string> found;
    for (const auto& p : view.properties) found.push_back(str_cat(p.key, "=", p.value));
    EXPECT_THAT(found,
                UnorderedElementsAre("color=red", "__pfn_input_topic__=persistent://public/default/in",
                                     str_cat("__pfn_input_msg_id__=", wire::to_base64({3, 300, -1, 1}, 2))));
}

TEST_F(RecordLoopTest, large_and_many_outputs_are_cut_into_batches) {
    start();
    std::vector<std::string> many(2500, "m");
    push(0, many);
    push(1, {std::string(kMessageBytesMax, 'x')});
    run();
    EXPECT_EQ(payloads_of(kOut).size(), 2500U) << "the '!' makes the last one too large";
    EXPECT_GE(client_.topics[kOut].entries.size(), 3U);
    EXPECT_THAT(consumer_->acked, ElementsAre("3:0:-1"));
    EXPECT_THAT(consumer_->nacked, ElementsAre("3:1:-1"));
}

TEST_F(RecordLoopTest, an_entry_that_cannot_be_read_is_asked_for_again) {
    start();
    push(0, {"a"});
    consumer_->waiting.front().payload = Bytes::literal("\xff\xff\xff\xff garbage");
    push(1, {"b"});
    run();
    EXPECT_THAT(payloads_of(kOut), ElementsAre("b!"));
    EXPECT_THAT(consumer_->nacked, ElementsAre("3:0:-1"));
    EXPECT_THAT(consumer_->acked, ElementsAre("3:1:-1"));
}

TEST(InputIdTest, equals_the_plain_encoding) {
    InputIdEncoder encoder;
    for (const wire::MessageId id :
         {wire::MessageId{0, 0, -1, -1}, wire::MessageId{3, 128, 0, -1}, wire::MessageId{~0ULL, ~0ULL, 7, -1},
          wire::MessageId{300, 70'000, -1, -1}}) {
        encoder.start(id, 0);
        EXPECT_EQ(encoder.text_of(-1), wire::to_base64(id));
        encoder.start(id, 1000);
        for (const int index : {0, 1, 127, 128, 999}) {
            wire::MessageId one = id;
            one.batch_index = index;
            EXPECT_EQ(encoder.text_of(index), wire::to_base64(one, 1000));
        }
    }
}

TEST(KeyHashTest, equals_pulsars_murmur3) {
    // Of Murmur3_32Hash in Pulsar's clients.
    EXPECT_EQ(key_hash(""), 0U);
    EXPECT_EQ(key_hash("test"), 0xba6bd213U & 0x7fffffffU);
    EXPECT_EQ(key_hash("Hello, world!"), 0xc0363e43U & 0x7fffffffU);
}

}  // namespace
}  // namespace weft::runtime
