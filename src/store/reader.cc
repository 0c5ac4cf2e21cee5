#include "store/reader.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "store/format.h"

namespace weft::store {
namespace {

constexpr std::size_t kChunkBytesMin = 16U << 10;

}  // namespace

BlockPool::Block BlockPool::take(std::size_t size) {
    if (size > kBlockBytes || size * 2 <= kBlockBytes) {  // odd sizes come and go
        std::shared_ptr<char[]> memory = std::make_shared_for_overwrite<char[]>(size);
        char* const data = memory.get();
        return {.owner = std::move(memory), .data = data, .size = size};
    }
    std::unique_ptr<char[]> memory;
    {
        const std::lock_guard lock(shelf_->mutex);
        if (!shelf_->blocks.empty()) {
            memory = std::move(shelf_->blocks.back());
            shelf_->blocks.pop_back();
        }
    }
    if (!memory) memory = std::make_unique_for_overwrite<char[]>(kBlockBytes);
    char* const data = memory.get();
    auto give_back = [shelf = shelf_](char* block) {
        std::unique_ptr<char[]> returned(block);
        const std::lock_guard lock(shelf->mutex);
        if (shelf->blocks.size() < kKeptMax) shelf->blocks.push_back(std::move(returned));
    };
    return {.owner = std::shared_ptr<char>(memory.release(), std::move(give_back)),
            .data = data,
            .size = kBlockBytes};
}

// One walk through the stretches of one request.
class Reader::Walk {
  public:
    Walk(Reader& reader, const ReadRequest& request)
        : reader_(reader), request_(request), wanted_(request.from) {}

    Result<ReadOutcome> run() {
        for (const ReadStretch& stretch : request_.stretches) {
            if (full()) break;
            WEFT_TRY_VOID(walk(stretch));
        }
        finish_block();
        return std::move(outcome_);
    }

  private:
    bool full() const {
        return outcome_.entries.size() >= request_.max_entries ||
               (bytes_ >= request_.max_bytes && !outcome_.entries.empty());
    }
    Result<> walk(const ReadStretch& stretch);
    Result<std::string_view> view(File& file, const ReadStretch& stretch, std::size_t size);
    void take(const ReadStretch& stretch, const RecordHeader& header, std::string_view body);
    void skip_to(const ReadStretch& stretch, EntryId entry);
    void finish_block();

    Reader& reader_;
    const ReadRequest& request_;
    EntryId wanted_;  // the next entry of the ledger
    ReadOutcome outcome_;
    std::size_t bytes_ = 0;  // of the entries taken

    std::uint64_t position_ = 0;
    BlockPool::Block block_;
    std::uint64_t block_at_ = 0;  // where in the segment it was read
    std::size_t block_filled_ = 0;
    std::size_t block_first_ = 0;  // the first entry of the outcome that lies in it
};

// What is at the position, `size` bytes unless the confirmed part ends before.
Result<std::string_view> Reader::Walk::view(File& file, const ReadStretch& stretch, std::size_t size) {
    const std::uint64_t left = stretch.limit - position_;
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left));
    const bool held =
        block_.data != nullptr && position_ >= block_at_ && position_ + size <= block_at_ + block_filled_;
    if (!held) {
        finish_block();
        const std::uint64_t more = std::min<std::uint64_t>(request_.max_bytes, BlockPool::kBlockBytes) -
                                   std::min<std::uint64_t>(bytes_, request_.max_bytes);
        const std::uint64_t guess =
            std::clamp<std::uint64_t>(more + more / 4, kChunkBytesMin, BlockPool::kBlockBytes);
        const std::uint64_t chunk = std::min<std::uint64_t>(
            std::max<std::uint64_t>(stretch.sparseness > 4 ? kChunkBytesMin : guess, size), left);
        block_ = reader_.blocks_.take(chunk);
        block_at_ = position_;
        block_first_ = outcome_.entries.size();
        block_filled_ = 0;
        WEFT_TRY(block_filled_, file.read_at(position_, block_.data, chunk));
        size = std::min(size, block_filled_);
    }
    return std::string_view(block_.data + (position_ - block_at_), size);
}

