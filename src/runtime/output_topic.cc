#include "runtime/output_topic.h"

#include <bit>
#include <cstring>

namespace weft::runtime {

std::uint32_t key_hash(std::string_view key) {
    constexpr std::uint32_t c1 = 0xcc9e2d51, c2 = 0x1b873593;
    std::uint32_t hash = 0;
    std::size_t i = 0;
    for (; i + 4 <= key.size(); i += 4) {
        std::uint32_t k;
        std::memcpy(&k, key.data() + i, 4);
        hash ^= std::rotl(k * c1, 15) * c2;
        hash = std::rotl(hash, 13) * 5 + 0xe6546b64;
    }
    std::uint32_t rest = 0;
    for (std::size_t b = key.size(); b > i; --b) rest = (rest << 8) | static_cast<std::uint8_t>(key[b - 1]);
    if (i < key.size()) hash ^= std::rotl(rest * c1, 15) * c2;
    hash ^= static_cast<std::uint32_t>(key.size());
    hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
    return (hash ^ (hash >> 16)) & 0x7fffffff;
}

Result<std::unique_ptr<OutputTopic>> OutputTopic::open(pulsar::Client& client, const Options& options,
                                                       std::shared_ptr<Settlement> settlement,
                                                       Deadline deadline) {
    WEFT_TRY(const std::uint32_t count, client.partitions_of(options.topic, deadline));
    std::unique_ptr<OutputTopic> output(new OutputTopic(options, std::move(settlement)));
    for (std::uint32_t i = 0; i < std::max(count, 1U); ++i) {
        pulsar::ProducerOptions producer;
        producer.topic = count == 0 ? options.topic : str_cat(options.topic, "-partition-", i);
        producer.compression = options.compression;
        // The record loop bounds what is under way; these bounds are a second line.
        producer.pending_messages_max = options.pending_messages_max.value_or(200'000);
        producer.pending_bytes_max = 256U << 20;
        producer.properties = options.properties;
        producer.schema = options.schema;
        producer.resend = options.resend;
        Partition partition;
        WEFT_TRY(partition.producer, client.create_producer(std::move(producer), deadline));
        output->partitions_.push_back(std::move(partition));
    }
    return output;
}

OutputTopic::Partition& OutputTopic::route(const wire::OutgoingMessage& message) {
    if (partitions_.size() == 1) return partitions_.front();
    const auto& key = message.ordering_key ? message.ordering_key : message.partition_key;
    return partitions_[key ? key_hash(*key) % partitions_.size() : next_partition_];
}

Result<> OutputTopic::add(std::uint32_t slot, std::uint32_t index, const wire::OutgoingMessage& message,
                          std::uint64_t token) {
    if (message.payload.size() > kMessageBytesMax) {
        return fail(ErrorCode::too_large, "an output of ", message.payload.size(), " bytes for ", topic_,
                    ": the limit is ", kMessageBytesMax);
    }
    Partition& partition = route(message);
    wire::BatchBuilder& builder = partition.builder;
    if (builder.num_messages() == kBatchMessagesMax ||
        (!builder.empty() && builder.size_bytes() + message.payload.size() > kBatchBytesMax)) {
        send(partition);
    }
    if (builder.empty()) {
        if (open_partitions_++ == 0) oldest_ = steady_now();
        // Ids for a whole batch, unless enough are left: gaps do no harm.
        if (partition.reserved_to - partition.next_sequence_id < kBatchMessagesMax) {
            partition.next_sequence_id = partition.producer->reserve_sequence_ids(kBatchMessagesMax);
            partition.reserved_to = partition.next_sequence_id + kBatchMessagesMax;
        }
    }
    Flight& flight = partition.flight;
    if (token != 0) flight.tokens.push_back({token, builder.num_messages()});
    builder.add(message, partition.next_sequence_id++);
    if (!flight.ranges.empty() && flight.ranges.back().slot == slot) {
        InputRange& last = flight.ranges.back();
        const std::uint32_t next = last.first + last.count;
        if (index + 1 == next) return {};  // another output of the same message
        if (index == next) {
            ++last.count;
            return {};
        }
    }
    settlement_->tracker().hold(slot);
    flight.ranges.push_back({slot, index, 1});
    return {};
}

void OutputTopic::flush() {
    for (Partition& partition : partitions_) {
        if (!partition.builder.empty()) send(partition);
    }
}

void OutputTopic::send(Partition& partition) {
    pulsar::Producer& producer = *partition.producer;
    auto flight =
        std::make_shared<Flight>(std::exchange(partition.flight, {}));  // shared: by attempts to send
    flight->num_messages = partition.builder.num_messages();
    wire::EntryHeader header;
    header.producer_name = producer.name();
    header.sequence_id = partition.next_sequence_id - flight->num_messages;
    header.publish_time_ms = wall_clock_ms();
    header.compression = compression_;
    const std::optional<std::string> schema_version = has_schema_ ? producer.schema_version() : std::nullopt;
    if (schema_version) header.schema_version = *schema_version;
    --open_partitions_;
    next_partition_ = (next_partition_ + 1) % partitions_.size();
    Result<Bytes> entry = partition.builder.seal(header);
    flight->bytes = entry ? entry->size() : 0;
    settlement_->sent(*flight);
    const auto finish = [settlement = settlement_, topic = topic_, flight](
                            const Result<wire::MessageId>& id) { settlement->receipt(topic, *flight, id); };
    if (!entry) {
        partition.builder.clear();
        finish(std::unexpected(std::move(entry).error()));
        return;
    }
    const Progress::Outside waiting(settlement_->progress());
    // Too much is under way: wait, for as long as the broker is away if need be.
    for (;;) {
        const Result<> sent = producer.send_entry(*entry, header.sequence_id, flight->num_messages, finish,
                                                  Deadline::after(1s));
        if (sent) return;
        if (sent.error().code == ErrorCode::deadline_exceeded && !settlement_->abandoned()) continue;
        finish(std::unexpected(sent.error()));
        if (sent.error().code != ErrorCode::too_large) settlement_->give_up(sent.error());
        return;
    }
}

Result<> OutputTopic::close(Deadline deadline) {
    for (Partition& partition : partitions_) WEFT_TRY_VOID(partition.producer->close(deadline));
    return {};
}

}  // namespace weft::runtime
