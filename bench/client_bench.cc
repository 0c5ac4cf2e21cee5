// weft_client_bench --service-url URL [--messages N] [--size BYTES] [--batching on|off] [--compression C]
// [--queue N] [--batch N]
//
// What our client itself costs: sends N messages, then reads and acks them by whole entries, against the
// broker at the URL. Prints wall rates, and this process's own core time for each message (all threads, the
// kernel's part included).

#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "observe/log.h"
#include "pulsar/client.h"

namespace weft {
namespace {

struct Arguments {
    std::string service_url;
    std::uint64_t messages = 1'000'000;
    std::size_t size = 100;
    bool batching = true;
    wire::Compression compression = wire::Compression::none;
    std::uint32_t queue = 50'000;
    std::uint32_t batch = 1000;
    bool singly = false;  // receive() instead of receive_entries()
};

Result<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--service-url") {
            arguments.service_url = value;
        } else if (name == "--messages") {
            arguments.messages = std::strtoull(value.c_str(), nullptr, 10);
        } else if (name == "--size") {
            arguments.size = std::strtoull(value.c_str(), nullptr, 10);
        } else if (name == "--batching") {
            arguments.batching = value == "on";
        } else if (name == "--queue") {
            arguments.queue = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
        } else if (name == "--batch") {
            arguments.batch = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
        } else if (name == "--receive") {
            arguments.singly = value == "singly";
        } else if (name == "--compression") {
            WEFT_TRY(arguments.compression, wire::parse_compression(value));
        } else {
            return fail(ErrorCode::invalid_argument, "unknown: ", name);
        }
    }
    if (arguments.service_url.empty()) return fail(ErrorCode::invalid_argument, "--service-url is needed");
    return arguments;
}

struct Usage {
    SteadyTime wall;
    double core_seconds;

    static Usage now() {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
        };
        return {steady_now(), seconds(usage.ru_utime) + seconds(usage.ru_stime)};
    }
};

void report(const char* what, const Usage& from, std::uint64_t messages) {
    const Usage to = Usage::now();
    const double wall = std::chrono::duration<double>(to.wall - from.wall).count();
    std::printf("%-8s %9.0f msg/s   %7.3f core-us/msg\n", what, static_cast<double>(messages) / wall,
                (to.core_seconds - from.core_seconds) * 1e6 / static_cast<double>(messages));
}

Result<> send_all(pulsar::Client& client, const Arguments& arguments, const std::string& topic) {
    pulsar::ProducerOptions options;
    options.topic = topic;
    options.batching =
        arguments.batching ? pulsar::ProducerOptions::Batching::on : pulsar::ProducerOptions::Batching::off;
    options.compression = arguments.compression;
    options.batch_messages_max = arguments.batch;
    WEFT_TRY(auto producer, client.create_producer(options, Deadline::after(30s)));
    std::string payload(arguments.size, 'x');
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>('a' + i * 7 % 23);
    std::atomic<std::uint64_t> refused = 0;
    const auto begin = Usage::now();
    for (std::uint64_t i = 0; i < arguments.messages; ++i) {
        wire::OutgoingMessage message;
        message.payload = payload;
        WEFT_TRY_VOID(producer->send_async(
            message,
            [&refused](Result<pulsar::MessageId> id) {
                if (!id) ++refused;
            },
            Deadline::never()));
    }
    WEFT_TRY_VOID(producer->flush(Deadline::after(60s)));
    report("send", begin, arguments.messages);
    if (refused > 0) return fail(ErrorCode::internal, refused.load(), " messages were refused");
    return producer->close(Deadline::after(30s));
}

Result<> receive_all(pulsar::Consumer& consumer, const Arguments& arguments) {
    const auto begin = Usage::now();
    std::uint64_t seen = 0, bytes = 0, entries_seen = 0;
    std::vector<pulsar::MessageId> ids;
    while (seen < arguments.messages && arguments.singly) {
        WEFT_TRY(const auto message, consumer.receive(Deadline::after(30s)));
        consumer.acknowledge(message);
        bytes += message.payload.size();
        ++seen;
    }
    while (seen < arguments.messages) {
        WEFT_TRY(const auto entries, consumer.receive_entries(4U << 20, Deadline::after(30s)));
        ids.clear();
        for (const auto& entry : entries) {
            wire::MessageReader reader(entry.metadata, entry.payload.view());
            wire::MessageView view;
            while (true) {
                WEFT_TRY(const bool there, reader.next(view));
                if (!there) break;
                bytes += view.payload.size();
                ++seen;
            }
            ids.push_back(entry.id);
            ++entries_seen;
        }
        consumer.acknowledge(ids);
    }
    WEFT_TRY_VOID(consumer.flush_acks(Deadline::after(30s)));
    report("receive", begin, seen);
    std::printf("%llu entries, %llu bytes\n", static_cast<unsigned long long>(entries_seen),
                static_cast<unsigned long long>(bytes));
    if (bytes != arguments.messages * arguments.size)
        return fail(ErrorCode::internal, "wrong number of bytes");
    return {};
}

Result<> run(const Arguments& arguments) {
    pulsar::ClientOptions client_options;
    client_options.service_url = arguments.service_url;
    WEFT_TRY(auto client, pulsar::Client::create(client_options));
    const std::string topic = str_cat("persistent://public/default/client-bench-", wall_clock_ms());
    {
        pulsar::ConsumerOptions first;  // keeps the backlog
        first.topic = topic;
        first.subscription = "bench";
        WEFT_TRY_VOID(client->subscribe(first, Deadline::after(30s)));
    }
    WEFT_TRY_VOID(send_all(*client, arguments, topic));
    pulsar::ConsumerOptions options;
    options.topic = topic;
    options.subscription = "bench";
    options.receiver_queue_messages = arguments.queue;
    WEFT_TRY(auto consumer, client->subscribe(options, Deadline::after(30s)));
    return receive_all(*consumer, arguments);
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
    weft::observe::set_level(weft::observe::Level::warn);
    auto arguments = weft::parse(argc, argv);
    auto outcome = arguments ? weft::run(*arguments) : weft::Result<>(std::unexpected(arguments.error()));
    if (outcome) return 0;
    std::fprintf(stderr, "%s\n", outcome.error().message.c_str());
    return 1;
}
