#include "package/package_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "base/testing/temporary_directory.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;

class PackageStoreTest : public ::testing::Test {
  protected:
    PackageStoreTest() { reopen(); }

    void reopen(std::uint64_t package_max = 1000, std::uint64_t total_max = 3000) {
        store_.reset();
        auto opened = PackageStore::open({folder_ / "packages", package_max, total_max});
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = std::move(*opened);
    }
    std::string put(std::string_view bytes) {
        auto pin = store_->put(bytes);
        EXPECT_TRUE(pin) << pin.error().message;
        return pin ? pin->digest() : "";
    }
    std::string content(const fs::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::size_t files() {
        const fs::directory_iterator all(folder_ / "packages");
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

    const TemporaryDirectory temporary_;
    const fs::path folder_ = temporary_.path();
    std::unique_ptr<PackageStore> store_;
};

TEST_F(PackageStoreTest, digest_is_sha256) {
    EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(PackageStoreTest, places_what_was_put_and_stores_equal_bytes_once) {
    const std::string digest = put("def process(x): return x");
    EXPECT_EQ(put("def process(x): return x"), digest);
    EXPECT_EQ(files(), 1U);
    ASSERT_TRUE(store_->place(digest, folder_ / "f.py"));
    ASSERT_TRUE(store_->place(digest, folder_ / "f.py")) << "replacing it with itself";
    EXPECT_EQ(content(folder_ / "f.py"), "def process(x): return x");
    EXPECT_FALSE(fs::exists(folder_ / "f.py.new"));
}

TEST_F(PackageStoreTest, survives_reopening_and_drops_half_written_files) {
    const std::string digest = put("kept");
    std::ofstream(folder_ / "packages" / ".put-half") << "half";
    std::ofstream(folder_ / "packages" / "notes.txt") << "someone else's";
    reopen();
    EXPECT_EQ(store_->total_bytes(), 4U);
    EXPECT_FALSE(fs::exists(folder_ / "packages" / ".put-half"));
    EXPECT_TRUE(fs::exists(folder_ / "packages" / "notes.txt"));
    EXPECT_TRUE(store_->place(digest, folder_ / "again"));
}

TEST_F(PackageStoreTest, collects_what_nobody_names_but_nothing_pinned) {
    const std::string live = put("live");
    const std::string dead = put("dead!");
    std::optional<PackageStore::Pin> pin(std::move(*store_->put("fresh")));
    EXPECT_EQ(store_->collect([&] { return std::set{live}; }).value(), 5U);
    EXPECT_EQ(store_->place(dead, folder_ / "x").error().code, ErrorCode::not_found);
    EXPECT_TRUE(store_->place(live, folder_ / "x"));
    EXPECT_TRUE(store_->place(pin->digest(), folder_ / "x"));
    pin.reset();
    EXPECT_EQ(store_->collect([&] { return std::set{live}; }).value(), 5U);
    EXPECT_EQ(store_->total_bytes(), 4U);
}

TEST_F(PackageStoreTest, is_bounded) {
    EXPECT_EQ(store_->put(std::string(1001, 'x')).error().code, ErrorCode::too_large);
    for (const char c : {'a', 'b', 'c'}) put(std::string(1000, c));
    EXPECT_EQ(store_->put("one more").error().code, ErrorCode::limit_reached);
    EXPECT_TRUE(store_->put(std::string(1000, 'a'))) << "what is there already costs nothing";
}

TEST_F(PackageStoreTest, refuses_changed_bytes_until_they_are_put_again) {
    const std::string digest = put("original");
    const fs::path file = folder_ / "packages" / digest;
    ::chmod(file.c_str(), 0644);
    std::ofstream(file) << "tampered";
    EXPECT_EQ(store_->place(digest, folder_ / "x").error().code, ErrorCode::corrupt);
    EXPECT_FALSE(fs::exists(folder_ / "x"));
    put("original");
    EXPECT_TRUE(store_->place(digest, folder_ / "x"));
    EXPECT_EQ(content(folder_ / "x"), "original");
}

TEST_F(PackageStoreTest, digests_are_not_paths) {
    for (const char* bad : {"", "../../etc/passwd", "ABCD", "/etc/passwd"}) {
        EXPECT_EQ(store_->place(bad, folder_ / "x").error().code, ErrorCode::invalid_argument) << bad;
    }
}

TEST_F(PackageStoreTest, says_what_is_wrong_when_the_folder_cannot_be_made) {
    std::ofstream(folder_ / "file") << "";
    const auto opened = PackageStore::open({folder_ / "file" / "packages"});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::io);
    EXPECT_THAT(opened.error().message, ::testing::HasSubstr("Not a directory"));
}

TEST(FileName, must_be_one_plain_name) {
    EXPECT_TRUE(check_file_name("my function.py"));
    for (const std::string& bad :
         {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("..\\b"),
          std::string("a\nb"), std::string("a\0b", 3), std::string("a\xff.py"), std::string(201, 'a')}) {
        EXPECT_FALSE(check_file_name(bad)) << bad;
    }
}

}  // namespace
}  // namespace weft::package
