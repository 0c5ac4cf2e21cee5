#pragma once
// What weft_load can do: fill a topic, drain and check one, make many, measure latency through a function;
// all against any Pulsar broker; and measure the disk, and the timer, that they all stand on.

#include <cstdint>
#include <string>

#include "base/result.h"
#include "wire/compression.h"

namespace weft::bench {

/// Messages are strings in Pulsar's eyes too: a Java function of strings refuses a topic of plain bytes.
inline constexpr const char* kSchemaType = "STRING";

struct FillOptions {
    std::string service_url, topic;
    std::uint64_t count = 0, mark_every = 0;
    std::uint32_t size = 100, batch_messages_max = 1000, batch_bytes_max = 128U << 10;
    std::uint32_t pending_messages_max = 50'000;
};
/// Stores `count` numbered messages as fast as the broker takes them; with batches of 1 each is an entry of
/// its own. Prints `mark N` when each mark_every-th message is stored, then one JSON object.
Result<> fill(const FillOptions& options);

struct DrainOptions {
    std::string service_url, topic;
    std::uint64_t count = 0, mark_every = 0;
    std::uint32_t size = 100, receiver_queue_messages = 10'000;
    double timeout_seconds = 120;  // without a single message
    std::string suffix = "!";
};
/// Reads until each of the numbers 0 to count-1 has come, checking every byte. Prints `mark N` (a line, at
/// once) when the first and each further mark_every-th message has come, then one JSON object. Fails if
/// something is missing or wrong.
Result<> drain(const DrainOptions& options);

struct TopicsOptions {
    std::string service_url, prefix;
    std::uint32_t count = 0, size = 100;
};
/// Makes the topics PREFIX0, PREFIX1, ... with one message each (number 0). Prints one JSON object.
Result<> make_topics(const TopicsOptions& options);

struct DiskOptions {
    std::string directory;
    double rate = 1000, seconds = 2;
    std::uint32_t size = 4096;
};
/// The floor below every durable receipt: writes `size` bytes and waits for fdatasync, `rate` times a second
/// (or as often as the disk does), in a file that is gone afterwards. Prints one JSON object.
Result<> measure_disk(const DiskOptions& options);

struct TimerOptions {
    double rate = 1000, seconds = 2;
};
/// How punctual this machine is with nothing to do: a real-time thread wakes up `rate` times a second, as the
/// sender of measure_latency() does, and sends nothing. What is late here no broker has caused. Prints one
/// JSON object.
Result<> measure_timer(const TimerOptions& options);

struct LatencyOptions {
    std::string service_url, input_topic, output_topic;
    double rate = 1000, seconds = 20, warmup_seconds = 10;
    std::uint32_t size = 1024;
    std::string suffix = "!";
};
/// Sends at `rate`, each message at its own time, drawn beforehand and never waiting for an answer, and reads
/// what a function made of it. Latency counts from the intended time. Only seconds in which at most one send
/// in a thousand was more than 200 µs late are in the figures. Prints one JSON object.
Result<> measure_latency(const LatencyOptions& options);

}  // namespace weft::bench
