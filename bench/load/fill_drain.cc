#include <atomic>
#include <cstdio>
#include <memory>
#include <vector>

#include "load.h"
#include "pace.h"
#include "payload.h"
#include "pulsar/client.h"

namespace weft::bench {
namespace {
constexpr Duration kSetupLimit = 30s;
constexpr Duration kStoreLimit = 300s;
constexpr std::size_t kReceiveBytes = 1U << 20;

pulsar::SchemaInfo string_schema() { return {kSchemaType, kSchemaType, "", {}}; }

void print_mark(std::uint64_t messages) {
    std::printf("mark %llu\n", static_cast<unsigned long long>(messages));
    std::fflush(stdout);
}

double seconds_since(std::uint64_t begin_ns) { return static_cast<double>(monotonic_ns() - begin_ns) / 1e9; }

/// Which numbers have come, and what was wrong with the rest.
class Checker {
  public:
    Checker(const DrainOptions& options) : options_(options), seen_(options.count, false) {}

    Result<> add(std::string_view payload) {
        const auto stamp = read_payload(payload, options_.size, options_.suffix);
        if (!stamp || stamp->number >= options_.count)
            return fail(ErrorCode::corrupt, "not a payload that was sent: ", payload.substr(0, 120));
        if (stamp->number < next_) ++out_of_order_;
        next_ = stamp->number + 1;
        if (seen_[stamp->number]) {
            ++duplicates_;
        } else {
            seen_[stamp->number] = true;
            ++distinct_;
        }
        return {};
    }
    bool complete() const { return distinct_ == options_.count; }
    std::uint64_t distinct() const { return distinct_; }
    std::uint64_t duplicates() const { return duplicates_; }
    std::uint64_t out_of_order() const { return out_of_order_; }

  private:
    const DrainOptions& options_;
    std::vector<bool> seen_;
    std::uint64_t next_ = 0, distinct_ = 0, duplicates_ = 0, out_of_order_ = 0;
};

Result<> check_entry(const pulsar::Entry& entry, Checker& checker) {
    wire::MessageReader reader(entry.metadata, entry.payload.view());
    wire::MessageView message;
    for (;;) {
        WEFT_TRY(const bool more, reader.next(message));
        if (!more) return {};
        WEFT_TRY_VOID(checker.add(message.payload));
    }
}
}  // namespace

Result<> fill(const FillOptions& options) {
    WEFT_TRY(auto client, pulsar::Client::create({.service_url = options.service_url}));
    pulsar::ProducerOptions producer_options;
    producer_options.topic = options.topic;
    if (options.batch_messages_max == 1) producer_options.batching = pulsar::ProducerOptions::Batching::off;
    producer_options.batch_messages_max = options.batch_messages_max;
    producer_options.batch_bytes_max = options.batch_bytes_max;
    producer_options.schema = string_schema();
    producer_options.pending_messages_max = options.pending_messages_max;
    WEFT_TRY(auto producer,
             client->create_producer(std::move(producer_options), Deadline::after(kSetupLimit)));
    PayloadWriter writer(options.size);
    const std::uint64_t begin = monotonic_ns();
    const Deadline deadline = Deadline::after(kStoreLimit);
    const std::uint64_t mark_every = options.mark_every == 0 ? options.count : options.mark_every;
    std::uint64_t next_mark = mark_every;
    for (std::uint64_t n = 0; n < options.count; ++n) {
        pulsar::Producer::Receipt receipt;
        if (n + 1 == next_mark) {
            receipt = [mark = next_mark](const Result<wire::MessageId>& stored) {
                if (stored) print_mark(mark);
            };
            next_mark += mark_every;
        }
        WEFT_TRY_VOID(
            producer->send_async({.payload = writer.write({begin, n})}, std::move(receipt), deadline));
    }
    WEFT_TRY_VOID(producer->flush(deadline));
    const double seconds = seconds_since(begin);
    WEFT_TRY_VOID(producer->close(Deadline::after(kSetupLimit)));
    std::printf("{\"messages\": %llu, \"seconds\": %.4f}\n", static_cast<unsigned long long>(options.count),
                seconds);
    return {};
}

Result<> make_topics(const TopicsOptions& options) {
    WEFT_TRY(auto client, pulsar::Client::create({.service_url = options.service_url}));
    PayloadWriter writer(options.size);
    const std::uint64_t begin = monotonic_ns();
    for (std::uint32_t n = 0; n < options.count; ++n) {
        pulsar::ProducerOptions producer_options;
        producer_options.topic = str_cat(options.prefix, n);
        producer_options.schema = string_schema();
        const Deadline deadline = Deadline::after(kSetupLimit);
        WEFT_TRY(auto producer, client->create_producer(std::move(producer_options), deadline));
        WEFT_TRY_VOID(producer->send({.payload = writer.write({begin, 0})}, deadline));
        WEFT_TRY_VOID(producer->close(deadline));
    }
    std::printf("{\"topics\": %u, \"seconds\": %.4f}\n", options.count, seconds_since(begin));
    return {};
}

Result<> drain(const DrainOptions& options) {
    WEFT_TRY(auto client, pulsar::Client::create({.service_url = options.service_url}));
    pulsar::ConsumerOptions consumer_options;
    consumer_options.topic = options.topic;
    consumer_options.subscription = "weft-load";
    consumer_options.initial_position = pulsar::InitialPosition::earliest;
    consumer_options.receiver_queue_messages = options.receiver_queue_messages;
    WEFT_TRY(auto consumer, client->subscribe(std::move(consumer_options), Deadline::after(kSetupLimit)));
    Checker checker(options);
    std::vector<wire::MessageId> acks;
    std::uint64_t next_mark = 1, first_ns = 0;
    const auto silence =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.timeout_seconds));
    std::puts("ready");
    std::fflush(stdout);
    while (!checker.complete()) {
        auto entries = consumer->receive_entries(kReceiveBytes, Deadline::after(silence));
        if (!entries) {
            return std::unexpected(std::move(entries).error().context(
                str_cat(checker.distinct(), " of ", options.count, " messages came")));
        }
        if (first_ns == 0) first_ns = monotonic_ns();
        acks.clear();
        for (const pulsar::Entry& entry : *entries) {
            WEFT_TRY_VOID(check_entry(entry, checker));
            acks.push_back(entry.id);
            if (checker.distinct() < next_mark && !checker.complete()) continue;
            print_mark(checker.distinct());
            next_mark = options.mark_every == 0
                            ? options.count
                            : (checker.distinct() / options.mark_every + 1) * options.mark_every;
        }
        consumer->acknowledge(acks);
    }
    const double seconds = seconds_since(first_ns);
    WEFT_TRY_VOID(consumer->flush_acks(Deadline::after(kSetupLimit)));
    std::printf("{\"messages\": %llu, \"seconds\": %.4f, \"duplicates\": %llu, \"out_of_order\": %llu}\n",
                static_cast<unsigned long long>(options.count), seconds,
                static_cast<unsigned long long>(checker.duplicates()),
                static_cast<unsigned long long>(checker.out_of_order()));
    return consumer->close(Deadline::after(kSetupLimit));
}

}  // namespace weft::bench
