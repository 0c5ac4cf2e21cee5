// Damaged files: torn tails, flipped bits, missing files, newer versions.

#include <gmock/gmock.h>

#include <random>

#include "base/crc32c.h"
#include "store/directory.h"
#include "store/format.h"
#include "store/testing/sim_file_system.h"
#include "store/tests/log_capture.h"
#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

const StoreOptions kOptions{.directory = "/data", .segment_bytes = 32U << 10, .tail_cache_bytes = 0};

std::string text_of(EntryId id) { return str_cat("entry ", id, " ", std::string(id * 37 % 300, 'x')); }

std::string segment_path(std::uint64_t sequence) { return str_cat("/data/", segment_name(sequence)); }

/// One group per entry in ledger 1; `puts` of them followed by a map write.
void fill(SimFileSystem& files, EntryId entries) {
    StoreOnLoop opened(files, kOptions);
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    ASSERT_EQ(opened.create_ledger(), 1U);
    for (EntryId id = 0; id < entries; ++id) {
        ASSERT_EQ(opened.append(1, text_of(id)), id);
        if (id % 10 == 0) ASSERT_TRUE(opened.put(str_cat("key ", id), str_cat("value ", id)));
    }
}

/// Offsets of the records of a segment, and its end.
std::vector<std::uint64_t> record_offsets(const std::string& content) {
    const auto header = decode_segment_header(std::string_view(content).substr(0, kSegmentHeaderBytes));
    std::vector<std::uint64_t> offsets{kSegmentHeaderBytes};
    while (offsets.back() + kRecordHeaderBytes <= content.size()) {
        const auto record = decode_record_header(content.data() + offsets.back(), (*header)->tag);
        if (!record) break;
        offsets.push_back(offsets.back() + record_bytes(record->body_size));
    }
    return offsets;
}

TEST(Damage, a_segment_header_that_skips_a_segment_is_none) {
    SegmentHeader header{.tag = 1, .sequence = 3, .previous_sequence = 2, .previous_end = 8192};
    const auto decoded = decode_segment_header(encode_segment_header(header));
    ASSERT_TRUE(decoded && *decoded);
    EXPECT_EQ((*decoded)->previous_end, 8192U);
    header.previous_sequence = 1;
    const auto skipping = decode_segment_header(encode_segment_header(header));
    ASSERT_TRUE(skipping);
    EXPECT_FALSE(*skipping);
}

TEST(Damage, a_tail_torn_at_any_length_is_cut_and_nothing_before_it) {
    SimFileSystem files;
    fill(files, 20);
    const std::string whole = files.content(segment_path(1));
    std::vector<std::uint64_t> offsets = record_offsets(whole);
    offsets.pop_back();  // the mark of the clean end: this log ends by a crash
    const std::uint64_t end = offsets.back();
    const std::uint64_t from = offsets[offsets.size() - 4];
    for (std::uint64_t cut = from; cut < end; cut += cut % 7 == 0 ? 1 : 3) {
        for (const char rest : {'\0', '\x5a'}) {
            SCOPED_TRACE(str_cat("cut at ", cut));
            files.set_bytes(segment_path(1), 0, whole);
            files.set_bytes(segment_path(1), cut, std::string(8192, rest));
            const auto records =
                static_cast<EntryId>(std::ranges::upper_bound(offsets, cut) - offsets.begin() - 1);
            const EntryId entries = records - 1 - 2;   // one is the ledger's creation, two are puts
            for (int round = 0; round < 2; ++round) {  // recovering twice finds the same
                const auto image = files.after_crash(cut);
                StoreOnLoop opened(*image, kOptions);
                ASSERT_TRUE(opened.is_open()) << opened.error().message;
                const auto found = opened.read_all(1);
                // Cut within the padding behind a record, which means nothing.
                const bool padding = *std::ranges::upper_bound(offsets, cut) - cut < kRecordAlign;
                ASSERT_THAT(found.size(), testing::AnyOf(entries, padding ? entries + 1 : entries));
                for (EntryId id = 0; id < entries; ++id) ASSERT_EQ(found[id].data.view(), text_of(id));
                ASSERT_EQ(opened.append(1, "next"), found.size());
                ASSERT_EQ(opened.read_all(1).size(), found.size() + 1);
            }
        }
    }
}

