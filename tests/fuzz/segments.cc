// What a data directory may hold: segments, indexes and a snapshot whose checks are right and whose content
// is anything, damaged and cut. Recovery must refuse it with a message, or serve it; and what it serves once
// it must serve again.

#include <algorithm>

#include "base/crc32c.h"
#include "input.h"
#include "observe/log.h"
#include "store/directory.h"
#include "store/format.h"
#include "store/recovery.h"
#include "store/snapshot.h"
#include "store/testing/sim_file_system.h"
#include "store/tests/store_fixture.h"

namespace weft::fuzz {
namespace {

using namespace store;

constexpr std::uint64_t kSegmentBytes = 16U << 10;
constexpr std::uint32_t kTag = 0x7a65;
constexpr std::uint64_t kTooLarge = 1ULL << 48;  // ids near the end of numbers: only that nothing breaks

/// Writes a directory as the input says.
class Directory {
  public:
    void build(Input& input) {
        while (!input.empty() && files_.size() < 16) step(input);
        seal();
        write(segment_name(sequence_), segment_);
    }
    std::unique_ptr<SimFileSystem> files() const {
        auto made = std::make_unique<SimFileSystem>();
        (void)made->make_directories("/data");
        for (const auto& [name, content] : files_) {
            const auto file = made->create("/data/" + name);
            const std::string_view pieces[] = {content};
            must(file && (*file)->write_at(0, pieces) && (*file)->sync(), "a file is written");
        }
        (void)made->sync_directory("/data");
        return made;
    }

  private:
    void step(Input& input) {
        const std::uint8_t what = input.byte() % 16;
        if (what < 9) return add_record(input, static_cast<RecordKind>(what % 7 + 1));
        switch (what) {
            case 9:
                return next_segment(input);
            case 10:
                if (!segment_.empty())
                    segment_[input.u16() % segment_.size()] ^= static_cast<char>(1 << input.byte() % 8);
                return;
            case 11:
                return segment_.resize(std::min<std::size_t>(segment_.size(), input.u16()));
            case 12:
                return add_index(input);
            case 13:
                return add_snapshot(input);
            case 14:
                segment_.append(input.text());
                return;
            default:
                return write(std::string(input.byte() % 2 == 0 ? kSnapshotName : std::string_view("x.new")),
                             std::string(input.text()));
        }
    }

    void add_record(Input& input, RecordKind kind) {
        const std::uint8_t flags = input.byte();
        if (segment_.empty()) start(input);
        RecordHeader header;
        header.kind = kind;
        header.ledger = kind == RecordKind::map_put ? input.byte() % 8 : 1 + input.number();
        // The ids of a ledger count up: no writer does otherwise, and these records pass their checks.
        const std::uint64_t next = next_entry_[header.ledger];
        header.entry = kind != RecordKind::entry ? input.number()
                       : (flags & 1) != 0        ? next + input.byte()
                                                 : next;
        if (kind == RecordKind::entry && header.entry < kTooLarge)
            next_entry_[header.ledger] = header.entry + 1;
        header.epoch = (flags & 2) != 0 ? ++epoch_ : epoch_;
        header.confirmed = (flags & 4) != 0 ? input.u16() : static_cast<std::uint32_t>(segment_.size());
        const std::string body(kind < RecordKind::ledger_create ? input.text() : std::string_view());
        header.body_size = static_cast<std::uint32_t>(body.size());
        header.body_crc = crc32c(body) ^ ((flags & 8) != 0 ? 1U : 0U);
        if (segment_.size() + record_bytes(body.size()) > kSegmentBytes) return next_segment(input);
        const std::size_t at = segment_.size();
        segment_.resize(at + record_bytes(body.size()));
        encode_record_header(header, kTag, segment_.data() + at);
        body.copy(segment_.data() + at + kRecordHeaderBytes, body.size());
    }
    void start(Input& input) {
        SegmentHeader header;
        header.tag = kTag;
        header.sequence = sequence_;
        const bool lies = input.byte() % 16 == 0;
        header.previous_sequence = lies ? input.number() : previous_sequence_;
        header.previous_end = lies ? input.number() : previous_end_;
        segment_ = encode_segment_header(header);
    }
    void seal() {
        if (segment_.size() < kSegmentBytes && !segment_.empty()) segment_.resize(kSegmentBytes);
    }
    void next_segment(Input& input) {
        if (segment_.empty()) start(input);
        previous_sequence_ = sequence_;
        previous_end_ = segment_.size();
        seal();
        write(segment_name(sequence_), std::exchange(segment_, {}));
        sequence_ += input.byte() % 16 == 0 ? 2 : 1;
    }
    void add_index(Input& input) {
        SegmentIndex index;
        index.sequence = sequence_ - input.byte() % 2;
        index.tag = kTag;
        index.end = input.byte() % 2 == 0 ? previous_end_ : input.number();
        for (int extents = input.byte() % 4; extents > 0; --extents) {
            Extent extent;
            extent.first = input.number();
            extent.end = extent.first + 1 + input.number();
            extent.bytes = input.number();
            extent.points.push_back({extent.first, input.u16()});
            index.extents.emplace_back(1 + input.number(), extent);
        }
        write(index_name(index.sequence), encode_index(index));
    }
    void add_snapshot(Input& input) {
        std::map<std::string, Bytes, std::less<>> map;
        for (int entries = input.byte() % 4; entries > 0; --entries) {
            std::string key(input.text());
            map[key] = Bytes::copy_of(input.text());
        }
        std::vector<std::pair<LedgerId, Snapshot::LedgerState>> ledgers;
        for (int count = input.byte() % 4; count > 0; --count)
            ledgers.push_back({1 + input.number(), {.first = input.number(), .end = input.number()}});
        std::string file = encode_snapshot(encode_snapshot_content(input.number(), map, ledgers),
                                           {sequence_ - input.byte() % 2, input.u16()});
        if (input.byte() % 8 == 0) file.resize(input.u16() % (file.size() + 1));
        write(std::string(kSnapshotName), std::move(file));
    }
    void write(const std::string& name, std::string content) { files_[name] = std::move(content); }

