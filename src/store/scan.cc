#include "store/scan.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "base/crc32c.h"
#include "store/bit_flip.h"

namespace weft::store {
namespace {

// Behind a bad place, the next group begins at most this far away.
constexpr std::uint64_t kSearchBytes = kGroupBytesMax + record_bytes(kBodyBytesMax);
// What the map holds can't be sent again: a flipped bit in its small records is put right. In a record of
// this size, bytes that are wrong in another way are taken for one wrong bit once in 130,000 times.
constexpr std::size_t kMendedBytesMax = 4096;

class Scan {
  public:
    Scan(File& file, std::uint32_t tag, std::uint64_t confirmed, std::uint64_t limit, bool end_is_known,
         const std::function<void(const ScannedRecord&)>& visit)
        : tag_(tag),
          confirmed_(confirmed),
          limit_(limit),
          end_is_known_(end_is_known),
          reader_(file, limit),
          visit_(visit) {}

    Result<ScanEnd> run();

  private:
    struct Held {
        ScannedRecord record;
        std::string body;
        bool bad() const { return record.damaged || !record.header; }
    };

    Result<> take(std::uint64_t offset, const RecordHeader& header);
    bool mend(std::string_view& body, const RecordHeader& header);
    void found(const ScannedRecord& record);
    void release();
    Result<std::optional<RecordHeader>> header_at(std::uint64_t offset);
    Result<std::uint64_t> next_with_tag(std::uint64_t offset, std::uint64_t stop);

    const std::uint32_t tag_;
    std::uint64_t confirmed_;
    const std::uint64_t limit_;
    const bool end_is_known_;
    ChunkReader reader_;
    const std::function<void(const ScannedRecord&)>& visit_;

