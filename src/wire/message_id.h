#pragma once
// MessageId: where a message stands in its topic (Pulsar protocol, MessageIdData).

#include <compare>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace weft::wire {

/// Ledger, entry, partition (-1: not partitioned) and, inside a batch, the index (-1: the whole entry).
struct MessageId {
    std::uint64_t ledger = 0;
    std::uint64_t entry = 0;
    std::int32_t partition = -1;
    std::int32_t batch_index = -1;

    auto operator<=>(const MessageId&) const = default;
    /// The end that a new subscription or a seek may name: before the first entry; after the last.
    static MessageId earliest() { return {~0ULL, ~0ULL, -1, -1}; }  // (-1, -1) on the wire
    static MessageId latest() { return {0x7fffffffffffffffULL, 0x7fffffffffffffffULL, -1, -1}; }
};

/// "ledger:entry:partition[:batch]", as Pulsar's tools print it.
std::string to_string(const MessageId& id);
/// The protobuf form (MessageIdData, `batch_size` only if > 0), as MessageId.toByteArray gives it in other
/// clients.
std::string serialize(const MessageId& id, std::int32_t batch_size = 0);
Result<MessageId> deserialize(std::string_view bytes);
/// Standard-alphabet Base64 of serialize(): the property `__pfn_input_msg_id__`.
std::string to_base64(const MessageId& id, std::int32_t batch_size = 0);

}  // namespace weft::wire