    std::map<std::string, std::string> files_;
    std::string segment_;
    std::uint64_t sequence_ = 1, previous_sequence_ = 0, previous_end_ = 0;
    std::uint16_t epoch_ = 1;
    std::map<LedgerId, EntryId> next_entry_;
};

StoreOptions options() {
    return {.directory = "/data", .segment_bytes = kSegmentBytes, .free_segments_max = 1};
}

using Content = std::map<LedgerId, std::map<EntryId, std::string>>;

// Everything that is served of these ledgers, as far as a reader would go.
Content content_of(StoreOnLoop& opened, const std::vector<LedgerId>& ledgers) {
    Content content;
    for (const LedgerId id : ledgers) {
        const auto info = opened.info(id);
        if (!info) continue;
        must(info->first <= info->end, "a ledger's first entry is not behind its end");
        auto& entries = content[id];
        for (EntryId from = info->first; from < info->end && entries.size() < 1000;) {
            const auto some = opened.read(id, from);
            must(some.has_value(), "what is there can be read");
            if (some->empty()) break;
            for (const StoredEntry& entry : *some) {
                must(entry.id >= from && entry.id < info->end, "entries come in order, up to the end");
                entries[entry.id] = entry.data.str();
                from = entry.id + 1;
            }
        }
    }
    return content;
}

void open_twice(const SimFileSystem& image, const std::vector<LedgerId>& ledgers) {
    const auto files = image.after_kill();
    Content before;
    std::map<std::string, std::string> map;
    {
        StoreOnLoop opened(*files, options());
        if (!opened.is_open()) return;  // files that recovery found in order may still not be writable
        before = content_of(opened, ledgers);
        map = opened.map();
        must(opened.put("new", "value").has_value(), "a store that opened can be written");
        map["new"] = "value";
        for (auto& [id, entries] : before) {
            const auto appended = opened.append(id, "appended");
            must(appended && !entries.contains(*appended), "no id is given twice");
            entries[*appended] = "appended";
        }
    }
    const auto later = files->after_kill();
    StoreOnLoop opened(*later, options());
    must(opened.is_open(), "a store that opened once opens again");
    must(opened.map() == map, "the map is as it was");
    const Content after = content_of(opened, ledgers);
    for (const auto& [id, entries] : before) {
        const auto served = after.find(id);
        must(served != after.end() && std::ranges::includes(served->second, entries),
             "what was served is served again");
    }
}

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weft;
    observe::set_level(observe::Level::off);
    fuzz::Input input(data, size);
    const bool whole_store = input.byte() % 8 == 0;
    fuzz::Directory directory;
    directory.build(input);
    const auto image = directory.files();
    const auto files = image->after_kill();
    store::StoreOptions options = fuzz::options();
    store::Directory opened(*files, options.directory, 0);
    store::SegmentPool pool(opened, options.segment_bytes, options.free_segments_max);
    const auto recovered = store::recover(opened, pool, options.tail_cache_bytes);
    if (!recovered) {
        fuzz::must(!recovered.error().message.empty(), "an error says what is wrong");
        return 0;
    }
    std::vector<store::LedgerId> ledgers;
    bool usual = recovered->table.next_id() < fuzz::kTooLarge && recovered->end.sequence < fuzz::kTooLarge;
    for (const auto& [id, ledger] : recovered->table.all()) {
        ledgers.push_back(id);
        usual =
            usual && id < fuzz::kTooLarge && ledger.end < fuzz::kTooLarge && ledger.next < fuzz::kTooLarge;
        (void)store::LedgerTable::bytes_of(ledger);
    }
    if (whole_store && usual) fuzz::open_twice(*image, ledgers);
    return 0;
}
