#pragma once
// Reading a segment record by record, deciding what is damage and what is an unconfirmed tail.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/file_system.h"
#include "store/format.h"

namespace weft::store {

/// Windows on a file that is read mostly forwards, in chunks.
class ChunkReader final {
  public:
    ChunkReader(File& file, std::uint64_t limit) : file_(file), limit_(limit) {}
    /// `size` bytes at `offset`, valid until the next call; shorter at the limit or the end of the file.
    Result<std::string_view> view(std::uint64_t offset, std::size_t size);
    /// What is in memory from `offset` on, at least `size` bytes but for the limit and the end of the file.
    Result<std::string_view> view_ahead(std::uint64_t offset, std::size_t size);

  private:
    static constexpr std::size_t kChunkBytes = 1U << 20;
    File& file_;
    const std::uint64_t limit_;
    std::string chunk_;
    std::uint64_t chunk_at_ = 0;
};

/// What stands at one place of a segment.
struct ScannedRecord {
    std::uint64_t offset = 0;
    std::optional<RecordHeader> header;  // none: `lost_bytes` that belong to no readable record
    std::string_view body;               // of records other than entries; valid during the call
    bool damaged = false;                // the body fails its CRC
    bool mended = false;                 // one bit of it was wrong, and put right
    std::uint64_t lost_bytes = 0;
};

struct ScanEnd {
    std::uint64_t end = kSegmentHeaderBytes;  // one past the last record that counts
    std::uint16_t epoch = 0;                  // the highest one seen, also behind the end
};

/// Calls `visit` for each record and each damaged place of the segment's confirmed part, and for unconfirmed
/// records as long as they are whole. `known_end` (from the next segment's header) says where the confirmed
/// part ends; without it, a bad place is damage if a later record says that what came before it was
/// confirmed, and else the torn tail, which is cut.
Result<ScanEnd> scan_segment(File& file, std::uint32_t tag, std::optional<std::uint64_t> known_end,
                             const std::function<void(const ScannedRecord&)>& visit);

}  // namespace weft::store
