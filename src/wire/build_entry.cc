#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "wire/detail/entry_format.h"
#include "wire/detail/proto_coding.h"
#include "wire/entry.h"

namespace weft::wire {
namespace {

using detail::bytes_size;
using detail::put_bytes;
using detail::put_number;

/// Room that is left before a batch, so that its head can be put there without moving the messages.
constexpr std::size_t kHeadroom = 160;
constexpr std::size_t kNumberBytesMax = 2 + detail::kVarintBytesMax;
constexpr std::size_t kBytesHeadMax = 2 + 5;  // tag and length

std::size_t properties_size_max(std::span<const Property> properties) {
    std::size_t size = 0;
    for (const Property& property : properties) {
        size += 3 * kBytesHeadMax + property.key.size() + property.value.size();
    }
    return size;
}

template <std::uint32_t Field>
char* put_properties(char* out, std::span<const Property> properties) {
    for (const Property& property : properties) {
        out = detail::put_length<Field>(out,
                                        bytes_size(property.key.size()) + bytes_size(property.value.size()));
        out = put_bytes<detail::key_value::kKey>(out, property.key);
        out = put_bytes<detail::key_value::kValue>(out, property.value);
    }
    return out;
}

std::size_t message_size_max(const OutgoingMessage& message) {
    return detail::kSizeBytes + 6 * kNumberBytesMax + 2 * kBytesHeadMax +
           properties_size_max(message.properties) +
           (message.partition_key ? message.partition_key->size() : 0) +
           (message.ordering_key ? message.ordering_key->size() : 0) + message.payload.size();
}

/// [size][SingleMessageMetadata][payload]
char* put_message(char* const begin, const OutgoingMessage& message, std::uint64_t sequence_id) {
    namespace field = detail::message_field;
    char* const metadata = begin + detail::kSizeBytes;
    char* out = put_properties<field::kProperties>(metadata, message.properties);
    if (message.partition_key) out = put_bytes<field::kPartitionKey>(out, *message.partition_key);
    out = put_number<field::kPayloadSize>(out, message.payload.size());
    if (message.event_time_ms != 0) out = put_number<field::kEventTime>(out, message.event_time_ms);
    if (message.partition_key_b64) out = put_number<field::kPartitionKeyB64>(out, 1);
    if (message.ordering_key) out = put_bytes<field::kOrderingKey>(out, *message.ordering_key);
    out = put_number<field::kSequenceId>(out, sequence_id);
    if (message.null_value) out = put_number<field::kNullValue>(out, 1);
    detail::put_big_endian(begin, static_cast<std::uint32_t>(out - metadata));
    return detail::put_raw(out, message.payload);
}

/// What the metadata says of the payload behind it.
struct PayloadFacts {
    std::size_t plain_size = 0;
    std::uint32_t num_messages = 0;  // 0: not a batch
    std::uint64_t highest_sequence_id = 0;
};

std::size_t metadata_size_max(const EntryHeader& header, const OutgoingMessage& single) {
    return 12 * kNumberBytesMax + 4 * kBytesHeadMax + header.producer_name.size() +
           (header.schema_version ? header.schema_version->size() : 0) + message_size_max(single) -
           single.payload.size();
}

/// MessageMetadata; `single` is empty for a batch.
char* put_metadata(char* out, const EntryHeader& header, const PayloadFacts& payload,
                   const OutgoingMessage& single) {
    namespace field = detail::entry_field;
    out = put_bytes<field::kProducerName>(out, header.producer_name);
    out = put_number<field::kSequenceId>(out, header.sequence_id);
    out = put_number<field::kPublishTime>(out, header.publish_time_ms);
    out = put_properties<field::kProperties>(out, single.properties);
    if (single.partition_key) out = put_bytes<field::kPartitionKey>(out, *single.partition_key);
    if (header.compression != Compression::none) {
        out = put_number<field::kCompression>(out, static_cast<std::uint64_t>(header.compression));
    }
    out = put_number<field::kUncompressedSize>(out, payload.plain_size);
    if (payload.num_messages != 0) out = put_number<field::kNumMessages>(out, payload.num_messages);
    if (single.event_time_ms != 0) out = put_number<field::kEventTime>(out, single.event_time_ms);
    if (header.schema_version) out = put_bytes<field::kSchemaVersion>(out, *header.schema_version);
    if (single.partition_key_b64) out = put_number<field::kPartitionKeyB64>(out, 1);
    if (single.ordering_key) out = put_bytes<field::kOrderingKey>(out, *single.ordering_key);
    if (header.deliver_at_ms && payload.num_messages == 0) {
        out = detail::put_signed<field::kDeliverAt>(out, *header.deliver_at_ms);
    }
    if (payload.num_messages > 1)
        out = put_number<field::kHighestSequenceId>(out, payload.highest_sequence_id);
    if (single.null_value) out = put_number<field::kNullValue>(out, 1);
    return out;
}

std::string encode_metadata(const EntryHeader& header, const PayloadFacts& payload,
                            const OutgoingMessage& single) {
    std::string metadata;
    metadata.resize_and_overwrite(metadata_size_max(header, single), [&](char* begin, std::size_t) {
        return put_metadata(begin, header, payload, single) - begin;
    });
    return metadata;
}

/// Puts everything before the payload, which stands already where this head ends.
void put_head(char* begin, std::string_view metadata, std::size_t payload_size) {
    std::memcpy(begin, detail::kMagic, detail::kMagicBytes);
    char* const checksum = begin + detail::kMagicBytes;
    char* const covered = checksum + detail::kChecksumBytes;
    detail::put_raw(detail::put_big_endian(covered, static_cast<std::uint32_t>(metadata.size())), metadata);
    detail::put_big_endian(checksum, crc32c({covered, detail::kSizeBytes + metadata.size() + payload_size}));
}

Bytes join(std::string_view metadata, std::string_view payload) {
    const std::size_t head_size = detail::kPrefixBytes + metadata.size();
    auto memory = std::make_shared_for_overwrite<char[]>(head_size + payload.size());
    char* const data = memory.get();
    detail::put_raw(data + head_size, payload);
    put_head(data, metadata, payload.size());
    return Bytes(std::move(memory), data, head_size + payload.size());
}

}  // namespace

std::size_t BatchBuilder::size_bytes() const { return buffer_.empty() ? 0 : buffer_.size() - kHeadroom; }

std::size_t BatchBuilder::add(const OutgoingMessage& message, std::uint64_t sequence_id) {
    if (num_messages_ == 0) {
        buffer_.reserve(size_hint_);
        buffer_.resize(kHeadroom);
    }
    const std::size_t before = buffer_.size();
    buffer_.resize_and_overwrite(before + message_size_max(message), [&](char* data, std::size_t) {
        return put_message(data + before, message, sequence_id) - data;
    });
    ++num_messages_;
    last_sequence_id_ = sequence_id;
    return buffer_.size() - before;
}

Result<Bytes> BatchBuilder::seal(const EntryHeader& header) {
    WEFT_CHECK(num_messages_ > 0, "seal() of an empty batch");
    const std::string_view payload = std::string_view(buffer_).substr(kHeadroom);
    const PayloadFacts facts = {payload.size(), num_messages_, last_sequence_id_};
    const std::string metadata = encode_metadata(header, facts, OutgoingMessage{});
    if (header.compression != Compression::none) {
        WEFT_TRY(const Bytes packed, compress(header.compression, Bytes::literal(payload)));
        Bytes entry = join(metadata, packed.view());
        clear();
        return entry;
    }
    const std::size_t head_size = detail::kPrefixBytes + metadata.size();
    if (head_size > kHeadroom) {
        Bytes entry = join(metadata, payload);
        clear();
        return entry;
    }
    put_head(buffer_.data() + kHeadroom - head_size, metadata, payload.size());
    size_hint_ = buffer_.size();
    Bytes entry = Bytes::from(std::move(buffer_)).slice(kHeadroom - head_size);
    clear();
    return entry;
}

void BatchBuilder::clear() {
    buffer_.clear();
    num_messages_ = 0;
}

Result<Bytes> encode_single(const OutgoingMessage& message, const EntryHeader& header) {
    const std::string metadata = encode_metadata(header, {.plain_size = message.payload.size()}, message);
    if (header.compression == Compression::none) return join(metadata, message.payload);
    WEFT_TRY(const Bytes packed, compress(header.compression, Bytes::literal(message.payload)));
    return join(metadata, packed.view());
}

}  // namespace weft::wire