/// The log's last 4 KiB, cut at every length: everything whose bytes are left is there.
TEST(Damage, a_log_cut_anywhere_in_its_last_4_KiB_keeps_what_is_before_the_cut) {
    SimFileSystem files;
    {
        StoreOnLoop opened(files, kOptions);
        opened.create_ledger();
        // Groups of one and of several.
        for (EntryId id = 0; id < 60; id += 3) {
            ASSERT_EQ(opened.append(1, text_of(id)), id);
            for (const auto& outcome : opened.append_all(1, {text_of(id + 1), text_of(id + 2)}))
                ASSERT_TRUE(outcome);
        }
    }
    const auto killed = files.after_kill();  // from here on all that matters is what the file holds
    const std::string whole = killed->content(segment_path(1));
    std::vector<std::uint64_t> offsets = record_offsets(whole);
    const std::uint64_t end = offsets.back();
    ASSERT_GT(end, kSegmentHeaderBytes + 4096U);
    LogCapture log;
    for (std::uint64_t cut = end - 4096; cut < end; ++cut) {
        SCOPED_TRACE(str_cat("cut at ", cut));
        // The ledger's creation is the first record, the mark of the clean end the last.
        const auto records =
            static_cast<EntryId>(std::ranges::upper_bound(offsets, cut) - offsets.begin() - 1);
        const EntryId entries = std::min<EntryId>(records - 1, 60);
        const auto image = killed->after_kill();
        if (cut % 3 == 0) {
            image->truncate(segment_path(1), cut);
        } else {
            image->set_bytes(segment_path(1), cut, std::string(end - cut, cut % 3 == 1 ? '\0' : '\x5a'));
        }
        StoreOnLoop opened(*image, kOptions);
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        const auto found = opened.read_all(1);
        ASSERT_GE(found.size(), entries);
        ASSERT_LE(found.size(), entries + 1) << "one more if only padding was cut";
        for (EntryId id = 0; id < found.size(); ++id) ASSERT_EQ(found[id].data.view(), text_of(id));
    }
    EXPECT_THAT(log.text(), testing::Not(testing::HasSubstr("damaged"))) << "a cut is no damage";
}

/// Flips one bit anywhere in the files; what is lost is one entry, and it is named.
void flip_and_look(const SimFileSystem& pristine, EntryId entries, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto files = pristine.after_kill();
    // By the share of the files' bytes in use: what is behind the end of the log means nothing.
    std::vector<std::pair<std::string, std::uint64_t>> places;
    for (const std::string& name : files->list("/data").value()) {
        const std::string path = "/data/" + name;
        const std::string content = files->content(path);
        places.emplace_back(path, segment_of(name) ? record_offsets(content).back() : content.size());
    }
    std::uint64_t total = 0;
    for (const auto& [path, size] : places) total += size;
    std::uint64_t at = random() % total;
    auto place = places.begin();
    for (; at >= place->second; ++place) at -= place->second;
    files->flip_bit(place->first, at, static_cast<unsigned>(random() % 8));
    SCOPED_TRACE(str_cat("seed ", seed, " ", place->first, " offset ", at));

    LogCapture log;
    StoreOptions options = kOptions;
    options.ledger_name = [](const auto& map, LedgerId ledger) {
        return str_cat("topic-", ledger, "-of-", map.size());
    };
    StoreOnLoop opened(*files, options);
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    const auto found = opened.read_all(1);
    ASSERT_GE(found.size(), entries - 1);
    for (const StoredEntry& entry : found) ASSERT_EQ(entry.data.view(), text_of(entry.id));
    const auto map = opened.map();
    ASSERT_EQ(map.size(), (entries + 9) / 10) << "a flipped bit in the map's records is put right";
    for (const auto& [key, value] : map) ASSERT_EQ(value.substr(6), key.substr(4));
    if (found.size() < entries) {
        EntryId lost = 0;
        while (lost < found.size() && found[lost].id == lost) ++lost;
        ASSERT_THAT(log.text(), testing::HasSubstr(str_cat("a damaged entry is left out topic=topic-1-of-",
                                                           map.size(), " entry=1:", lost, " ")));
    }
    // Ids that were given are never given again.
    ASSERT_GE(opened.append(1, "next").value(), entries);
}

