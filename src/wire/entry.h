#pragma once
// Reading and building entries: checksum, metadata, compression, and the messages of a batch.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/compression.h"

namespace weft::wire {

struct Property {
    std::string_view key;
    std::string_view value;
};

/// What an entry's metadata says that the broker and the client act on. Views point into the entry.
/// Decoded by hand from PulsarApi's MessageMetadata; fields not listed are skipped.
struct EntryMetadata {
    std::string_view producer_name;
    std::uint64_t sequence_id = 0;
    std::uint64_t publish_time_ms = 0;
    std::uint64_t event_time_ms = 0;   // 0: not set
    std::vector<Property> properties;  // of an unbatched message
    std::optional<std::string_view> partition_key;
    bool partition_key_b64 = false;
    std::optional<std::string_view> ordering_key;
    std::string_view replicated_from;
    Compression compression = Compression::none;
    std::uint32_t uncompressed_size = 0;
    std::uint32_t num_messages = 1;  // num_messages_in_batch
    bool batched = false;            // num_messages_in_batch was present
    std::optional<std::string_view> schema_version;
    std::optional<std::int64_t> deliver_at_ms;
    std::optional<std::uint64_t> highest_sequence_id;
    bool encrypted = false;
    bool null_value = false;
    std::optional<std::int32_t> chunk_id;  // chunked messages
    std::int32_t num_chunks = 0;
    std::uint32_t total_chunk_size = 0;
    std::string_view uuid;
    bool marker = false;  // marker_type present: replicated subscription and transaction markers
};

/// An entry taken apart. `payload` is as stored (maybe compressed).
struct EntryView {
    EntryMetadata metadata;
    Bytes payload;
};

/// Takes an entry apart, after checking its CRC32C (`corrupt` if it differs; an entry without a checksum is
/// taken as it is). `check` = skip leaves the CRC alone (the broker has checked it on the way in).
enum class ChecksumCheck : std::uint8_t { verify, skip };
Result<EntryView> read_entry(const Bytes& entry, ChecksumCheck check = ChecksumCheck::verify);

/// One message of an entry; views live as long as the Bytes they were read from.
struct MessageView {
    std::string_view payload = {};
    std::optional<std::string_view> partition_key = {};
    bool partition_key_b64 = false;
    std::optional<std::string_view> ordering_key = {};
    std::span<const Property> properties = {};
    std::uint64_t event_time_ms = 0;
    std::uint64_t sequence_id = 0;
    bool null_value = false;
    bool compacted_out = false;
    std::int32_t batch_index = -1;  // -1: the entry is not a batch
};

/// Walks the messages of an entry without allocating per message. Use: construct, then next() until it gives
/// false.
class MessageReader {
  public:
    /// `payload` is the uncompressed payload; `metadata` must outlive the reader.
    MessageReader(const EntryMetadata& metadata, std::string_view payload);
    /// Moves to the next message; false at the end; `corrupt` when the bytes don't parse. The view's
    /// properties are valid until the next call.
    Result<bool> next(MessageView& message);

  private:
    Result<bool> next_of_batch(MessageView& message);
    std::unexpected<Error> malformed(std::string_view what) const;

    const EntryMetadata& metadata_;
    std::string_view rest_;
    std::uint32_t index_ = 0;
    std::vector<Property> properties_;
};

/// One message to be written. Its payload must be below 2 GiB (the caller has a lower limit anyway).
struct OutgoingMessage {
    std::string_view payload = {};
    std::optional<std::string_view> partition_key = {};
    bool partition_key_b64 = false;
    std::optional<std::string_view> ordering_key = {};
    std::span<const Property> properties = {};
    std::uint64_t event_time_ms = 0;
    bool null_value = false;
    std::optional<std::uint64_t> sequence_id = {};  // batch: per message; unset: counted on by the producer
};

/// What a finished entry needs besides its messages.
struct EntryHeader {
    std::string_view producer_name = {};
    std::uint64_t sequence_id = 0;  // of its first message
    std::uint64_t publish_time_ms = 0;
    Compression compression = Compression::none;
    std::optional<std::string_view> schema_version = {};
    std::optional<std::int64_t> deliver_at_ms = {};  // unbatched only
};

/// Collects messages into one buffer in the batch format, then seals it into an entry. Reusable after seal();
/// no allocation per message once its buffer has grown.
class BatchBuilder {
  public:
    /// Appends a message (SingleMessageMetadata + payload). The batch's bytes grow by what is returned.
    std::size_t add(const OutgoingMessage& message, std::uint64_t sequence_id);
    std::uint32_t num_messages() const { return num_messages_; }
    /// Bytes of the messages added: what the entry's payload has before compression.
    std::size_t size_bytes() const;
    bool empty() const { return num_messages_ == 0; }
    /// The entry of all messages added, and starts anew. Not to be called when empty. If it fails
    /// (compression), the messages are still there.
    Result<Bytes> seal(const EntryHeader& header);
    void clear();

  private:
    std::string buffer_;         // room for the entry's head, then the messages
    std::size_t size_hint_ = 0;  // what the buffer of the last batch grew to
    std::uint32_t num_messages_ = 0;
    std::uint64_t last_sequence_id_ = 0;
};

/// The entry of one message that isn't in a batch.
Result<Bytes> encode_single(const OutgoingMessage& message, const EntryHeader& header);

}  // namespace weft::wire
