#pragma once
// Frames of Pulsar's binary protocol: [command size][command], and for SEND and MESSAGE an entry behind it.
// An *entry* is what a producer stores and a consumer gets, unchanged: [0x0e01][CRC32C][metadata
// size][metadata][payload]. The length prefix of the whole frame is put on here when writing; FrameChannel
// has taken it off when reading.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/message_id.h"

namespace pulsar::proto {
class BaseCommand;  // generated from wire/proto/PulsarApi.proto (package pulsar.proto)
}

namespace weft::wire {

namespace proto = ::pulsar::proto;

/// Splits a frame (without length prefix): parses the command, and gives the entry behind it (empty if there
/// is none).
Result<Bytes> decode_frame(const Bytes& frame, proto::BaseCommand& command);

/// A whole frame of a command with nothing behind it.
Bytes encode_command(const proto::BaseCommand& command);
/// The first piece of a frame of a command and an entry of `entry_size` bytes; the caller writes {piece,
/// entry}.
Bytes encode_command_head(const proto::BaseCommand& command, std::size_t entry_size);

// The commands of the hot path, without protobuf objects. Each returns a whole frame or, for those with an
// entry, its head. highest_sequence_id: of the last message of a batch; 0: not sent (what deduplication of a
// batch goes by).
Bytes encode_send_head(std::uint64_t producer_id, std::uint64_t sequence_id, std::uint32_t num_messages,
                       std::size_t entry_size, std::uint64_t highest_sequence_id = 0);
Bytes encode_send_receipt(std::uint64_t producer_id, std::uint64_t sequence_id, const MessageId& id,
                          std::uint64_t highest_sequence_id = 0);
Bytes encode_message_head(std::uint64_t consumer_id, const MessageId& id, std::uint32_t redelivery_count,
                          std::span<const std::int64_t> ack_set, std::size_t entry_size);
Bytes encode_flow(std::uint64_t consumer_id, std::uint32_t permits);

}  // namespace weft::wire