TEST(Damage, a_flipped_bit_costs_at_most_its_entry_which_is_named) {
    SimFileSystem pristine;
    constexpr EntryId kEntries = 300;
    fill(pristine, kEntries);
    ASSERT_FALSE(pristine.content(segment_path(2)).empty());
    for (std::uint64_t seed = 1; seed <= 400 && !testing::Test::HasFailure(); ++seed)
        flip_and_look(pristine, kEntries, seed);
}

TEST(Damage, a_flipped_bit_in_the_last_group_costs_at_most_its_entry_when_the_kill_comes_later) {
    SimFileSystem killed;
    {
        StoreOnLoop opened(killed, kOptions);
        opened.create_ledger();
        ASSERT_TRUE(opened.put("key 0", "value 0"));
        std::vector<std::string> texts;
        for (EntryId id = 0; id < 10; ++id) texts.push_back(text_of(id));
        for (const auto& outcome : opened.append_all(1, texts)) ASSERT_TRUE(outcome);
        const auto records = [&] { return record_offsets(killed.content(segment_path(1))).size(); };
        const std::size_t before = records();
        for (const auto limit = Deadline::after(20s); records() == before && !limit.passed();) opened.map();
        ASSERT_EQ(records(), before + 1) << "the mark";
        const auto image = killed.after_kill();
        for (std::uint64_t seed = 1; seed <= 200 && !testing::Test::HasFailure(); ++seed)
            flip_and_look(*image, 10, seed);
    }
}

TEST(Damage, a_damaged_entry_is_logged_once_with_its_ids) {
    SimFileSystem files;
    fill(files, 20);
    const auto offsets = record_offsets(files.content(segment_path(1)));
    files.flip_bit(segment_path(1), offsets[7] + kRecordHeaderBytes + 3,
                   2);  // after create, put, and entries 0-4
    LogCapture log;
    StoreOnLoop opened(files, kOptions);
    ASSERT_EQ(opened.read_all(1).size(), 19U);
    ASSERT_EQ(opened.read_all(1).size(), 19U);
    const std::string text = log.text();
    const auto first = text.find("damaged entry is left out");
    EXPECT_NE(first, std::string::npos) << text;
    EXPECT_THAT(text, testing::HasSubstr(" entry=1:5 segment="));
    EXPECT_EQ(text.find("damaged", first + 10), std::string::npos) << text;
}

TEST(Damage, entries_whose_records_nobody_can_read_are_named_by_the_gap) {
    SimFileSystem files;
    fill(files, 20);
    const auto offsets = record_offsets(files.content(segment_path(1)));
    files.set_bytes(segment_path(1), offsets[7], std::string(offsets[9] - offsets[7], '\x5a'));
    LogCapture log;
    StoreOnLoop opened(files, kOptions);
    ASSERT_EQ(opened.read_all(1).size(), 18U);
    EXPECT_THAT(log.text(),
                testing::AllOf(testing::HasSubstr("entry=1:5 "), testing::HasSubstr("entry=1:6 ")));
}