    ScanEnd result_;
    // From the first bad place that may be the torn tail on; empty while there is no doubt.
    std::deque<Held> held_;
    std::string mended_;
};

Result<std::optional<RecordHeader>> Scan::header_at(std::uint64_t offset) {
    WEFT_TRY(const std::string_view bytes, reader_.view(offset, kRecordHeaderBytes));
    if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
    auto header = decode_record_header(bytes.data(), tag_);
    // A lower epoch: what is left of a tail that was written over.
    if (!header || header->epoch < result_.epoch) return std::nullopt;
    if (offset + record_bytes(header->body_size) > limit_) return std::nullopt;
    return header;
}

// The next place that has the tag where a header would have it; `stop` if there is none. The tail of each
// segment goes through this, so it has to be fast.
Result<std::uint64_t> Scan::next_with_tag(std::uint64_t offset, std::uint64_t stop) {
    constexpr std::size_t kTagEnd = 8;
    while (offset < stop) {
        WEFT_TRY(const std::string_view bytes, reader_.view_ahead(offset, kTagEnd));
        if (bytes.size() < kTagEnd) break;
        std::size_t at = 0;
        for (; at + kTagEnd <= bytes.size(); at += kRecordAlign) {
            std::uint32_t tag = 0;
            std::memcpy(&tag, bytes.data() + at + 4, sizeof tag);
            if (tag == tag_) return offset + at;
        }
        offset += at;
    }
    return stop;
}

Result<ScanEnd> Scan::run() {
    std::uint64_t position = kSegmentHeaderBytes;
    std::uint64_t bad_from = 0;  // 0: the last place read was a record
    while (position + kRecordHeaderBytes <= limit_) {
        WEFT_TRY(const auto header, header_at(position));
        if (!header) {
            if (bad_from == 0) bad_from = position;
            const std::uint64_t stop = end_is_known_ ? limit_ : std::min(limit_, bad_from + kSearchBytes);
            WEFT_TRY(position, next_with_tag(position + kRecordAlign, stop));
            if (position >= stop) break;
            continue;
        }
        if (bad_from != 0) {
            found({.offset = bad_from, .header = {}, .body = {}, .lost_bytes = position - bad_from});
            bad_from = 0;
        }
        result_.epoch = header->epoch;
        WEFT_TRY_VOID(take(position, *header));
        position += record_bytes(header->body_size);
    }
    if (end_is_known_) {
        if (bad_from != 0)
            found({.offset = bad_from, .header = {}, .body = {}, .lost_bytes = limit_ - bad_from});
        result_.end = limit_;
    }
    return result_;
}

Result<> Scan::take(std::uint64_t offset, const RecordHeader& header) {
    WEFT_TRY(const std::string_view body, reader_.view(offset + kRecordHeaderBytes, header.body_size));
    std::string_view shown = body;
    const bool sound = body.size() == header.body_size && crc32c(body) == header.body_crc;
    const bool whole = sound || mend(shown, header);
    if (header.confirmed > confirmed_) {
        confirmed_ = header.confirmed;
        release();
    }
    found({.offset = offset,
           .header = header,
           .body = header.kind == RecordKind::entry ? std::string_view() : shown,
           .damaged = !whole,
           .mended = header.mended || (whole && !sound)});
    return {};
}

bool Scan::mend(std::string_view& body, const RecordHeader& header) {
    if (header.kind == RecordKind::entry || body.size() != header.body_size || body.size() > kMendedBytesMax)
        return false;
    const auto bit = flipped_bit(body, header.body_crc);
    if (!bit || *bit >= body.size() * 8) return false;
    mended_ = body;
    char& byte = mended_.at(*bit / 8);
    byte = static_cast<char>(byte ^ (1 << (*bit % 8)));
    body = mended_;
    return true;
}

void Scan::found(const ScannedRecord& record) {
    Held item{record, {}};
    if (held_.empty() && (!item.bad() || record.offset < confirmed_)) {
        visit_(record);
        result_.end =
            record.offset + (record.header ? record_bytes(record.header->body_size) : record.lost_bytes);
        return;
    }
    item.body = record.body;
    held_.push_back(std::move(item));
}

void Scan::release() {
    while (!held_.empty() && (!held_.front().bad() || held_.front().record.offset < confirmed_)) {
        Held item = std::move(held_.front());
        held_.pop_front();
        item.record.body = item.body;
        visit_(item.record);
        const auto& header = item.record.header;
        result_.end =
            item.record.offset + (header ? record_bytes(header->body_size) : item.record.lost_bytes);
    }
}

}  // namespace

Result<std::string_view> ChunkReader::view(std::uint64_t offset, std::size_t size) {
    const std::uint64_t wanted = offset >= limit_ ? 0 : std::min<std::uint64_t>(size, limit_ - offset);
    if (offset < chunk_at_ || offset + wanted > chunk_at_ + chunk_.size()) {
        const std::uint64_t bytes =
            std::min<std::uint64_t>(std::max(kChunkBytes, size), limit_ - std::min(offset, limit_));
        chunk_.resize(bytes);
        chunk_at_ = offset;
        WEFT_TRY(const std::size_t got, file_.read_at(offset, chunk_.data(), bytes));
        chunk_.resize(got);
    }
    return std::string_view(chunk_).substr(offset - chunk_at_, wanted);
}

Result<std::string_view> ChunkReader::view_ahead(std::uint64_t offset, std::size_t size) {
    WEFT_TRY(const std::string_view least, view(offset, size));
    if (least.size() < size) return least;
    return std::string_view(chunk_).substr(offset - chunk_at_);
}

Result<ScanEnd> scan_segment(File& file, std::uint32_t tag, std::optional<std::uint64_t> known_end,
                             const std::function<void(const ScannedRecord&)>& visit) {
    WEFT_TRY(const std::uint64_t size, file.size());
    const std::uint64_t limit = std::min(known_end.value_or(size), size);
    return Scan(file, tag, known_end.value_or(0), limit, known_end.has_value(), visit).run();
}

}  // namespace weft::store
