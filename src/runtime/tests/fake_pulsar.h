#pragma once
// A Pulsar in memory, for tests of the record loop: topics keep the entries sent to them; consumers give what
// a test pushed and write down acks; receipts come at once, fail, or wait for the test.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "pulsar/client.h"

namespace weft::runtime {

struct FakeTopic {
    enum class Receipts { at_once, fail, held };
    Receipts receipts = Receipts::at_once;
    std::vector<Bytes> entries;
    std::vector<pulsar::Producer::Receipt> held;
};

class FakeProducer final : public pulsar::Producer {
  public:
    FakeProducer(std::string topic, FakeTopic& to) : topic_(std::move(topic)), to_(to) {}
    const std::string& topic() const override { return topic_; }
    const std::string& name() const override { return name_; }
    Result<> send_async(const wire::OutgoingMessage& message, Receipt receipt, Deadline) override {
        wire::BatchBuilder builder;
        builder.add(message, next_);
        auto entry = builder.seal({.producer_name = name_, .sequence_id = next_});
        return send_entry(std::move(*entry), next_++, 1, std::move(receipt), Deadline::never());
    }
    std::uint64_t reserve_sequence_ids(std::uint32_t count) override {
        return std::exchange(next_, next_ + count);
    }
    Result<> send_entry(Bytes entry, std::uint64_t, std::uint32_t, Receipt receipt, Deadline) override {
        if (to_.receipts == FakeTopic::Receipts::fail) {
            receipt(fail(ErrorCode::internal, "refused by the fake"));
            return {};
        }
        to_.entries.push_back(std::move(entry));
        if (to_.receipts == FakeTopic::Receipts::held) {
            to_.held.push_back(std::move(receipt));
        } else {
            receipt(wire::MessageId{9, to_.entries.size() - 1, -1, -1});
        }
        return {};
    }
    Result<wire::MessageId> send(const wire::OutgoingMessage&, Deadline) override {
        return wire::MessageId{};
    }
    Result<> flush(Deadline) override { return {}; }
    Result<> close(Deadline) override { return {}; }
    bool connected() const override { return true; }
    std::uint32_t pending_messages() const override { return 0; }
    std::optional<std::string> schema_version() const override { return std::nullopt; }

  private:
    const std::string topic_, name_ = "fake-producer";
    FakeTopic& to_;
    std::uint64_t next_ = 0;
};

class FakeConsumer final : public pulsar::Consumer {
  public:
    explicit FakeConsumer(std::string topic) : topic_(std::move(topic)) {}
    void push(pulsar::Entry entry) { waiting.push_back(std::move(entry)); }

    const std::string& topic() const override { return topic_; }
    std::uint64_t tag() const override { return 0; }
    Result<std::vector<pulsar::Entry>> receive_entries(std::size_t max_bytes, Deadline) override {
        std::vector<pulsar::Entry> entries;
        for (std::size_t bytes = 0; !waiting.empty() && (entries.empty() || bytes < max_bytes);) {
            bytes += waiting.front().payload.size();
            entries.push_back(std::move(waiting.front()));
            waiting.pop_front();
        }
        if (entries.empty()) {
            if (on_dry) on_dry();
            return fail(ErrorCode::deadline_exceeded, "nothing");
        }
        return entries;
    }
    Result<pulsar::Message> receive(Deadline) override { return fail(ErrorCode::not_supported, "fake"); }
    void acknowledge(const wire::MessageId& id, std::uint32_t) override {
        acked.push_back(wire::to_string(id));
    }
    void acknowledge(std::span<const wire::MessageId> entries) override {
        for (const auto& id : entries) acknowledge(id, 0);
    }
    Result<> claim(std::vector<pulsar::Entry>& entries, Deadline) override {
        if (std::exchange(refuse_claim, false)) return fail(ErrorCode::unavailable, "refused by the fake");
        std::erase_if(entries, [this](const auto& entry) { return entry.delivery != delivery; });
        for (const auto& entry : entries) acknowledge(entry.id, 0);
        return {};
    }
    void acknowledge_cumulative(const wire::MessageId&, std::uint32_t) override {}
    void negative_acknowledge(const wire::MessageId& id) override { nacked.push_back(wire::to_string(id)); }
    Result<> redeliver_unacknowledged() override { return {}; }
    Result<> flush_acks(Deadline) override { return {}; }
    Result<> seek(const wire::MessageId&, Deadline) override { return {}; }
    Result<> seek_to_time(std::uint64_t, Deadline) override { return {}; }
    Result<pulsar::LastMessage> last_message_id(Deadline) override { return pulsar::LastMessage{}; }
    Result<> unsubscribe(Deadline) override { return {}; }
    Result<> close(Deadline) override { return {}; }
    bool connected() const override { return true; }
    std::optional<bool> is_active() const override { return std::nullopt; }
    void on_active_change(std::function<void(bool)>) override {}
    bool has_waiting_entries() const override { return !waiting.empty(); }
    void on_entries_ready(std::function<void()>) override {}

    std::deque<pulsar::Entry> waiting;
    std::vector<std::string> acked, nacked;
    std::uint64_t delivery = 0;    // entries of another one can't be claimed
    bool refuse_claim = false;     // the next one
    std::function<void()> on_dry;  // nothing waits any more

  private:
    const std::string topic_;
};

class FakeClient final : public pulsar::Client {
  public:
    Result<std::unique_ptr<pulsar::Producer>> create_producer(pulsar::ProducerOptions options,
                                                              Deadline) override {
        if (options.topic.ends_with("/forbidden"))
            return fail(ErrorCode::unauthorized, "not allowed to produce");
        return std::make_unique<FakeProducer>(options.topic, topics[options.topic]);
    }
    Result<std::unique_ptr<pulsar::Consumer>> subscribe(pulsar::ConsumerOptions options, Deadline) override {
        return std::make_unique<FakeConsumer>(options.topic);
    }
    Result<std::uint32_t> partitions_of(const std::string& topic, Deadline) override {
        return topic.ends_with("/parted") ? 3U : 0U;
    }
    Result<std::vector<std::string>> topics_of_namespace(const std::string&, Deadline) override {
        return std::vector<std::string>{};
    }
    std::map<std::string, FakeTopic> topics;
};

/// An entry of a batch, as a consumer would give it.
inline pulsar::Entry fake_entry(std::uint64_t number, std::span<const wire::OutgoingMessage> messages) {
    wire::BatchBuilder builder;
    for (const auto& message : messages) builder.add(message, 0);
    pulsar::Entry entry;
    entry.raw = *builder.seal({.producer_name = "p", .publish_time_ms = 77});
    const auto view = wire::read_entry(entry.raw);
    WEFT_CHECK(view.has_value(), "the fake's own entry parses");
    entry.metadata = view->metadata;
    entry.payload = view->payload;
    entry.id = {3, number, -1, -1};
    return entry;
}

}  // namespace weft::runtime