// Its checks are right and its id is one that no writer gives there.
TEST(Damage, a_record_that_counts_down_in_its_ledger_is_passed_over) {
    SimFileSystem pristine;
    {
        StoreOnLoop opened(pristine, kOptions);
        ASSERT_EQ(opened.create_ledger(), 1U);
        while (opened.stats().segments < 2) ASSERT_TRUE(opened.append(1, std::string(400, 'x')));
        for (int more = 0; more < 8; ++more) ASSERT_TRUE(opened.append(1, std::string(400, 'x')));
    }
    const std::string segment = pristine.content(segment_path(2));
    const auto tag = (*decode_segment_header(std::string_view(segment).substr(0, kSegmentHeaderBytes)))->tag;
    const auto offsets = record_offsets(segment);
    const auto header_at = [&](std::size_t i) { return *decode_record_header(&segment[offsets[i]], tag); };
    const std::size_t last = offsets.size() - 3;  // behind it stands the mark of the clean end
    const EntryId end = header_at(last).entry + 1;
    for (const std::size_t at : {last, last - 2}) {
        for (const EntryId id : {EntryId{0}, end - 5}) {  // of the segment before, and of this one
            SCOPED_TRACE(str_cat("record ", at, " has id ", id));
            RecordHeader header = header_at(at);
            ASSERT_EQ(header.kind, RecordKind::entry);
            const EntryId lost = std::exchange(header.entry, id);
            char bytes[kRecordHeaderBytes];
            encode_record_header(header, tag, bytes);
            const auto files = pristine.after_kill();
            files->set_bytes(segment_path(2), offsets[at], std::string_view(bytes, sizeof bytes));
            StoreOnLoop opened(*files, kOptions);
            ASSERT_TRUE(opened.is_open()) << opened.error().message;
            std::vector<EntryId> ids, expected;
            for (const StoredEntry& entry : opened.read_all(1)) ids.push_back(entry.id);
            for (EntryId each = 0; each < end; ++each) {
                if (each != lost) expected.push_back(each);
            }
            EXPECT_EQ(ids, expected);
            EXPECT_GE(opened.append(1, "next").value(), end - 1) << "no id is given twice";
        }
    }
}

TEST(Damage, an_index_that_is_damaged_or_gone_is_made_anew) {
    SimFileSystem files;
    fill(files, 300);
    const std::string path = "/data/" + index_name(1);
    ASSERT_FALSE(files.content(path).empty());
    for (std::uint64_t offset = 0; offset < files.content(path).size(); offset += 29) {
        const auto image = files.durable_only();
        if (offset == 0) {
            ASSERT_TRUE(image->remove(path));
        } else {
            image->flip_bit(path, offset, 3);
        }
        StoreOnLoop opened(*image, kOptions);
        ASSERT_EQ(opened.read_all(1).size(), 300U);
        opened.close();
        EXPECT_EQ(image->content(path), files.content(path));
    }
}

TEST(Damage, one_copy_of_the_snapshot_may_be_damaged) {
    SimFileSystem files;
    fill(files, 300);
    const std::size_t size = files.content("/data/snapshot").size();
    ASSERT_GT(size, 0U);
    for (std::uint64_t offset = 0; offset < size; offset += 31) {
        const auto image = files.durable_only();
        image->flip_bit("/data/snapshot", offset, 5);
        StoreOnLoop opened(*image, kOptions);
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        ASSERT_EQ(opened.map().size(), 30U);
        // It is written anew.
        const auto whole = [&] {
            const std::string content = image->content("/data/snapshot");
            return content.substr(0, content.size() / 2) == content.substr(content.size() / 2);
        };
        for (const auto limit = Deadline::after(20s); !whole() && !limit.passed();) opened.map();
        ASSERT_TRUE(whole());
    }
    files.flip_bit("/data/snapshot", 40, 1);
    files.flip_bit("/data/snapshot", size / 2 + 40, 1);
    StoreOnLoop opened(files, kOptions);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, testing::HasSubstr("/data/snapshot"));
}

