#include "runtime/folder_size.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kEntry = 4096;

class FolderSizeTest : public testing::Test {
  protected:
    void write(const fs::path& name, std::size_t bytes) {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << std::string(bytes, 'x');
    }
    /// By as many looks as it takes.
    std::uint64_t bytes() {
        looks_ = 0;
        for (;;) {
            const auto seen = size_.look();
            ++looks_;
            if (seen.whole) return seen.bytes;
        }
    }
    const TemporaryDirectory temporary_;
    const fs::path root_ = fs::path(temporary_.path()) / "scratch";
    FolderSize size_{root_.string()};
    int looks_ = 0;
};

TEST_F(FolderSizeTest, counts_what_is_below_and_follows_no_link) {
    EXPECT_EQ(bytes(), 0U) << "it is not there";
    fs::create_directories(root_);
    EXPECT_EQ(bytes(), 0U);
    write("empty", 0);
    write("folder/below/large", 1 << 20);
    fs::create_symlink("/usr", root_ / "link");
    EXPECT_GE(bytes(), (1U << 20) + 4 * kEntry);
    EXPECT_LT(bytes(), (1U << 20) + 20 * kEntry);
    fs::remove_all(root_ / "folder");
    EXPECT_LT(bytes(), 10 * kEntry) << "each round begins anew";
}

TEST_F(FolderSizeTest, a_file_of_two_names_is_one) {
    write("one", 1 << 20);
    const auto alone = bytes();
    fs::create_hard_link(root_ / "one", root_ / "two");
    EXPECT_EQ(bytes(), alone);
}

TEST_F(FolderSizeTest, looks_at_many_files_a_piece_at_a_time) {
    for (int n = 0; n < 1200; ++n) write("files/" + std::to_string(n), 0);
    EXPECT_GE(bytes(), 1200 * kEntry);
    EXPECT_EQ(looks_, 3);
    (void)size_.look();
    size_.begin_anew();
    EXPECT_GE(bytes(), 1200 * kEntry);
    EXPECT_EQ(looks_, 3);
}

TEST_F(FolderSizeTest, where_it_does_not_go_there_could_be_anything) {
    fs::path deep = root_;
    for (int n = 0; n < 70; ++n) deep /= "d";
    fs::create_directories(deep);
    EXPECT_GT(bytes(), std::uint64_t{1} << 60);
}

}  // namespace
}  // namespace weft::runtime
