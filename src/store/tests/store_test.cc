// The store on real files: what it promises as long as nothing goes wrong.

#include "store/store.h"

#include <gmock/gmock.h>

#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

class StoreTest : public testing::Test {
  protected:
    StoreOptions options() const { return {.directory = directory_.path() + "/data"}; }
    StoreOptions small() const {
        StoreOptions o = options();
        o.segment_bytes = 64U << 10;
        o.tail_cache_bytes = 4U << 10;
        return o;
    }
    static std::string text_of(EntryId id, std::size_t size = 100) {
        std::string text = str_cat("entry ", id, " ");
        text.resize(std::max(size, text.size()), static_cast<char>('a' + id % 26));
        return text;
    }
    static void expect_entries(const std::vector<StoredEntry>& entries, EntryId first, EntryId end,
                               std::size_t size = 100) {
        ASSERT_EQ(entries.size(), end - first);
        for (EntryId id = first; id < end; ++id) {
            ASSERT_EQ(entries[id - first].id, id);
            ASSERT_EQ(entries[id - first].data.view(), text_of(id, size)) << id;
        }
    }

    TemporaryDirectory directory_;
    std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(StoreTest, gives_back_what_was_appended_after_reopening) {
    LedgerId ledger = 0;
    {
        StoreOnLoop opened(*files_, options());
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        ledger = opened.create_ledger();
        for (EntryId id = 0; id < 10; ++id) ASSERT_EQ(opened.append(ledger, text_of(id)), id);
        expect_entries(opened.read_all(ledger), 0, 10);
        ASSERT_TRUE(opened.put("a", "1"));
        ASSERT_TRUE(opened.put("b", "2"));
        ASSERT_TRUE(opened.put("a", "3"));
        ASSERT_TRUE(opened.erase("b"));
    }
    StoreOnLoop opened(*files_, options());
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    expect_entries(opened.read_all(ledger), 0, 10);
    EXPECT_THAT(opened.map(), testing::ElementsAre(testing::Pair("a", "3")));
    EXPECT_EQ(opened.append(ledger, text_of(10)), 10U);
    expect_entries(opened.read_all(ledger, 5), 5, 11);
    EXPECT_GT(opened.create_ledger(), ledger);
}

TEST_F(StoreTest, goes_through_many_segments_and_ledgers) {
    std::vector<LedgerId> ledgers;
    constexpr EntryId kEntries = 2000;
    {
        StoreOnLoop opened(*files_, small());
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        for (int i = 0; i < 3; ++i) ledgers.push_back(opened.create_ledger());
        for (EntryId id = 0; id < kEntries; id += 100) {
            for (const LedgerId ledger : ledgers) {
                std::vector<std::string> texts;
                for (EntryId i = id; i < id + 100; ++i) texts.push_back(text_of(i));
                for (const auto& outcome : opened.append_all(ledger, texts)) ASSERT_TRUE(outcome);
            }
        }
        EXPECT_GT(opened.stats().segments, 10U);
        for (const LedgerId ledger : ledgers) expect_entries(opened.read_all(ledger), 0, kEntries);
    }
    for (int round = 0; round < 3; ++round) {
        StoreOnLoop opened(*files_, small());
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        for (const LedgerId ledger : ledgers) {
            EXPECT_EQ(opened.info(ledger)->end, kEntries);
            EXPECT_EQ(opened.info(ledger)->bytes, kEntries * 100);
            expect_entries(opened.read_all(ledger), 0, kEntries);
        }
        EXPECT_EQ(opened.read(ledgers[1], 777, 1)->front().data.view(), text_of(777));
    }
}

TEST_F(StoreTest, reads_no_more_than_asked_for_but_at_least_one) {
    StoreOnLoop opened(*files_, small());
    const LedgerId ledger = opened.create_ledger();
    std::vector<std::string> texts;
    for (EntryId id = 0; id < 1000; ++id) texts.push_back(text_of(id));
    opened.append_all(ledger, texts);
    EXPECT_EQ(opened.read(ledger, 0, 7)->size(), 7U);
    EXPECT_EQ(opened.read(ledger, 0, 1000, 1)->size(), 1U);
    EXPECT_EQ(opened.read(ledger, 0, 1000, 250)->size(), 3U);
    EXPECT_EQ(opened.read(ledger, 999, 1000, 1)->size(), 1U);
    EXPECT_EQ(opened.read(ledger, 998, 1000, 250)->size(), 2U);
    EXPECT_EQ(opened.read(ledger, 1000)->size(), 0U);
    EXPECT_EQ(opened.read(ledger + 1, 0).error().code, ErrorCode::not_found);
}

TEST_F(StoreTest, takes_large_entries) {
    LedgerId ledger = 0;
    const auto large = [](EntryId id) { return text_of(id, (5U << 20) + id * 777); };
    {
        StoreOnLoop opened(*files_, options());
        ledger = opened.create_ledger();
        for (EntryId id = 0; id < 15; ++id) ASSERT_EQ(opened.append(ledger, large(id)), id);
        EXPECT_EQ(opened.append(ledger, std::string(9U << 20, 'x')).error().code, ErrorCode::too_large);
    }
    StoreOnLoop opened(*files_, options());
    const auto entries = opened.read_all(ledger);
    ASSERT_EQ(entries.size(), 15U);
    for (EntryId id = 0; id < 15; ++id) EXPECT_EQ(entries[id].data.view(), large(id));
}

TEST_F(StoreTest, reuses_the_files_of_segments_that_hold_nothing_live) {
    constexpr EntryId kRound = 500;
    StoreOnLoop opened(*files_, small());
    const LedgerId ledger = opened.create_ledger();
    EntryId next = 0;
    for (int round = 0; round < 20; ++round) {
        std::vector<std::string> texts;
        for (EntryId i = 0; i < kRound; ++i) texts.push_back(text_of(next + i));
        for (const auto& outcome : opened.append_all(ledger, texts)) ASSERT_TRUE(outcome);
        next += kRound;
        opened.run([&] { opened.store().trim(ledger, next - 10); });
        ASSERT_TRUE(opened.put("round", str_cat(round)));
        expect_entries(opened.read_all(ledger), next - 10, next);
    }
    // The files follow when the snapshot is on the disk.
    for (int i = 0; i < 1000 && opened.stats().segments > 4; ++i) ASSERT_TRUE(opened.put("wait", str_cat(i)));
    EXPECT_LE(opened.stats().segments, 4U);
    opened.close();
    std::size_t bytes = 0;
    for (const auto& item : std::filesystem::directory_iterator(options().directory))
        bytes += item.file_size();
    EXPECT_LT(bytes, 24 * small().segment_bytes);

    StoreOnLoop again(*files_, small());
    ASSERT_TRUE(again.is_open()) << again.error().message;
    EXPECT_EQ(again.info(ledger)->first, next - 10);
    expect_entries(again.read_all(ledger), next - 10, next);
    EXPECT_EQ(again.map()["round"], "19");
    EXPECT_EQ(again.append(ledger, text_of(next)), next);
}

TEST_F(StoreTest, forgets_an_erased_ledger_and_never_gives_its_id_again) {
    LedgerId erased = 0;
    {
        StoreOnLoop opened(*files_, small());
        erased = opened.create_ledger();
        opened.append(erased, "x");
        opened.run([&] { opened.store().erase_ledger(erased); });
        EXPECT_EQ(opened.append(erased, "y").error().code, ErrorCode::not_found);
        EXPECT_EQ(opened.info(erased).error().code, ErrorCode::not_found);
    }
    StoreOnLoop opened(*files_, small());
    EXPECT_EQ(opened.info(erased).error().code, ErrorCode::not_found);
    EXPECT_GT(opened.create_ledger(), erased);
}

TEST_F(StoreTest, a_ledger_without_entries_is_known_after_reopening) {
    LedgerId ledger = 0;
    {
        StoreOnLoop opened(*files_, small());
        ledger = opened.create_ledger();
        ASSERT_TRUE(opened.put("topic", "t"));
    }
    StoreOnLoop opened(*files_, small());
    EXPECT_EQ(opened.info(ledger)->end, 0U);
    EXPECT_EQ(opened.append(ledger, "x"), 0U);
}

TEST_F(StoreTest, refuses_a_directory_that_another_store_has) {
    StoreOnLoop first(*files_, options());
    StoreOnLoop second(*files_, options());
    EXPECT_FALSE(second.is_open());
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

TEST_F(StoreTest, refuses_a_path_that_is_not_a_directory) {
    {
        std::filesystem::create_directory(directory_.path() + "/d");
    }
    ASSERT_TRUE(files_->create(directory_.path() + "/data"));
    StoreOnLoop opened(*files_, options());
    EXPECT_EQ(opened.error().code, ErrorCode::io);
}

TEST_F(StoreTest, refuses_over_the_pending_limit_in_turn_and_heals) {
    StoreOptions o = options();
    o.pending_bytes_max = 1000;
    StoreOnLoop opened(*files_, o);
    const LedgerId ledger = opened.create_ledger();
    const auto outcomes = opened.append_all(ledger, std::vector<std::string>(20, std::string(100, 'x')));
    ASSERT_EQ(outcomes.size(), 20U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(outcomes[i], i);
    for (std::size_t i = 10; i < 20; ++i) EXPECT_EQ(outcomes[i].error().code, ErrorCode::limit_reached);
    EXPECT_EQ(opened.append(ledger, "x"), 10U);
}

}  // namespace
}  // namespace weft::store