TEST(Damage, a_newer_format_is_refused_with_its_cure) {
    SimFileSystem files;
    fill(files, 3);
    std::string block = files.content(segment_path(1)).substr(0, kSegmentHeaderBytes);
    for (const std::size_t at : {std::size_t{0}, std::size_t{kSegmentHeaderBytes / 2}}) {
        block[at + 8] = static_cast<char>(kFormatVersion + 1);
        const std::uint32_t crc = crc32c(std::string_view(block).substr(at, 44));
        block.replace(at + 44, 4, reinterpret_cast<const char*>(&crc), 4);
    }
    files.set_bytes(segment_path(1), 0, block);
    StoreOnLoop opened(files, kOptions);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    EXPECT_THAT(opened.error().message, testing::HasSubstr("start the newer weft that wrote it"));
}

TEST(Damage, whatever_the_files_hold_the_store_opens_or_says_why) {
    SimFileSystem pristine;
    fill(pristine, 300);
    const auto names = pristine.list("/data").value();
    LogCapture log;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        SCOPED_TRACE(str_cat("seed ", seed));
        std::mt19937_64 random(seed);
        const auto files = pristine.durable_only();
        for (std::uint64_t wounds = 1 + random() % 4; wounds > 0; --wounds) {
            const std::string path = "/data/" + names[random() % names.size()];
            const std::uint64_t size = files->content(path).size();
            if (size == 0) continue;
            if (random() % 5 == 0) {
                files->truncate(path, random() % size);
                continue;
            }
            std::string garbage(1 + random() % 3000, '\0');
            for (char& c : garbage) c = static_cast<char>(random());
            files->set_bytes(path, random() % size, garbage);
        }
        StoreOnLoop opened(*files, kOptions);
        if (!opened.is_open()) {
            EXPECT_EQ(opened.error().code, ErrorCode::corrupt) << opened.error().message;
            continue;
        }
        for (const StoredEntry& entry : opened.read_all(1)) ASSERT_EQ(entry.data.view(), text_of(entry.id));
        const auto id = opened.append(opened.create_ledger(), "new");
        EXPECT_EQ(id, 0U);
    }
}

TEST(Damage, a_missing_snapshot_is_not_taken_for_an_empty_one) {
    SimFileSystem files;
    {
        StoreOnLoop opened(files, kOptions);
        opened.create_ledger();
        for (int round = 0; round < 4; ++round) {
            opened.append_all(1, std::vector<std::string>(100, std::string(1000, 'x')));
            opened.run([&] { opened.store().trim(1, opened.store().info(1)->end); });
            ASSERT_TRUE(opened.put("round", str_cat(round)));
        }
    }
    ASSERT_TRUE(files.content(segment_path(1)).empty());
    ASSERT_TRUE(files.remove("/data/snapshot"));
    StoreOnLoop opened(files, kOptions);
    EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
}

TEST(Damage, behind_missing_segments_nothing_is_written_where_the_snapshot_knows_all) {
    SimFileSystem files;
    {
        StoreOnLoop opened(files, kOptions);
        opened.create_ledger();
        for (int round = 0; round < 4; ++round) {
            opened.append_all(1, std::vector<std::string>(100, std::string(1000, 'x')));
            opened.run([&] { opened.store().trim(1, opened.store().info(1)->end - 1); });
            ASSERT_TRUE(opened.put("round", str_cat(round)));
        }
    }
    ASSERT_FALSE(files.content("/data/snapshot").empty());
    const auto names = files.list("/data");
    for (const std::string& name : *names) {
        if (name.starts_with("segment-")) ASSERT_TRUE(files.remove("/data/" + name));
    }
    EntryId appended = 0;
    {
        StoreOnLoop opened(files, kOptions);
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        EXPECT_TRUE(opened.read_all(1).empty());
        appended = *opened.append(1, "new");
        ASSERT_TRUE(opened.put("round", "new"));
    }
    StoreOnLoop opened(files, kOptions);
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    EXPECT_EQ(opened.map()["round"], "new");
    const auto all = opened.read_all(1, appended);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all.front().data.str(), "new");
}

}  // namespace
}  // namespace weft::store