Result<> Reader::Walk::walk(const ReadStretch& stretch) {
    WEFT_TRY(File* const file, reader_.file_of(stretch.segment));
    finish_block();
    position_ = stretch.from;
    auto point = stretch.points.begin();
    while (!full() && wanted_ < stretch.end && position_ + kRecordHeaderBytes <= stretch.limit) {
        while (point != stretch.points.end() && point->entry < wanted_) ++point;
        if (point != stretch.points.end() && point->entry == wanted_)
            position_ = std::max(position_, point->offset);
        WEFT_TRY(const std::string_view bytes, view(*file, stretch, kRecordHeaderBytes));
        if (bytes.size() < kRecordHeaderBytes) break;
        const auto header = decode_record_header(bytes.data(), stretch.tag);
        const std::uint64_t size = header ? record_bytes(header->body_size) : kRecordAlign;
        if (!header || position_ + size > stretch.limit) {  // damaged: look for the next one
            position_ += kRecordAlign;
            continue;
        }
        if (header->kind == RecordKind::entry && header->ledger == request_.ledger &&
            header->entry >= wanted_) {
            WEFT_TRY(const std::string_view record,
                     view(*file, stretch, kRecordHeaderBytes + header->body_size));
            if (record.size() == kRecordHeaderBytes + header->body_size) {
                take(stretch, *header, record.substr(kRecordHeaderBytes));
            }
        }
        position_ += size;
    }
    if (!full()) skip_to(stretch, stretch.end);
    return {};
}

void Reader::Walk::skip_to(const ReadStretch& stretch, EntryId entry) {
    if (wanted_ < entry) {
        outcome_.damage.push_back({.segment = stretch.segment,
                                   .offset = position_,
                                   .kind = Damage::Kind::entry,
                                   .ledger = request_.ledger,
                                   .first = wanted_,
                                   .end = entry});
    }
    wanted_ = std::max(wanted_, entry);
}

void Reader::Walk::take(const ReadStretch& stretch, const RecordHeader& header, std::string_view body) {
    skip_to(stretch, header.entry);
    if (crc32c(body) != header.body_crc) {
        skip_to(stretch, header.entry + 1);
        return;
    }
    outcome_.entries.push_back({header.entry, Bytes(block_.owner, body.data(), body.size())});
    bytes_ += body.size();
    outcome_.next = {stretch.segment, position_ + record_bytes(body.size())};
    wanted_ = header.entry + 1;
}

// A block of which little is used is not worth keeping alive: its entries are copied out.
void Reader::Walk::finish_block() {
    if (block_.data == nullptr) return;
    const auto entries = std::span(outcome_.entries).subspan(block_first_);
    std::size_t used = 0;
    for (const StoredEntry& entry : entries) used += entry.data.size();
    if (used * 4 < block_.size && !entries.empty()) {
        const auto memory = std::make_shared_for_overwrite<char[]>(used);
        char* out = memory.get();
        for (StoredEntry& entry : entries) {
            const std::size_t size = entry.data.size();
            std::memcpy(out, entry.data.data(), size);
            entry.data = Bytes(memory, out, size);
            out += size;
        }
    }
    block_ = {};
    block_filled_ = 0;
}

Result<ReadOutcome> Reader::read(const ReadRequest& request) { return Walk(*this, request).run(); }

Result<File*> Reader::file_of(std::uint64_t segment) {
    const auto found = std::ranges::find(open_, segment, &OpenFile::segment);
    if (found != open_.end()) {
        std::rotate(open_.begin(), found, found + 1);
        return open_.front().file.get();
    }
    WEFT_TRY(auto file, directory_.files().open(directory_.at(segment_name(segment))));
    if (open_.size() >= kOpenFilesMax) open_.pop_back();
    open_.push_front({segment, std::move(file)});
    return open_.front().file.get();
}

void Reader::forget(std::uint64_t segment) {
    std::erase_if(open_, [&](const OpenFile& open) { return open.segment == segment; });
}

}  // namespace weft::store
