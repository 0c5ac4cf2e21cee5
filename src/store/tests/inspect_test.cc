// Looking at a store's directory from outside, also while it is new.

#include "store/inspect.h"

#include <gmock/gmock.h>

#include "store/directory.h"
#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

class Inspect : public testing::Test {
  protected:
    Result<Inspection> look() {
        return inspect(*files_, directory_.path(), [this](const InspectedFile& file) -> Result<> {
            names_.emplace_back(file.name);
            return {};
        });
    }
    TemporaryDirectory directory_;
    const std::unique_ptr<FileSystem> files_ = make_posix_file_system();
    const StoreOptions options_{.directory = directory_.path(), .segment_bytes = 32U << 10};
    std::vector<std::string> names_;  // what look() went through
};

TEST_F(Inspect, a_store_that_has_written_nothing_is_an_empty_one) {
    const StoreOnLoop opened(*files_, options_);
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    const auto found = look();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->entries, 0U);
    EXPECT_THAT(found->damaged_files, testing::IsEmpty());
    EXPECT_THAT(names_, testing::ElementsAre(kLockName)) << "a copy of it is a store too";
}

TEST_F(Inspect, a_directory_in_which_no_store_was_opened_has_none) {
    const auto found = look();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::not_found);
}

TEST_F(Inspect, what_was_written_is_found) {
    StoreOnLoop opened(*files_, options_);
    const LedgerId ledger = opened.create_ledger();
    ASSERT_TRUE(opened.append(ledger, "text"));
    const auto found = look();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->entries, 1U);
    EXPECT_THAT(names_, testing::ElementsAre(segment_name(1)));
}

}  // namespace
}  // namespace weft::store
