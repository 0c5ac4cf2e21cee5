#include "store/inspect.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "store/directory.h"
#include "store/format.h"
#include "store/scan.h"
#include "store/snapshot.h"

namespace weft::store {
namespace {

constexpr std::uint64_t kFileBytesMax = 4ULL << 30;
constexpr std::uint64_t kChunkBytes = 1U << 20;

/// A file's content, to be scanned.
class MemoryFile final : public File {
  public:
    explicit MemoryFile(std::string_view content) : content_(content) {}
    Result<> write_at(std::uint64_t, std::span<const std::string_view>) override { return refused(); }
    Result<std::size_t> read_at(std::uint64_t offset, char* data, std::size_t size) override {
        if (offset >= content_.size()) return 0;
        return content_.copy(data, size, offset);
    }
    Result<> sync() override { return {}; }
    Result<std::uint64_t> size() override { return content_.size(); }
    Result<> allocate(std::uint64_t) override { return refused(); }

  private:
    static Result<> refused() { return fail(ErrorCode::internal, "an inspected file is not written"); }
    const std::string_view content_;
};

class Inspector {
  public:
    Inspector(FileSystem& files, const std::string& directory, const FileVisitor& visit)
        : directory_(files, directory, 0), visit_(visit) {}

    Result<Inspection> run();

  private:
    struct Listed {
        SegmentHeader header;
        bool half_damaged = false;  // one of the header's two copies
    };
    Result<> list();
    Result<std::optional<Listed>> header_of(std::uint64_t sequence);
    Result<Inspection> look_at_unwritten();
    Result<> look_at_snapshot();
    Result<> look_at_segment(std::size_t i);
    Result<std::string> read_backwards(std::uint64_t sequence);
    void look_at_index(const SegmentHeader& header, std::uint64_t end);
    void note(std::uint64_t segment, const ScannedRecord& record);
    void note_map(const ScannedRecord& record);

