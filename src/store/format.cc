#include "store/format.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/crc32c.h"
#include "store/bit_flip.h"

namespace weft::store {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and copied as it is");

constexpr std::string_view kSegmentMagic = "weft.seg";
constexpr std::size_t kSegmentHeaderCopyAt = kSegmentHeaderBytes / 2;
constexpr std::size_t kSegmentHeaderUsed = 48;

template <class T>
void store_at(char* out, std::size_t offset, T value) {
    std::memcpy(out + offset, &value, sizeof value);
}

template <class T>
T load_at(const char* bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes + offset, sizeof value);
    return value;
}

bool is_known(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(RecordKind::entry) &&
           kind <= static_cast<std::uint8_t>(RecordKind::mark);
}

}  // namespace

void encode_record_header(const RecordHeader& header, std::uint32_t tag, char* out) {
    store_at(out, 4, tag);
    store_at(out, 8, header.body_crc);
    store_at(out, 12, header.body_size);
    store_at(out, 16, header.confirmed);
    store_at(out, 20, static_cast<std::uint8_t>(header.kind));
    store_at(out, 21, std::uint8_t{0});
    store_at(out, 22, header.epoch);
    store_at(out, 24, header.ledger);
    store_at(out, 32, header.entry);
    store_at(out, 0, crc32c({out + 4, kRecordHeaderBytes - 4}));
}

namespace {

// With 36 bytes, CRC32C tells any one flipped bit from any other, and from up to four.
std::optional<RecordHeader> mend_record_header(const char* bytes, std::uint32_t tag) {
    if (std::popcount(load_at<std::uint32_t>(bytes, 4) ^ tag) > 1) return std::nullopt;
    const auto stored = load_at<std::uint32_t>(bytes, 0);
    const auto bit = flipped_bit({bytes + 4, kRecordHeaderBytes - 4}, stored);
    if (!bit) return std::nullopt;
    std::array<char, kRecordHeaderBytes> mended{};
    std::memcpy(mended.data(), bytes, mended.size());
    if (*bit < (kRecordHeaderBytes - 4) * 8) {
        char& byte = mended.at(4 + *bit / 8);
        byte = static_cast<char>(byte ^ (1 << (*bit % 8)));
    } else {
        store_at(mended.data(), 0, crc32c({mended.data() + 4, kRecordHeaderBytes - 4}));
    }
    auto header = decode_record_header(mended.data(), tag);
    if (header) header->mended = true;
    return header;
}

}  // namespace

std::optional<RecordHeader> decode_record_header(const char* bytes, std::uint32_t tag) {
    if (load_at<std::uint32_t>(bytes, 4) != tag ||
        load_at<std::uint32_t>(bytes, 0) != crc32c({bytes + 4, kRecordHeaderBytes - 4})) {
        return mend_record_header(bytes, tag);
    }
    RecordHeader header;
    header.body_crc = load_at<std::uint32_t>(bytes, 8);
    header.body_size = load_at<std::uint32_t>(bytes, 12);
    header.confirmed = load_at<std::uint32_t>(bytes, 16);
    const auto kind = load_at<std::uint8_t>(bytes, 20);
    header.epoch = load_at<std::uint16_t>(bytes, 22);
    header.ledger = load_at<std::uint64_t>(bytes, 24);
    header.entry = load_at<std::uint64_t>(bytes, 32);
    if (!is_known(kind) || header.body_size > kBodyBytesMax || header.entry > kEntryIdMax)
        return std::nullopt;
    header.kind = static_cast<RecordKind>(kind);
    if (header.kind == RecordKind::map_put && header.ledger > header.body_size) return std::nullopt;
    return header;
}

std::string encode_segment_header(const SegmentHeader& header) {
    std::string fields(kSegmentMagic);
    put_u32(fields, header.version);
    put_u32(fields, header.tag);
    put_u64(fields, header.sequence);
    put_u64(fields, header.previous_sequence);
    put_u64(fields, header.previous_end);
    put_u32(fields, 0);
    put_u32(fields, crc32c(fields));
    std::string block(kSegmentHeaderBytes, '\0');
    fields.copy(block.data(), fields.size());
    fields.copy(block.data() + kSegmentHeaderCopyAt, fields.size());
    return block;
}

Result<std::optional<SegmentHeader>> decode_segment_header(std::string_view block) {
    for (const std::size_t at : {std::size_t{0}, kSegmentHeaderCopyAt}) {
        if (block.size() < at + kSegmentHeaderUsed) break;
        const std::string_view fields = block.substr(at, kSegmentHeaderUsed);
        if (!fields.starts_with(kSegmentMagic)) continue;
        ByteReader in(fields.substr(kSegmentMagic.size()));
        SegmentHeader header;
        header.version = in.u32();
        header.tag = in.u32();
        header.sequence = in.u64();
        header.previous_sequence = in.u64();
        header.previous_end = in.u64();
        in.u32();
        if (in.u32() != crc32c(fields.substr(0, kSegmentHeaderUsed - 4))) continue;
        if (header.version > kFormatVersion) return newer_format("segment", header.version);
        // A link to any other segment would change its meaning when the one between is deleted.
        if (header.previous_sequence + 1 != header.sequence) continue;
        return header;
    }
    return std::nullopt;
}

std::unexpected<Error> newer_format(std::string_view what, std::uint32_t version) {
    return fail(ErrorCode::corrupt, "the data directory holds a ", what, " of format version ", version,
                ", this program knows versions up to ", kFormatVersion,
                ": start the newer weft that wrote it, or name an empty data directory");
}

void put_u32(std::string& out, std::uint32_t value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
}

void put_u64(std::string& out, std::uint64_t value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
}

std::string_view ByteReader::bytes(std::uint64_t size) {
    if (size > rest_.size()) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

std::uint32_t ByteReader::u32() {
    const std::string_view taken = bytes(sizeof(std::uint32_t));
    return taken.empty() ? 0 : load_at<std::uint32_t>(taken.data(), 0);
}

std::uint64_t ByteReader::u64() {
    const std::string_view taken = bytes(sizeof(std::uint64_t));
    return taken.empty() ? 0 : load_at<std::uint64_t>(taken.data(), 0);
}

}  // namespace weft::store
