#include "worker/pulsar_trigger.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace weft::worker {
namespace {

constexpr std::string_view kInputTopicProperty = "__pfn_input_topic__";
constexpr std::string_view kInputIdProperty = "__pfn_input_msg_id__";

std::vector<std::string> parts_of(const std::string& topic, std::uint32_t partitions) {
    if (partitions == 0) return {topic};
    std::vector<std::string> parts;
    for (std::uint32_t i = 0; i < partitions; ++i) parts.push_back(str_cat(topic, "-partition-", i));
    return parts;
}

/// Wakes the waiting request; set by the client's loop.
class Arrival {
  public:
    void note() {
        const std::lock_guard lock(mutex_);
        noted_ = true;
        changed_.notify_one();
    }
    bool wait(Deadline deadline) {
        std::unique_lock lock(mutex_);
        const bool in_time = changed_.wait_until(lock, deadline.time(), [this] { return noted_; });
        noted_ = false;
        return in_time;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool noted_ = false;  // guarded by mutex_
};

/// All that comes to a topic from now on, whichever its partitions.
class OutputWatch {
  public:
    Result<> open(pulsar::Client& client, const TriggerRequest& request, std::uint64_t number,
                  Deadline deadline) {
        WEFT_TRY(const auto partitions, client.partitions_of(request.output_topic, deadline));
        for (std::string& part : parts_of(request.output_topic, partitions)) {
            pulsar::ConsumerOptions options;
            options.topic = std::move(part);
            options.subscription = str_cat(request.client_name, "-", number);
            options.receiver_queue_messages = 100;
            options.non_durable = pulsar::ConsumerOptions::NonDurable{wire::MessageId::latest()};
            WEFT_TRY(auto consumer, client.subscribe(std::move(options), deadline));
            consumer->on_entries_ready([arrival = arrival_] { arrival->note(); });
            consumers_.push_back(std::move(consumer));
        }
        return {};
    }

    /// The first message that says it came of this input.
    Result<std::string> wait_for(const std::string& input_topic, const std::string& input_id,
                                 Deadline deadline) {
        do {
            for (const auto& consumer : consumers_) {
                for (;;) {
                    auto message = consumer->receive(Deadline::after(0s));
                    if (!message && message.error().code == ErrorCode::deadline_exceeded) break;
                    if (!message) return std::unexpected(std::move(message).error());
                    const auto& properties = message->properties;
                    const auto id = properties.find(std::string(kInputIdProperty));
                    const auto topic = properties.find(std::string(kInputTopicProperty));
                    if (id != properties.end() && id->second == input_id && topic != properties.end() &&
                        topic->second == input_topic)
                        return std::move(message->payload);
                }
            }
        } while (arrival_->wait(deadline));
        return fail(ErrorCode::deadline_exceeded, "Request Timed Out");
    }

  private:
    // Shared with a callback that is under way while the watch ends.
    const std::shared_ptr<Arrival> arrival_ = std::make_shared<Arrival>();
    std::vector<std::unique_ptr<pulsar::Consumer>> consumers_;
};

class PulsarTrigger final : public FunctionTrigger {
  public:
    explicit PulsarTrigger(pulsar::Client& client) : client_(client) {}

    Result<std::optional<std::string>> trigger(const TriggerRequest& request, Deadline deadline) override {
        const std::uint64_t number = ++calls_;
        OutputWatch watch;
        if (!request.output_topic.empty()) WEFT_TRY_VOID(watch.open(client_, request, number, deadline));
        WEFT_TRY(const auto partitions, client_.partitions_of(request.input_topic, deadline));
        const auto parts = parts_of(request.input_topic, partitions);
        pulsar::ProducerOptions options;
        options.topic = parts[number % parts.size()];
        options.batching = pulsar::ProducerOptions::Batching::off;
        const std::string topic = options.topic;
        WEFT_TRY(const auto producer, client_.create_producer(std::move(options), deadline));
        wire::OutgoingMessage message;
        message.payload = request.payload;
        WEFT_TRY(const auto id, producer->send(message, deadline));
        if (request.output_topic.empty()) return std::nullopt;
        WEFT_TRY(auto answer, watch.wait_for(topic, wire::to_base64(id), deadline));
        return std::optional(std::move(answer));
    }

  private:
    pulsar::Client& client_;
    std::atomic<std::uint64_t> calls_{0};
};

}  // namespace

std::unique_ptr<FunctionTrigger> make_pulsar_trigger(pulsar::Client& client) {
    return std::make_unique<PulsarTrigger>(client);
}

}  // namespace weft::worker
