#include "worker/pulsar_topics.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "pulsar/reader.h"

namespace weft::worker {
namespace {

constexpr Duration kActivePatience =
    500ms;  // how long a fresh member waits to be told whether it is the active one

/// Receipts of one append: the pulsar client's loop counts them in, the caller waits.
class Receipts {
  public:
    explicit Receipts(std::size_t expected) : missing_(expected) {}
    void count(const Result<wire::MessageId>& receipt) {
        const std::lock_guard lock(mutex_);
        if (!receipt && !error_) error_ = receipt.error();
        --missing_;
        arrived_.notify_all();
    }
    void forgo(Error error) {  // one that will not come
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::move(error);
        --missing_;
    }
    Result<> wait(Deadline deadline) {
        std::unique_lock lock(mutex_);
        if (!arrived_.wait_until(lock, deadline.time(), [this] { return missing_ == 0; })) {
            return fail(ErrorCode::unknown_outcome, "no receipt from the broker in time");
        }
        if (error_) return std::unexpected(*error_);
        return {};
    }

  private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::size_t missing_;
    std::optional<Error> error_;
};

class PulsarWriter final : public TopicWriter {
  public:
    explicit PulsarWriter(std::unique_ptr<pulsar::Producer> producer) : producer_(std::move(producer)) {}

    Result<> append(std::span<const Record> records, Deadline deadline) override {
        const auto receipts =
            std::make_shared<Receipts>(records.size());  // shared with receipts that come after the deadline
        for (const Record& record : records) {
            std::vector<wire::Property> properties;
            for (const auto& [key, value] : record.properties) properties.push_back({key, value});
            wire::OutgoingMessage message;
            message.payload = record.payload;
            message.properties = properties;
            if (!record.key.empty()) message.partition_key = record.key;
            auto sent = producer_->send_async(
                message, [receipts](const Result<wire::MessageId>& receipt) { receipts->count(receipt); },
                deadline);
            if (!sent) receipts->forgo(std::move(sent).error());
        }
        return receipts->wait(deadline);
    }

  private:
    const std::unique_ptr<pulsar::Producer> producer_;
};

class PulsarReader final : public TopicReader {
  public:
    PulsarReader(std::unique_ptr<pulsar::Reader> reader, wire::MessageId position)
        : reader_(std::move(reader)), position_(position) {}

    Result<> take_arrived(const Take& take, Deadline) override {
        while (true) {  // what has arrived is not waited for
            const auto done = read(take, Deadline::after(0s));
            if (done) continue;
            return done.error().code == ErrorCode::deadline_exceeded ? Result<>{} : done;
        }
    }
    Result<> catch_up(const Take& take, Deadline deadline) override {
        while (true) {
            WEFT_TRY(const bool more, reader_->has_message_available(deadline));
            if (!more) return {};
            WEFT_TRY_VOID(read(take, deadline));
        }
    }
    wire::MessageId position() const override { return position_; }

  private:
    Result<> read(const Take& take, Deadline deadline) {
        WEFT_TRY(pulsar::Message message, reader_->read_next(deadline));
        position_ = message.id;
        take({message.key.value_or(""), std::move(message.payload), std::move(message.properties)});
        return {};
    }

    const std::unique_ptr<pulsar::Reader> reader_;
    wire::MessageId position_;
};

class PulsarMembership final : public Membership {
  public:
    PulsarMembership(std::unique_ptr<pulsar::Consumer> consumer, std::function<void()> changed)
        : changed_(std::move(changed)), consumer_(std::move(consumer)) {
        consumer_->on_active_change([this](bool) {
            {
                const std::lock_guard lock(mutex_);
                told_ = true;
                arrived_.notify_all();
            }
            changed_();
        });
    }
    bool is_leader() const override { return consumer_->is_active().value_or(false); }

    /// Waits until the broker has said whether this one is active.
    void wait_until_told(Deadline deadline) {
        std::unique_lock lock(mutex_);
        arrived_.wait_until(lock, deadline.time(),
                            [this] { return told_ || consumer_->is_active().has_value(); });
    }

  private:
    const std::function<void()> changed_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    bool told_ = false;
    const std::unique_ptr<pulsar::Consumer> consumer_;  // last: its callback uses what stands above
};

class PulsarTopics final : public InternalTopics {
  public:
    PulsarTopics(pulsar::Client& client, OwnRest rest) : client_(client), rest_(rest) {}

    Result<std::unique_ptr<TopicReader>> open_reader(const std::string& topic, const std::string& name,
                                                     ReaderStart start, std::function<void()> arrived,
                                                     Deadline deadline) override {
        pulsar::ReaderOptions options;
        options.topic = topic;
        options.start = start.after;
        options.read_compacted = start.compacted;
        options.name = name;
        WEFT_TRY(auto reader, pulsar::Reader::create(client_, std::move(options), deadline));
        reader->on_arrival(std::move(arrived));
        return std::make_unique<PulsarReader>(std::move(reader), start.after);
    }

    Result<std::unique_ptr<TopicWriter>> open_writer(const std::string& topic, const std::string& producer,
                                                     Deadline deadline) override {
        pulsar::ProducerOptions options;
        options.topic = topic;
        options.name = producer;
        options.access = pulsar::ProducerOptions::Access::exclusive;
        options.compression = wire::Compression::lz4;
        options.batching = pulsar::ProducerOptions::Batching::off;
        WEFT_TRY(auto opened, client_.create_producer(std::move(options), deadline));
        return std::make_unique<PulsarWriter>(std::move(opened));
    }

    Result<std::unique_ptr<Membership>> join(const std::string& topic, const std::string& participant,
                                             std::function<void()> changed, Deadline deadline) override {
        pulsar::ConsumerOptions options;
        options.topic = topic;
        options.subscription = kParticipants;
        options.type = pulsar::SubscriptionType::failover;
        options.initial_position = pulsar::InitialPosition::earliest;
        options.name = participant;
        const std::string_view weft = rest_ == OwnRest::tls ? kWeftTls : "true";
        options.properties = {{"id", participant},
                              {std::string(kWeftProperty), std::string(weft)},
                              {std::string(kLifeProperty), life_}};
        WEFT_TRY(auto consumer, client_.subscribe(std::move(options), deadline));
        auto membership = std::make_unique<PulsarMembership>(std::move(consumer), std::move(changed));
        membership->wait_until_told(deadline.at_most(kActivePatience));
        return membership;
    }

  private:
    pulsar::Client& client_;
    const OwnRest rest_;
    const std::string life_ = str_cat(getpid(), "-", wall_clock_ms());
};

}  // namespace

std::unique_ptr<InternalTopics> make_pulsar_topics(pulsar::Client& client, OwnRest rest) {
    return std::make_unique<PulsarTopics>(client, rest);
}

}  // namespace weft::worker
