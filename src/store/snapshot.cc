#include "store/snapshot.h"

#include "base/crc32c.h"
#include "store/format.h"

namespace weft::store {
namespace {

constexpr std::string_view kIndexMagic = "weft.idx";
constexpr std::string_view kSnapshotMagic = "weft.snp";

// A block: magic, version, size of the content, CRC of content and of the fields before, content.
constexpr std::size_t kBlockHeaderBytes = 24;
// What a snapshot's content begins with.
constexpr std::size_t kPositionBytes = 16;

std::string encode_block(std::string_view magic, std::string_view content) {
    std::string block(magic);
    put_u32(block, kFormatVersion);
    put_u64(block, content.size());
    put_u32(block, crc32c(content, crc32c(block)));
    block.append(content);
    return block;
}

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorCode::corrupt, "the ", what, " fails its check");
}

// The content of the block at the beginning of `bytes`.
Result<std::string_view> decode_block(std::string_view magic, std::string_view what, std::string_view bytes) {
    ByteReader in(bytes);
    if (in.bytes(magic.size()) != magic) return damaged(what);
    const std::uint32_t version = in.u32();
    const std::uint64_t size = in.u64();
    const std::uint32_t crc = in.u32();
    const std::string_view content = in.bytes(size);
    if (!in.ok() || crc32c(content, crc32c(bytes.substr(0, kBlockHeaderBytes - 4))) != crc)
        return damaged(what);
    if (version > kFormatVersion) return newer_format(what, version);
    return content;
}

Result<Snapshot> decode_snapshot_content(std::string_view content) {
    ByteReader in(content);
    Snapshot snapshot;
    snapshot.position.segment = in.u64();
    snapshot.position.offset = in.u64();
    snapshot.next_ledger = in.u64();
    for (std::uint64_t left = in.u64(); left > 0 && in.ok(); --left) {
        const std::string_view key = in.bytes(in.u32());
        const std::string_view value = in.bytes(in.u32());
        snapshot.map.emplace_hint(snapshot.map.end(), key, Bytes::copy_of(value));
    }
    for (std::uint64_t left = in.u64(); left > 0 && in.ok(); --left) {
        const LedgerId id = in.u64();
        const EntryId first = in.u64();
        snapshot.ledgers.push_back({id, {.first = first, .end = in.u64()}});
    }
    if (!in.ok() || in.left() != 0) return damaged("snapshot");
    return snapshot;
}

}  // namespace

std::string encode_index(const SegmentIndex& index) {
    std::string content;
    put_u64(content, index.sequence);
    put_u32(content, index.tag);
    put_u64(content, index.end);
    put_u64(content, index.extents.size());
    for (const auto& [ledger, extent] : index.extents) {
        put_u64(content, ledger);
        put_u64(content, extent.first);
        put_u64(content, extent.end);
        put_u64(content, extent.bytes);
        put_u32(content, static_cast<std::uint32_t>(extent.points.size()));
        for (const IndexPoint& point : extent.points) {
            put_u64(content, point.entry);
            put_u32(content, static_cast<std::uint32_t>(point.offset));
        }
    }
    return encode_block(kIndexMagic, content);
}

Result<SegmentIndex> decode_index(std::string_view bytes) {
    WEFT_TRY(const std::string_view content, decode_block(kIndexMagic, "index", bytes));
    ByteReader in(content);
    SegmentIndex index;
    index.sequence = in.u64();
    index.tag = in.u32();
    index.end = in.u64();
    for (std::uint64_t left = in.u64(); left > 0 && in.ok(); --left) {
        const LedgerId ledger = in.u64();
        Extent extent;
        extent.segment = index.sequence;
        extent.first = in.u64();
        extent.end = in.u64();
        extent.bytes = in.u64();
        for (std::uint32_t points = in.u32(); points > 0 && in.ok(); --points) {
            const EntryId entry = in.u64();
            extent.points.push_back({entry, in.u32()});
        }
        if (extent.first >= extent.end || extent.points.empty()) return damaged("index");
        index.extents.emplace_back(ledger, std::move(extent));
    }
    if (!in.ok() || in.left() != 0) return damaged("index");
    return index;
}

std::string encode_snapshot_content(LedgerId next_ledger,
                                    const std::map<std::string, Bytes, std::less<>>& map,
                                    std::span<const std::pair<LedgerId, Snapshot::LedgerState>> ledgers) {
    std::string content(kPositionBytes, '\0');
    put_u64(content, next_ledger);
    put_u64(content, map.size());
    for (const auto& [key, value] : map) {
        put_u32(content, static_cast<std::uint32_t>(key.size()));
        content.append(key);
        put_u32(content, static_cast<std::uint32_t>(value.size()));
        content.append(value.view());
    }
    put_u64(content, ledgers.size());
    for (const auto& [id, state] : ledgers) {
        put_u64(content, id);
        put_u64(content, state.first);
        put_u64(content, state.end);
    }
    return content;
}

std::string encode_snapshot(std::string content, LogPosition position) {
    std::string place;
    put_u64(place, position.segment);
    put_u64(place, position.offset);
    content.replace(0, kPositionBytes, place);
    const std::string block = encode_block(kSnapshotMagic, content);
    return block + block;
}

Result<Snapshot> decode_snapshot(std::string_view bytes, bool* half_damaged) {
    auto content = decode_block(kSnapshotMagic, "snapshot", bytes);
    auto other = decode_block(kSnapshotMagic, "snapshot", bytes.substr(bytes.size() / 2));
    if (half_damaged != nullptr) *half_damaged = content.has_value() != other.has_value();
    if (!content) content = std::move(other);
    if (!content) return std::unexpected(std::move(content).error());
    return decode_snapshot_content(*content);
}

}  // namespace weft::store
