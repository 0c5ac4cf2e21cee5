#include <algorithm>
#include <cstdio>
#include <thread>
#include <vector>

#include "load.h"
#include "pace.h"
#include "payload.h"
#include "pulsar/client.h"

namespace weft::bench {
namespace {
constexpr Duration kSetupLimit = 30s;
constexpr Duration kSilenceLimit = 30s;

/// What is known of each message, by its number: written while it runs, looked at when all is over.
struct Samples {
    explicit Samples(std::uint64_t count) : lateness_ns(count, 0), latency_ns(count, 0) {}
    std::vector<std::uint64_t> lateness_ns;  // from the intended time to the send; the sender's own
    std::vector<std::uint64_t> latency_ns;   // from the intended time to the output; 0: not come yet
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

/// Sends each message at its time.
Result<> send_on_schedule(pulsar::Producer& producer, const LatencyOptions& options,
                          std::vector<std::uint64_t>& lateness_ns) {
    PayloadWriter writer(options.size);
    const std::uint64_t begin = monotonic_ns() + 10'000'000;
    const double step_ns = 1e9 / options.rate;
    for (std::uint64_t n = 0; n < lateness_ns.size(); ++n) {
        const std::uint64_t intended = begin + static_cast<std::uint64_t>(static_cast<double>(n) * step_ns);
        const std::string_view payload = writer.write({intended, n});
        wait_until(intended);
        lateness_ns[n] = monotonic_ns() - intended;
        WEFT_TRY_VOID(producer.send_async({.payload = payload}, {}, Deadline::after(kSetupLimit)));
    }
    return producer.flush(Deadline::after(kSilenceLimit));
}

double at(const std::vector<double>& sorted, double quantile) {
    return sorted.empty()
               ? 0
               : sorted[static_cast<std::size_t>(quantile * static_cast<double>(sorted.size() - 1))];
}

std::vector<double> sorted_ms(std::vector<double> values) {
    std::ranges::sort(values);
    return values;
}

/// For a run that is void, so that it can be seen what was read.
std::vector<double> all_ms(const std::vector<std::uint64_t>& all_ns, std::uint64_t warmup) {
    std::vector<double> values;
    for (std::uint64_t n = warmup; n < all_ns.size(); ++n)
        values.push_back(static_cast<double>(all_ns[n]) / 1e6);
    return sorted_ms(std::move(values));
}

/// A measured stretch of time, second by second. A second in which more than one send in a thousand was late
/// tells of who held up the sender, so nothing of it counts but that it was so.
struct Seconds {
    std::size_t all = 0, punctual = 0;
    std::size_t sends = 0, late = 0;  // of all seconds
    std::vector<double> lateness_ms;  // of all seconds, sorted
    std::vector<double> latency_ms;   // of the punctual ones, or of all if there are none; sorted
};

Seconds second_by_second(const std::vector<std::uint64_t>& lateness_ns,
                         const std::vector<std::uint64_t>& latency_ns, std::uint64_t warmup, double rate) {
    Seconds result;
    const auto per_second = std::max<std::uint64_t>(static_cast<std::uint64_t>(rate), 1);
    for (std::uint64_t begin = warmup; begin < lateness_ns.size(); begin += per_second) {
        const std::uint64_t end = std::min<std::uint64_t>(begin + per_second, lateness_ns.size());
        std::size_t late = 0;
        for (std::uint64_t n = begin; n < end; ++n) {
            late += lateness_ns[n] > kLateNs ? 1 : 0;
            result.lateness_ms.push_back(static_cast<double>(lateness_ns[n]) / 1e6);
        }
        ++result.all;
        result.sends += end - begin;
        result.late += late;
        if (late * 1000 > end - begin) continue;
        ++result.punctual;
        for (std::uint64_t n = begin; n < end && !latency_ns.empty(); ++n)
            result.latency_ms.push_back(static_cast<double>(latency_ns[n]) / 1e6);
    }
    result.lateness_ms = sorted_ms(std::move(result.lateness_ms));
    result.latency_ms = result.punctual > 0 || latency_ns.empty() ? sorted_ms(std::move(result.latency_ms))
                                                                  : all_ms(latency_ns, warmup);
    return result;
}

void print(const Samples& samples, std::uint64_t warmup, double rate, bool has_precedence) {
    const Seconds found = second_by_second(samples.lateness_ns, samples.latency_ns, warmup, rate);
    const auto& latency = found.latency_ms;
    std::printf(
        "{\"messages\": %zu, \"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, "
        "\"max_ms\": %.4f, \"seconds\": %zu, \"punctual_seconds\": %zu, \"late_sends\": %zu, \"late_share\": "
        "%.6f, "
        "\"late_p99_ms\": %.4f, \"late_max_ms\": %.4f, \"precedence\": %d, \"duplicates\": %llu}\n",
        latency.size(), at(latency, 0.5), at(latency, 0.9), at(latency, 0.99), at(latency, 0.999),
        at(latency, 1.0), found.all, found.punctual, found.late,
        static_cast<double>(found.late) / static_cast<double>(found.sends), at(found.lateness_ms, 0.99),
        at(found.lateness_ms, 1.0), has_precedence ? 1 : 0,
        static_cast<unsigned long long>(samples.duplicates));
}
}  // namespace

Result<> measure_timer(const TimerOptions& options) {
    const auto count = static_cast<std::uint64_t>(options.rate * options.seconds);
    if (count == 0) return fail(ErrorCode::invalid_argument, "--seconds times --rate is less than one tick");
    const KeptAwake awake;
    const bool has_precedence = take_precedence();
    std::vector<std::uint64_t> lateness_ns;
    lateness_ns.reserve(count);
    const std::uint64_t begin = monotonic_ns() + 10'000'000;
    for (std::uint64_t n = 0; n < count; ++n) {
        const std::uint64_t intended =
            begin + static_cast<std::uint64_t>(static_cast<double>(n) * 1e9 / options.rate);
        wait_until(intended);
        lateness_ns.push_back(monotonic_ns() - intended);
    }
    const Seconds found = second_by_second(lateness_ns, {}, 0, options.rate);
    std::printf(
        "{\"ticks\": %zu, \"late_percent\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"seconds\": %zu, "
        "\"quiet_seconds\": %zu, \"precedence\": %d}\n",
        found.sends, 100 * static_cast<double>(found.late) / static_cast<double>(found.sends),
        at(found.lateness_ms, 0.99), at(found.lateness_ms, 1.0), found.all, found.punctual,
        has_precedence ? 1 : 0);
    return {};
}

Result<> measure_latency(const LatencyOptions& options) {
    const auto warmup = static_cast<std::uint64_t>(options.rate * options.warmup_seconds);
    const auto count = warmup + static_cast<std::uint64_t>(options.rate * options.seconds);
    if (count == warmup)
        return fail(ErrorCode::invalid_argument, "--seconds times --rate is less than one message");

    const KeptAwake awake;
    const bool has_precedence = take_precedence();  // the client's thread inherits it
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
    Samples samples(count);
    Result<> sent;
    std::thread sender([&] { sent = send_on_schedule(*producer, options, samples.lateness_ns); });
    const Result<> collected = collect(*consumer, options, samples);
    sender.join();
    WEFT_TRY_VOID(sent);
    WEFT_TRY_VOID(collected);
    print(samples, warmup, options.rate, has_precedence);
    WEFT_TRY_VOID(producer->close(Deadline::after(kSetupLimit)));
    return consumer->close(Deadline::after(kSetupLimit));
}

}  // namespace weft::bench
