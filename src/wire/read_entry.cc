#include <cstring>

#include "base/crc32c.h"
#include "wire/detail/entry_format.h"
#include "wire/detail/proto_coding.h"
#include "wire/entry.h"

namespace weft::wire {
namespace {

using detail::FieldReader;

constexpr std::uint32_t number_tag(std::uint32_t field) {
    return detail::tag_of(field, detail::WireType::varint);
}
constexpr std::uint32_t bytes_tag(std::uint32_t field) {
    return detail::tag_of(field, detail::WireType::bytes);
}

bool read_property_of_any_form(std::string_view bytes, Property& property) {
    bool has_key = false;
    bool has_value = false;
    FieldReader fields(bytes);
    while (fields.next()) {
        if (fields.tag() == bytes_tag(detail::key_value::kKey)) {
            property.key = fields.bytes();
            has_key = true;
        } else if (fields.tag() == bytes_tag(detail::key_value::kValue)) {
            property.value = fields.bytes();
            has_value = true;
        }
    }
    return !fields.malformed() && has_key && has_value;
}

/// The form nearly all have: a key and a value, in this order and both below 128 bytes.
bool read_property(std::string_view bytes, Property& property) {
    constexpr std::size_t kHead = 2;  // tag and length
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    if (bytes.size() >= 2 * kHead && byte(0) == bytes_tag(detail::key_value::kKey)) {
        const std::size_t key_size = byte(1);
        if (key_size < 0x80 && 2 * kHead + key_size <= bytes.size() &&
            byte(kHead + key_size) == bytes_tag(detail::key_value::kValue)) {
            const std::size_t value_size = byte(kHead + key_size + 1);
            if (value_size < 0x80 && 2 * kHead + key_size + value_size == bytes.size()) {
                property = {{bytes.data() + kHead, key_size},
                            {bytes.data() + 2 * kHead + key_size, value_size}};
                return true;
            }
        }
    }
    return read_property_of_any_form(bytes, property);
}

std::uint32_t as_u32(const FieldReader& fields) { return static_cast<std::uint32_t>(fields.number()); }
std::int32_t as_i32(const FieldReader& fields) { return static_cast<std::int32_t>(fields.number()); }

/// What has been seen of the fields that must be there.
struct Required {
    bool producer_name = false;
    bool sequence_id = false;
    bool publish_time = false;
};

/// Fields that tell of the entry as a whole. False: the field is malformed.
bool take_entry_field(const FieldReader& fields, EntryMetadata& out, Required& seen) {
    namespace field = detail::entry_field;
    switch (fields.tag()) {
        case bytes_tag(field::kProducerName):
            out.producer_name = fields.bytes();
            seen.producer_name = true;
            break;
        case number_tag(field::kSequenceId):
            out.sequence_id = fields.number();
            seen.sequence_id = true;
            break;
        case number_tag(field::kPublishTime):
            out.publish_time_ms = fields.number();
            seen.publish_time = true;
            break;
        case bytes_tag(field::kReplicatedFrom):
            out.replicated_from = fields.bytes();
            break;
        case number_tag(field::kCompression):
            if (fields.number() > static_cast<std::uint64_t>(Compression::snappy)) return false;
            out.compression = static_cast<Compression>(fields.number());
            break;
        case number_tag(field::kUncompressedSize):
            out.uncompressed_size = as_u32(fields);
            break;
        case number_tag(field::kNumMessages):
            if (as_i32(fields) <= 0) return false;
            out.num_messages = as_u32(fields);
            out.batched = true;
            break;
        case bytes_tag(field::kEncryptionKeys):
            out.encrypted = true;
            break;
        case bytes_tag(field::kSchemaVersion):
            out.schema_version = fields.bytes();
            break;
        case number_tag(field::kDeliverAt):
            out.deliver_at_ms = static_cast<std::int64_t>(fields.number());
            break;
        case number_tag(field::kMarkerType):
            out.marker = true;
            break;
        case number_tag(field::kHighestSequenceId):
            out.highest_sequence_id = fields.number();
            break;
        default:
            break;
    }
    return true;
}

/// Fields of the one message of an entry that is not a batch.
bool take_message_field(const FieldReader& fields, EntryMetadata& out) {
    namespace field = detail::entry_field;
    switch (fields.tag()) {
        case bytes_tag(field::kProperties):
            return read_property(fields.bytes(), out.properties.emplace_back());
        case bytes_tag(field::kPartitionKey):
            out.partition_key = fields.bytes();
            break;
        case number_tag(field::kPartitionKeyB64):
            out.partition_key_b64 = fields.number() != 0;
            break;
        case bytes_tag(field::kOrderingKey):
            out.ordering_key = fields.bytes();
            break;
        case number_tag(field::kEventTime):
            out.event_time_ms = fields.number();
            break;
        case number_tag(field::kNullValue):
            out.null_value = fields.number() != 0;
            break;
        case bytes_tag(field::kUuid):
            out.uuid = fields.bytes();
            break;
        case number_tag(field::kNumChunks):
            out.num_chunks = as_i32(fields);
            break;
        case number_tag(field::kTotalChunkSize):
            out.total_chunk_size = as_u32(fields);
            break;
        case number_tag(field::kChunkId):
            out.chunk_id = as_i32(fields);
            break;
        default:
            break;
    }
    return true;
}

bool read_metadata(std::string_view bytes, EntryMetadata& out) {
    Required seen;
    FieldReader fields(bytes);
    while (fields.next()) {
        if (!take_entry_field(fields, out, seen) || !take_message_field(fields, out)) return false;
    }
    return !fields.malformed() && seen.producer_name && seen.sequence_id && seen.publish_time;
}

/// Where the metadata's size stands, after the magic and checksum if there are any.
Result<std::size_t> check_and_skip_checksum(const Bytes& entry, ChecksumCheck check) {
    if (entry.size() < detail::kMagicBytes ||
        std::memcmp(entry.data(), detail::kMagic, detail::kMagicBytes) != 0) {
        return 0;
    }
    constexpr std::size_t kCovered = detail::kMagicBytes + detail::kChecksumBytes;
    if (entry.size() < kCovered) {
        return fail(ErrorCode::corrupt, "entry of ", entry.size(), " bytes ends within its checksum");
    }
    if (check == ChecksumCheck::verify) {
        const std::uint32_t expected = detail::get_big_endian(entry.data() + detail::kMagicBytes);
        const std::uint32_t actual = crc32c(entry.view().substr(kCovered));
        if (actual != expected) {
            return fail(ErrorCode::corrupt, "entry of ", entry.size(), " bytes has CRC32C ", actual,
                        ", and says that it should be ", expected);
        }
    }
    return kCovered;
}

/// One by one: assigning a whole MessageView{} costs a third of what reading a message costs.
void begin_message(MessageView& message, const EntryMetadata& metadata) {
    message.partition_key.reset();
    message.partition_key_b64 = false;
    message.ordering_key.reset();
    message.event_time_ms = metadata.event_time_ms;
    message.sequence_id = metadata.sequence_id;
    message.null_value = false;
    message.compacted_out = false;
}

/// SingleMessageMetadata. Called from one place, so that it becomes part of it.
bool read_message_metadata(std::string_view bytes, MessageView& out, std::vector<Property>& properties,
                           std::int64_t& payload_size) {
    namespace field = detail::message_field;
    properties.clear();
    FieldReader fields(bytes);
    while (fields.next()) {
        switch (fields.tag()) {
            case bytes_tag(field::kProperties):
                if (!read_property(fields.bytes(), properties.emplace_back())) return false;
                break;
            case bytes_tag(field::kPartitionKey):
                out.partition_key = fields.bytes();
                break;
            case number_tag(field::kPayloadSize):
                payload_size = as_i32(fields);
                break;
            case number_tag(field::kCompactedOut):
                out.compacted_out = fields.number() != 0;
                break;
            case number_tag(field::kEventTime):
                out.event_time_ms = fields.number();
                break;
            case number_tag(field::kPartitionKeyB64):
                out.partition_key_b64 = fields.number() != 0;
                break;
            case bytes_tag(field::kOrderingKey):
                out.ordering_key = fields.bytes();
                break;
            case number_tag(field::kSequenceId):
                out.sequence_id = fields.number();
                break;
            case number_tag(field::kNullValue):
                out.null_value = fields.number() != 0;
                break;
            default:
                break;
        }
    }
    return !fields.malformed();
}

}  // namespace

Result<EntryView> read_entry(const Bytes& entry, ChecksumCheck check) {
    WEFT_TRY(const std::size_t at, check_and_skip_checksum(entry, check));
    if (entry.size() - at < detail::kSizeBytes) {
        return fail(ErrorCode::corrupt, "entry of ", entry.size(), " bytes is too short for metadata");
    }
    const std::size_t size = detail::get_big_endian(entry.data() + at);
    const std::size_t begin = at + detail::kSizeBytes;
    if (size > entry.size() - begin) {
        return fail(ErrorCode::corrupt, "entry of ", entry.size(), " bytes says that its metadata has ",
                    size);
    }
    Result<EntryView> view(std::in_place);
    if (!read_metadata(entry.view().substr(begin, size), view->metadata)) {
        return fail(ErrorCode::corrupt, "entry of ", entry.size(), " bytes: its metadata of ", size,
                    " bytes does not parse or lacks a required field");
    }
    view->payload = entry.slice(begin + size);
    return view;
}

MessageReader::MessageReader(const EntryMetadata& metadata, std::string_view payload)
    : metadata_(metadata), rest_(payload) {}

Result<bool> MessageReader::next(MessageView& message) {
    if (index_ == metadata_.num_messages) return false;
    if (metadata_.batched) return next_of_batch(message);
    ++index_;
    message = {.payload = rest_,
               .partition_key = metadata_.partition_key,
               .partition_key_b64 = metadata_.partition_key_b64,
               .ordering_key = metadata_.ordering_key,
               .properties = metadata_.properties,
               .event_time_ms = metadata_.event_time_ms,
               .sequence_id = metadata_.sequence_id,
               .null_value = metadata_.null_value};
    return true;
}

Result<bool> MessageReader::next_of_batch(MessageView& message) {
    if (rest_.size() < detail::kSizeBytes) return malformed("ends before it");
    const std::size_t size = detail::get_big_endian(rest_.data());
    rest_.remove_prefix(detail::kSizeBytes);
    if (size > rest_.size()) return malformed("ends within its metadata");
    begin_message(message, metadata_);
    std::int64_t payload_size = -1;
    if (!read_message_metadata(rest_.substr(0, size), message, properties_, payload_size))
        return malformed("has malformed metadata");
    rest_.remove_prefix(size);
    if (payload_size < 0 || static_cast<std::uint64_t>(payload_size) > rest_.size()) {
        return malformed("has a payload size that cannot be");
    }
    message.payload = rest_.substr(0, static_cast<std::size_t>(payload_size));
    message.properties = properties_;
    message.batch_index = static_cast<std::int32_t>(index_);
    rest_.remove_prefix(static_cast<std::size_t>(payload_size));
    ++index_;
    return true;
}

std::unexpected<Error> MessageReader::malformed(std::string_view what) const {
    return fail(ErrorCode::corrupt, "batch of ", metadata_.num_messages, " messages from producer ",
                metadata_.producer_name, ": message ", index_, ' ', what);
}

}  // namespace weft::wire
