// weft_load: the load generator of the benchmarks, on our own client; the same program for every broker.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "load.h"
#include "payload.h"

int main(int argc, char** argv) {
    using namespace weft::bench;
    CLI::App app(
        "Load generator for Pulsar brokers: fills topics, drains and checks them, measures latency, the "
        "disk and the timer",
        "weft_load");
    app.require_subcommand(1);
    const auto size_range = CLI::Range(kPayloadBytesMin, std::size_t{1} << 20);

    FillOptions fill_options;
    auto* fill_command = app.add_subcommand("fill", "store numbered messages, as fast as they are taken");
    fill_command->add_option("--service-url", fill_options.service_url)->required();
    fill_command->add_option("--topic", fill_options.topic)->required();
    fill_command->add_option("--count", fill_options.count)->required()->check(CLI::PositiveNumber);
    fill_command->add_option("--size", fill_options.size)->check(size_range);
    fill_command->add_option("--batch-messages", fill_options.batch_messages_max)->check(CLI::PositiveNumber);

    fill_command->add_option("--pending", fill_options.pending_messages_max)->check(CLI::PositiveNumber);
    fill_command->add_option("--mark-every", fill_options.mark_every);

    DrainOptions drain_options;
    auto* drain_command = app.add_subcommand("drain", "read numbered messages and check every byte");
    drain_command->add_option("--service-url", drain_options.service_url)->required();
    drain_command->add_option("--topic", drain_options.topic)->required();
    drain_command->add_option("--count", drain_options.count)->required()->check(CLI::PositiveNumber);
    drain_command->add_option("--size", drain_options.size)->check(size_range);
    drain_command->add_option("--suffix", drain_options.suffix);
    drain_command->add_option("--mark-every", drain_options.mark_every);
    drain_command->add_option("--timeout", drain_options.timeout_seconds)->check(CLI::PositiveNumber);

    TopicsOptions topics_options;
    auto* topics_command = app.add_subcommand("topics", "make many topics with a message each");
    topics_command->add_option("--service-url", topics_options.service_url)->required();
    topics_command->add_option("--prefix", topics_options.prefix)->required();
    topics_command->add_option("--count", topics_options.count)->required()->check(CLI::PositiveNumber);
    topics_command->add_option("--size", topics_options.size)->check(size_range);

    DiskOptions disk_options;
    auto* disk_command = app.add_subcommand("disk", "measure what a durable write costs on the disk");
    disk_command->add_option("--directory", disk_options.directory)
        ->required()
        ->check(CLI::ExistingDirectory);
    disk_command->add_option("--rate", disk_options.rate)->check(CLI::PositiveNumber);
    disk_command->add_option("--seconds", disk_options.seconds)->check(CLI::PositiveNumber);
    disk_command->add_option("--size", disk_options.size)->check(CLI::PositiveNumber);

    TimerOptions timer_options;
    auto* timer_command =
        app.add_subcommand("timer", "measure how punctual this machine is with nothing to do");
    timer_command->add_option("--rate", timer_options.rate)->check(CLI::PositiveNumber);
    timer_command->add_option("--seconds", timer_options.seconds)->check(CLI::PositiveNumber);

    LatencyOptions latency_options;
    auto* latency_command =
        app.add_subcommand("latency", "send at a rate and time what a function made of it");
    latency_command->add_option("--service-url", latency_options.service_url)->required();
    latency_command->add_option("--in", latency_options.input_topic)->required();
    latency_command->add_option("--out", latency_options.output_topic)->required();
    latency_command->add_option("--rate", latency_options.rate)->check(CLI::PositiveNumber);
    latency_command->add_option("--seconds", latency_options.seconds)->check(CLI::PositiveNumber);
    latency_command->add_option("--warmup-seconds", latency_options.warmup_seconds)
        ->check(CLI::NonNegativeNumber);
    latency_command->add_option("--size", latency_options.size)->check(size_range);
    latency_command->add_option("--suffix", latency_options.suffix);
    CLI11_PARSE(app, argc, argv);

    const weft::Result<> done = fill_command->parsed()     ? fill(fill_options)
                                : drain_command->parsed()  ? drain(drain_options)
                                : topics_command->parsed() ? make_topics(topics_options)
                                : disk_command->parsed()   ? measure_disk(disk_options)
                                : timer_command->parsed()  ? measure_timer(timer_options)
                                                           : measure_latency(latency_options);
    if (done) return 0;
    std::fprintf(stderr, "weft_load: %s\n", done.error().message.c_str());
    return 1;
}
