#pragma once
// OutputTopic: the messages on their way to one topic, collected into batches and sent as sealed entries. A
// batch goes out when it is full, and whenever the record loop says so; no timer.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pulsar/client.h"
#include "runtime/settlement.h"
#include "wire/entry.h"

namespace weft::runtime {

/// Bounds of a batch, before compression.
inline constexpr std::uint32_t kBatchMessagesMax = 1000;
inline constexpr std::size_t kBatchBytesMax = 512U << 10;
/// The largest message: Pulsar's 5 MiB, less room for its metadata.
inline constexpr std::size_t kMessageBytesMax = (5U << 20) - (16U << 10);

/// Function thread only.
class OutputTopic {
  public:
    struct Options {
        std::string topic;  // full name
        wire::Compression compression = wire::Compression::lz4;
        pulsar::Properties properties;
        std::optional<std::uint32_t> pending_messages_max = std::nullopt;
        std::optional<pulsar::SchemaInfo> schema = std::nullopt;
        pulsar::ProducerOptions::Resend resend = pulsar::ProducerOptions::Resend::on;
    };
    /// Makes the producers: one, or one for each partition.
    static Result<std::unique_ptr<OutputTopic>> open(pulsar::Client& client, const Options& options,
                                                     std::shared_ptr<Settlement> settlement,
                                                     Deadline deadline);

    /// Adds a message that came of message `index` of an open entry. May send a full batch, and then wait
    /// while too much is under way. The error is that of a message which can't be sent at all.
    Result<> add(std::uint32_t slot, std::uint32_t index, const wire::OutgoingMessage& message,
                 std::uint64_t token);
    /// Sends what was collected.
    void flush();
    bool empty() const { return open_partitions_ == 0; }
    /// When the first of the messages collected was added.
    SteadyTime oldest() const { return oldest_; }
    const std::string& topic() const { return topic_; }
    Result<> close(Deadline deadline);

  private:
    struct Partition {
        std::unique_ptr<pulsar::Producer> producer;
        wire::BatchBuilder builder;
        std::uint64_t next_sequence_id = 0, reserved_to = 0;
        Flight flight;
    };
    OutputTopic(const Options& options, std::shared_ptr<Settlement> settlement)
        : topic_(options.topic),
          compression_(options.compression),
          has_schema_(options.schema.has_value()),
          settlement_(std::move(settlement)) {}
    Partition& route(const wire::OutgoingMessage& message);
    void send(Partition& partition);

    const std::string topic_;
    const wire::Compression compression_;
    const bool has_schema_;
    // Shared with the receipts under way, which may come after this is gone.
    const std::shared_ptr<Settlement> settlement_;
    std::vector<Partition> partitions_;
    std::size_t next_partition_ = 0;  // round robin of messages without a key, batch by batch
    std::size_t open_partitions_ = 0;
    SteadyTime oldest_;
};

/// Murmur3 (32 bit, seed 0), without its sign bit: how Pulsar's clients choose the partition of a key.
std::uint32_t key_hash(std::string_view key);

}  // namespace weft::runtime
