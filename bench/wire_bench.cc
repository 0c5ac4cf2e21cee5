// What the wire module costs per message and per byte. `time/message` is what counts: 1000 messages an entry,
// 100 bytes each.

#include <benchmark/benchmark.h>

#include "base/crc32c.h"
#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

constexpr std::uint64_t kMessages = 1000;
const std::string kPayload(100, 'x');
const Property kProperties[] = {{"carrier", "UA"}, {"destination", "IAH"}};
constexpr std::uint64_t kFirstSequenceId = 5'000'000;

void per_message(benchmark::State& state) {
    state.counters["time/message"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * kMessages,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

EntryHeader header_of(Compression codec) {
    EntryHeader header;
    header.producer_name = "standalone-0-1";
    header.sequence_id = kFirstSequenceId;
    header.publish_time_ms = 1'700'000'000'000;
    header.compression = codec;
    return header;
}

void fill(BatchBuilder& builder, std::span<const Property> properties) {
    OutgoingMessage message;
    message.payload = kPayload;
    message.properties = properties;
    for (std::uint64_t i = 0; i < kMessages; ++i) builder.add(message, kFirstSequenceId + i);
}

void build_batch(benchmark::State& state) {
    const auto properties = std::span(kProperties).first(static_cast<std::size_t>(state.range(0)));
    BatchBuilder builder;
    for (auto _ : state) {
        fill(builder, properties);
        benchmark::DoNotOptimize(builder.seal(header_of(Compression::none)));
    }
    per_message(state);
}
BENCHMARK(build_batch)->ArgName("properties")->Arg(0)->Arg(2);

void read_batch(benchmark::State& state) {
    BatchBuilder builder;
    fill(builder, std::span(kProperties).first(static_cast<std::size_t>(state.range(0))));
    const Bytes entry = *builder.seal(header_of(Compression::none));
    for (auto _ : state) {
        const auto view = read_entry(entry);
        MessageReader reader(view->metadata, view->payload.view());
        MessageView message;
        std::size_t bytes = 0;
        while (*reader.next(message)) bytes += message.payload.size() + message.properties.size();
        benchmark::DoNotOptimize(bytes);
    }
    per_message(state);
}
BENCHMARK(read_batch)->ArgName("properties")->Arg(0)->Arg(2);

void seal_compressed(benchmark::State& state) {
    const auto codec = static_cast<Compression>(state.range(0));
    state.SetLabel(std::string(name_of(codec)));
    BatchBuilder builder;
    for (auto _ : state) {
        fill(builder, kProperties);
        benchmark::DoNotOptimize(builder.seal(header_of(codec)));
    }
    per_message(state);
}
BENCHMARK(seal_compressed)->DenseRange(1, 4);

void encode_one(benchmark::State& state) {
    OutgoingMessage message;
    message.payload = kPayload;
    message.properties = kProperties;
    const EntryHeader header = header_of(Compression::none);
    for (auto _ : state) benchmark::DoNotOptimize(encode_single(message, header));
}
BENCHMARK(encode_one);

void head_of_message(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(encode_message_head(1, {3, 70'000, -1, -1}, 0, {}, 1000));
}
BENCHMARK(head_of_message);

void decode_send(benchmark::State& state) {
    const Bytes frame = encode_send_head(1, kFirstSequenceId, 1000, 0).slice(4);
    proto::BaseCommand command;
    for (auto _ : state) benchmark::DoNotOptimize(decode_frame(frame, command));
}
BENCHMARK(decode_send);

void checksum(benchmark::State& state) {
    const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
    for (auto _ : state) benchmark::DoNotOptimize(crc32c(data));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(100)->Arg(1'000)->Arg(130'000);

}  // namespace
}  // namespace weft::wire
