#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <thread>
#include <vector>

#include "load.h"
#include "payload.h"
#include "pulsar/client.h"

namespace weft::bench {
namespace {
constexpr Duration kSetupLimit = 30s;
constexpr Duration kSilenceLimit = 30s;
constexpr std::uint64_t kLateNs = 200'000;  // a send that leaves so much after its time was held up by us

void sleep_until(std::uint64_t when_ns) {
    const timespec when{.tv_sec = static_cast<time_t>(when_ns / 1'000'000'000U),
                        .tv_nsec = static_cast<long>(when_ns % 1'000'000'000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {
    }
}

/// Latencies of one run, by number of the message.
struct Samples {
    std::vector<std::uint64_t> latency_ns;  // 0: not come yet
    std::uint64_t received = 0, duplicates = 0;
};

Result<> collect(pulsar::Consumer& consumer, const LatencyOptions& options, Samples& samples) {
    std::vector<wire::MessageId> acks;
    while (samples.received < samples.latency_ns.size()) {
        WEFT_TRY(const auto entries, consumer.receive_entries(1U << 20, Deadline::after(kSilenceLimit)));
        const std::uint64_t now = monotonic_ns();
        acks.clear();
        for (const pulsar::Entry& entry : entries) {
            acks.push_back(entry.id);
            wire::MessageReader reader(entry.metadata, entry.payload.view());
            wire::MessageView message;
            for (;;) {
                WEFT_TRY(const bool more, reader.next(message));
                if (!more) break;
                const auto stamp = read_payload(message.payload, options.size, options.suffix);
                if (!stamp || stamp->number >= samples.latency_ns.size())
                    return fail(ErrorCode::corrupt,
                                "not a payload that was sent: ", message.payload.substr(0, 120));
                std::uint64_t& latency = samples.latency_ns[stamp->number];
                if (latency != 0) {
                    ++samples.duplicates;
                    continue;
                }
                latency = std::max<std::uint64_t>(now - stamp->intended_ns, 1);
                ++samples.received;
            }
        }
        consumer.acknowledge(acks);
    }
    return {};
}

/// Sends each message at its time; returns how many left late.
Result<std::uint64_t> send_on_schedule(pulsar::Producer& producer, const LatencyOptions& options,
                                       std::uint64_t count) {
    prctl(PR_SET_TIMERSLACK, 1);
    PayloadWriter writer(options.size);
    const std::uint64_t begin = monotonic_ns() + 10'000'000;
    const double step_ns = 1e9 / options.rate;
    std::uint64_t late = 0;
    for (std::uint64_t n = 0; n < count; ++n) {
        const std::uint64_t intended = begin + static_cast<std::uint64_t>(static_cast<double>(n) * step_ns);
        sleep_until(intended);
        if (monotonic_ns() - intended > kLateNs) ++late;
        WEFT_TRY_VOID(
            producer.send_async({.payload = writer.write({intended, n})}, {}, Deadline::after(kSetupLimit)));
    }
    WEFT_TRY_VOID(producer.flush(Deadline::after(kSilenceLimit)));
    return late;
}

void print(const Samples& samples, std::uint64_t warmup, std::uint64_t late) {
    std::vector<std::uint64_t> sorted(samples.latency_ns.begin() + static_cast<std::ptrdiff_t>(warmup),
                                      samples.latency_ns.end());
    std::ranges::sort(sorted);
    const auto at = [&](double quantile) {
        const auto index = static_cast<std::size_t>(quantile * static_cast<double>(sorted.size() - 1));
        return static_cast<double>(sorted[index]) / 1e6;
    };
    std::printf(
        "{\"messages\": %zu, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, "
        "\"max_ms\": %.4f, \"late_sends\": %llu, \"duplicates\": %llu}\n",
        sorted.size(), at(0.5), at(0.9), at(0.99), at(0.999), at(1.0), static_cast<unsigned long long>(late),
        static_cast<unsigned long long>(samples.duplicates));
}
}  // namespace

Result<> measure_latency(const LatencyOptions& options) {
    const auto warmup = static_cast<std::uint64_t>(options.rate * options.warmup_seconds);
    const auto count = warmup + static_cast<std::uint64_t>(options.rate * options.seconds);
    if (count == warmup)
        return fail(ErrorCode::invalid_argument, "--seconds times --rate is less than one message");

    WEFT_TRY(auto client, pulsar::Client::create({.service_url = options.service_url}));
    pulsar::ConsumerOptions consumer_options;
    consumer_options.topic = options.output_topic;
    consumer_options.subscription = "weft-load";
    WEFT_TRY(auto consumer, client->subscribe(std::move(consumer_options), Deadline::after(kSetupLimit)));
    pulsar::ProducerOptions producer_options;
    producer_options.topic = options.input_topic;
    producer_options.schema = pulsar::SchemaInfo{kSchemaType, kSchemaType, "", {}};
    producer_options.pending_messages_max = 100'000;
    WEFT_TRY(auto producer,
             client->create_producer(std::move(producer_options), Deadline::after(kSetupLimit)));
    Samples samples{.latency_ns = std::vector<std::uint64_t>(count)};
    Result<std::uint64_t> late = 0;
    std::thread sender([&] { late = send_on_schedule(*producer, options, count); });
    const Result<> collected = collect(*consumer, options, samples);
    sender.join();
    if (!late) return std::unexpected(std::move(late).error());
    WEFT_TRY_VOID(collected);
    print(samples, warmup, *late);
    WEFT_TRY_VOID(producer->close(Deadline::after(kSetupLimit)));
    return consumer->close(Deadline::after(kSetupLimit));
}

}  // namespace weft::bench