    Directory directory_;
    const FileVisitor& visit_;
    Inspection found_;
    std::vector<Listed> segments_;  // ascending
    std::vector<std::uint64_t> indexes_;
    bool locked_once_ = false;  // a store was opened here
    LogPosition snapshot_;
    std::map<LedgerId, EntryId> next_;      // the entry that must come next in a ledger, as far as seen
    std::uint64_t unreadable_segment_ = 0;  // the last one with bytes that nobody can read
};

Result<Inspection> Inspector::run() {
    // The snapshot first: what it covers is what the segments listed later go on from.
    WEFT_TRY_VOID(look_at_snapshot());
    WEFT_TRY_VOID(list());
    if (segments_.empty() && found_.bytes == 0) return look_at_unwritten();
    if (found_.bytes == 0 && segments_.front().header.sequence != 1)
        found_.damaged_files.push_back(str_cat(kSnapshotName, ": missing"));
    for (std::size_t i = 0; i < segments_.size(); ++i) WEFT_TRY_VOID(look_at_segment(i));
    return std::move(found_);
}

// A store that is open and has not written anything yet, or never did. Its lock stands for it, also in a
// copy.
Result<Inspection> Inspector::look_at_unwritten() {
    if (!locked_once_) return fail(ErrorCode::not_found, "there is no store in ", directory_.path());
    WEFT_TRY_VOID(visit_({.name = kLockName, .content = {}}));
    return std::move(found_);
}

Result<std::optional<Inspector::Listed>> Inspector::header_of(std::uint64_t sequence) {
    auto file = directory_.files().open(directory_.at(segment_name(sequence)));
    if (!file && file.error().code == ErrorCode::not_found) return std::nullopt;
    if (!file) return std::unexpected(std::move(file).error());
    std::string block(kSegmentHeaderBytes, '\0');
    WEFT_TRY(const std::size_t got, (*file)->read_at(0, block.data(), block.size()));
    block.resize(got);
    WEFT_TRY(const auto header, decode_segment_header(block));
    if (!header || header->sequence != sequence) return std::nullopt;
    const auto half = std::string_view(block).substr(std::min<std::size_t>(got, kSegmentHeaderBytes / 2));
    WEFT_TRY(const auto copy, decode_segment_header(half));
    block.resize(std::min<std::size_t>(got, kSegmentHeaderBytes / 2));
    WEFT_TRY(const auto first, decode_segment_header(block));
    return Listed{.header = *header, .half_damaged = !copy || !first};
}

Result<> Inspector::list() {
    WEFT_TRY(auto names, directory_.files().list(directory_.path()));
    std::ranges::sort(names);
    std::vector<std::uint64_t> headless;
    for (const std::string& name : names) {
        if (name == kLockName) locked_once_ = true;
        if (const auto index = index_of(name)) indexes_.push_back(*index);
        const auto sequence = segment_of(name);
        if (!sequence) continue;
        WEFT_TRY(const auto listed, header_of(*sequence));
        if (listed) {
            segments_.push_back(*listed);
        } else {
            headless.push_back(*sequence);
        }
    }
    for (const std::uint64_t sequence : headless) {  // the newest is one that is made ready for use
        if (segments_.empty() || sequence > segments_.back().header.sequence) continue;
        found_.damaged_files.push_back(str_cat(segment_name(sequence), ": its header is damaged"));
    }
    return {};
}

Result<> Inspector::look_at_snapshot() {
    auto bytes = directory_.read_file(kSnapshotName, kFileBytesMax);
    if (!bytes && bytes.error().code == ErrorCode::not_found) return {};
    if (!bytes) return std::unexpected(std::move(bytes).error());
    found_.bytes += bytes->size();
    bool half_damaged = false;
    auto snapshot = decode_snapshot(*bytes, &half_damaged);
    if (half_damaged)
        found_.damaged_files.push_back(str_cat(kSnapshotName, ": one of its two copies is damaged"));
    if (snapshot) {
        snapshot_ = snapshot->position;
        found_.map = std::move(snapshot->map);
    } else if (snapshot.error().message.find("format version") != std::string::npos) {
        return std::unexpected(std::move(snapshot).error().context(directory_.at(kSnapshotName)));
    } else {
        found_.damaged_files.push_back(str_cat(kSnapshotName, ": both copies are damaged"));
    }
    return visit_({.name = kSnapshotName, .content = *bytes});
}

// From the end to the beginning: what a record that is seen has confirmed was written before it, so it is
// there when its part of the file is read. And the header, read last, tells whether the file has been given
// to another segment meanwhile.
Result<std::string> Inspector::read_backwards(std::uint64_t sequence) {
    WEFT_TRY(const auto file, directory_.files().open(directory_.at(segment_name(sequence))));
    WEFT_TRY(const std::uint64_t size, file->size());
    if (size > kFileBytesMax)
        return fail(ErrorCode::too_large, segment_name(sequence), " has ", size, " bytes");
    std::string content(size, '\0');
    for (std::uint64_t end = size; end > 0;) {
        const std::uint64_t begin = (end - 1) / kChunkBytes * kChunkBytes;
        WEFT_TRY(const std::size_t got, file->read_at(begin, content.data() + begin, end - begin));
        if (got < end - begin) std::memset(content.data() + begin + got, 0, end - begin - got);
        end = begin;
    }
    return content;
}

Result<> Inspector::look_at_segment(std::size_t i) {
    const SegmentHeader& header = segments_[i].header;
    const std::string name = segment_name(header.sequence);
    if (segments_[i].half_damaged)
        found_.damaged_files.push_back(str_cat(name, ": one of the two copies of its header is damaged"));
    auto content = read_backwards(header.sequence);
    if (!content && content.error().code != ErrorCode::not_found) return std::unexpected(content.error());
    const auto now = content
                         ? decode_segment_header(std::string_view(*content).substr(0, kSegmentHeaderBytes))
                         : Result<std::optional<SegmentHeader>>(std::nullopt);
    if (!now || !*now || (*now)->tag != header.tag)
        return fail(ErrorCode::conflict, "segment ", name, " was let go while it was read: try again");
    std::optional<std::uint64_t> known_end;
    if (i + 1 < segments_.size() && segments_[i + 1].header.previous_sequence == header.sequence)
        known_end = segments_[i + 1].header.previous_end;
    MemoryFile file(*content);
    WEFT_TRY(const ScanEnd end, scan_segment(file, header.tag, known_end, [&](const ScannedRecord& record) {
                 note(header.sequence, record);
             }));
    ++found_.segments;
    found_.bytes += end.end;
    found_.end_segment = header.sequence;
    found_.end_offset = end.end;
    look_at_index(header, end.end);
    return visit_({.name = name, .content = std::string_view(*content).substr(0, end.end)});
}

void Inspector::look_at_index(const SegmentHeader& header, std::uint64_t end) {
    if (!std::ranges::binary_search(indexes_, header.sequence)) return;
    const auto bytes = directory_.read_file(index_name(header.sequence), kFileBytesMax);
    if (!bytes) return;  // gone with its segment
    const auto index = decode_index(*bytes);
    found_.bytes += bytes->size();
    if (index && index->tag == header.tag && index->end == end) return;
    found_.damaged_files.push_back(
        str_cat(index_name(header.sequence), ": damaged; it is made again at the next start"));
}

void Inspector::note(std::uint64_t segment, const ScannedRecord& record) {
    if (record.damaged || record.mended || !record.header)
        found_.damage.push_back(damage_of(segment, record));
    if (!record.header) {
        unreadable_segment_ = segment;
        return;
    }
    const RecordHeader& header = *record.header;
    if (header.kind == RecordKind::entry) {
        ++found_.entries;
        EntryId& next = next_.try_emplace(header.ledger, header.entry).first->second;
        if (header.entry > next && unreadable_segment_ == segment) {
            found_.damage.push_back({.segment = segment,
                                     .offset = record.offset,
                                     .kind = Damage::Kind::entry,
                                     .ledger = header.ledger,
                                     .first = next,
                                     .end = header.entry});
        }
        next = header.entry + 1;
    } else if (!record.damaged && LogPosition{segment, record.offset} >= snapshot_) {
        note_map(record);
    }
}

void Inspector::note_map(const ScannedRecord& record) {
    if (record.header->kind == RecordKind::map_put) {
        const std::size_t key_size = record.header->ledger;
        found_.map.insert_or_assign(std::string(record.body.substr(0, key_size)),
                                    Bytes::copy_of(record.body.substr(key_size)));
    } else if (record.header->kind == RecordKind::map_erase) {
        if (const auto known = found_.map.find(record.body); known != found_.map.end())
            found_.map.erase(known);
    }
}

}  // namespace

Result<Inspection> inspect(FileSystem& files, const std::string& directory, const FileVisitor& visit) {
    return Inspector(files, directory, visit).run();
}

}  // namespace weft::store
