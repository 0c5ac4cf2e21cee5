// Directories written by every version of the format that there has been: each must open and hold what was
// put in.

#include <gtest/gtest.h>

#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

const std::filesystem::path kSamples = WEFT_STORE_SAMPLES;

StoreOptions sample_options(const std::filesystem::path& directory) {
    return {.directory = directory.string(), .segment_bytes = 16U << 10, .free_segments_max = 0};
}

std::string sample_text(LedgerId ledger, EntryId id) {
    return str_cat("ledger ", ledger, " entry ", id, " ", std::string(id * 13 % 200, '.'));
}

// What a sample holds: two segments and a snapshot; ledger 1 trimmed, ledger 2 erased, ledger 3 empty.
void write_sample(StoreOnLoop& opened) {
    for (LedgerId ledger = 1; ledger <= 3; ++ledger) ASSERT_EQ(opened.create_ledger(), ledger);
    ASSERT_TRUE(opened.put("gone", "x"));
    ASSERT_TRUE(opened.erase("gone"));
    for (EntryId id = 0; id < 70; ++id) {
        ASSERT_EQ(opened.append(1, sample_text(1, id)), id);
        ASSERT_EQ(opened.append(2, sample_text(2, id)), id);
        ASSERT_TRUE(opened.put("count", str_cat(id)));
    }
    opened.run([&] {
        opened.store().trim(1, 7);
        opened.store().erase_ledger(2);
    });
    ASSERT_TRUE(opened.put("end", ""));
}

TEST(Sample, DISABLED_write_one) {
    const auto files = make_posix_file_system();
    StoreOnLoop opened(*files, sample_options(kSamples / "v1"));
    write_sample(opened);
    opened.close();
    for (const char* const name : {"lock", "reserve"}) std::filesystem::remove(kSamples / "v1" / name);
}

TEST(Sample, each_version_is_still_read) {
    std::size_t versions = 0;
    for (const auto& version : std::filesystem::directory_iterator(kSamples)) {
        SCOPED_TRACE(version.path().string());
        ++versions;
        TemporaryDirectory directory;
        const auto copy = std::filesystem::path(directory.path()) / "data";
        std::filesystem::copy(version.path(), copy);
        const auto files = make_posix_file_system();
        StoreOnLoop opened(*files, sample_options(copy));
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        EXPECT_EQ(opened.map(), (std::map<std::string, std::string>{{"count", "69"}, {"end", ""}}));
        EXPECT_EQ(opened.info(1)->first, 7U);
        const auto entries = opened.read_all(1);
        ASSERT_EQ(entries.size(), 63U);
        for (const StoredEntry& entry : entries) EXPECT_EQ(entry.data.view(), sample_text(1, entry.id));
        EXPECT_EQ(opened.info(2).error().code, ErrorCode::not_found);
        EXPECT_EQ(opened.info(3)->end, 0U);
        EXPECT_EQ(opened.create_ledger(), 4U);
        EXPECT_EQ(opened.append(1, "more"), 70U);
    }
    EXPECT_EQ(versions, 1U);
}

}  // namespace
}  // namespace weft::store
