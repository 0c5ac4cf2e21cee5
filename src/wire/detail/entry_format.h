#pragma once
// An entry's first bytes, and the numbers of the fields that are coded by hand (proto/PulsarApi.proto).

#include <cstddef>
#include <cstdint>

namespace weft::wire::detail {

// [magic 2][CRC32C 4][metadata size 4][metadata][payload]; the checksum covers what follows it. Numbers are
// big-endian.
inline constexpr unsigned char kMagic[2] = {0x0e, 0x01};
inline constexpr std::size_t kMagicBytes = 2;
inline constexpr std::size_t kChecksumBytes = 4;
inline constexpr std::size_t kSizeBytes = 4;
inline constexpr std::size_t kPrefixBytes = kMagicBytes + kChecksumBytes + kSizeBytes;

namespace key_value {
inline constexpr std::uint32_t kKey = 1, kValue = 2;
}

/// MessageMetadata
namespace entry_field {
inline constexpr std::uint32_t kProducerName = 1, kSequenceId = 2, kPublishTime = 3, kProperties = 4,
                               kReplicatedFrom = 5, kPartitionKey = 6, kCompression = 8,
                               kUncompressedSize = 9, kNumMessages = 11, kEventTime = 12,
                               kEncryptionKeys = 13, kSchemaVersion = 16, kPartitionKeyB64 = 17,
                               kOrderingKey = 18, kDeliverAt = 19, kMarkerType = 20, kHighestSequenceId = 24,
                               kNullValue = 25, kUuid = 26, kNumChunks = 27, kTotalChunkSize = 28,
                               kChunkId = 29;
}

/// SingleMessageMetadata
namespace message_field {
inline constexpr std::uint32_t kProperties = 1, kPartitionKey = 2, kPayloadSize = 3, kCompactedOut = 4,
                               kEventTime = 5, kPartitionKeyB64 = 6, kOrderingKey = 7, kSequenceId = 8,
                               kNullValue = 9;
}

}  // namespace weft::wire::detail
