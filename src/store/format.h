#pragma once
// The bytes of a segment file: header block, record headers. docs/formats/segment.md is the description; this
// is the code. All numbers are little-endian.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::store {

/// Of segments, indexes and the snapshot together. A directory with a higher one is refused.
inline constexpr std::uint32_t kFormatVersion = 1;

/// Records begin behind the header block, which is one page so that no later write touches it.
inline constexpr std::uint32_t kSegmentHeaderBytes = 4096;
inline constexpr std::uint32_t kRecordHeaderBytes = 40;
inline constexpr std::uint32_t kRecordAlign = 8;
/// The most bytes that one group of records (what one sync covers) may have, unless it is a single record.
inline constexpr std::uint32_t kGroupBytesMax = 8U << 20;
/// One part in so many of each segment is not for entries: with a full disk, what consumers say still finds
/// room there.
inline constexpr std::uint64_t kKeptFreeShare = 64;
/// The most bytes in one record's body.
inline constexpr std::uint32_t kBodyBytesMax = 8U << 20;
/// Entries are numbered from 0: nobody lives to see a greater id, and one past it is still a number.
inline constexpr std::uint64_t kEntryIdMax = std::uint64_t{1} << 62;

enum class RecordKind : std::uint8_t {
    entry = 1,          // body: the entry
    map_put = 2,        // body: key and value
    map_erase = 3,      // body: key
    ledger_create = 4,  // no body
    ledger_trim = 5,    // no body; `entry` is the first entry kept
    ledger_erase = 6,   // no body
    mark = 7,           // no body, no meaning but its `confirmed`; the last record of a log that was closed
};

struct SegmentHeader {
    std::uint32_t version = kFormatVersion;
    std::uint32_t tag = 0;       // drawn anew for each use of a file; every record of this use carries it
    std::uint64_t sequence = 0;  // counts segments of this directory, from 1
    std::uint64_t previous_sequence = 0;  // always sequence - 1
    std::uint64_t previous_end = 0;       // where the confirmed records of that segment end
};

struct RecordHeader {
    RecordKind kind = RecordKind::entry;
    std::uint16_t epoch = 0;  // grows within a segment when an unconfirmed tail is written over
    std::uint32_t body_size = 0;
    std::uint32_t body_crc = 0;
    std::uint32_t confirmed = 0;  // everything below this offset was confirmed before this record was written
    std::uint64_t ledger = 0;     // of a map_put: the size of the key
    std::uint64_t entry = 0;
    bool mended = false;  // not on disk: one bit of the header was wrong, and put right
};

/// What a record with such a body takes in the segment.
constexpr std::uint64_t record_bytes(std::uint64_t body_size) {
    return (kRecordHeaderBytes + body_size + kRecordAlign - 1) / kRecordAlign * kRecordAlign;
}

/// Writes kRecordHeaderBytes at `out`.
void encode_record_header(const RecordHeader& header, std::uint32_t tag, char* out);
/// A header of the use of the file with this tag, also one with a single flipped bit; nothing if the bytes
/// are anything else. `bytes` has kRecordHeaderBytes.
std::optional<RecordHeader> decode_record_header(const char* bytes, std::uint32_t tag);

/// The header block, kSegmentHeaderBytes long, with two copies of the header.
std::string encode_segment_header(const SegmentHeader& header);
/// Nothing if neither copy is whole; an error for a version that this program doesn't know.
Result<std::optional<SegmentHeader>> decode_segment_header(std::string_view block);

/// The error for data of a newer version.
std::unexpected<Error> newer_format(std::string_view what, std::uint32_t version);

// Numbers in byte strings.
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);

/// Reads numbers and strings one behind the other; `ok()` turns false at the first read past the end, and all
/// that follow give zero.
class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
    std::uint32_t u32();
    std::uint64_t u64();
    std::string_view bytes(std::uint64_t size);
    bool ok() const { return ok_; }
    std::size_t left() const { return rest_.size(); }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace weft::store
