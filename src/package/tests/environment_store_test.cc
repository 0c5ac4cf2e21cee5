// The store with a shell script in the place of the interpreter; what the builder itself does is tested by
// tests/functions_packages.

#include "package/environment_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "base/testing/temporary_directory.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class EnvironmentStoreTest : public ::testing::Test {
  protected:
    EnvironmentStoreTest() {
        packages_ = std::move(*PackageStore::open({folder_ / "packages", 1000, 3000}));
        pin_.emplace(std::move(*packages_->put("the package")));
        // Counts its runs, and makes `environment/code/f.py` beside the package.
        interpreter("echo run >> ../../runs; mkdir -p environment/code; cat package > environment/code/f.py");
        reopen();
    }

    void interpreter(const std::string& script) const {
        std::ofstream(folder_ / "python") << "#!/bin/sh\n" << script << "\n";
        ::chmod((folder_ / "python").c_str(), 0755);
        const timespec times[2] = {{1, 0}, {1, 0}};  // the same interpreter, whatever it does
        ::utimensat(AT_FDCWD, (folder_ / "python").c_str(), times, 0);
    }
    void reopen(std::uint64_t total_max = 1 << 20, std::string index_url = {}) {
        store_.reset();
        EnvironmentStoreOptions options;
        options.directory = folder_ / "environments";
        options.python = (folder_ / "python").string();
        options.total_bytes_max = total_max;
        options.index_url = index_url;
        options.extra_index_url = std::move(index_url);
        auto opened = EnvironmentStore::open(std::move(options), *packages_);
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = std::move(*opened);
    }
    Result<std::shared_ptr<const Environment>> prepare(Duration patience = 20s) {
        return store_->prepare(pin_->digest(), PythonPackage::zip, "f.zip", Deadline::after(patience));
    }
    std::size_t runs() const {
        std::ifstream file(folder_ / "runs");
        return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
    }
    std::vector<std::string> folders() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_ / "environments"))
            names.push_back(entry.path().filename().string());
        return names;
    }

    const TemporaryDirectory temporary_;
    const fs::path folder_ = temporary_.path();
    std::unique_ptr<PackageStore> packages_;
    std::optional<PackageStore::Pin> pin_;
    std::unique_ptr<EnvironmentStore> store_;
};

TEST_F(EnvironmentStoreTest, kinds_are_told_by_the_name) {
    EXPECT_EQ(python_package_of("f.py"), PythonPackage::file);
    EXPECT_EQ(python_package_of("f.zip"), PythonPackage::zip);
    EXPECT_EQ(python_package_of("f-1-py3-none-any.whl"), PythonPackage::wheel);
    EXPECT_EQ(python_package_of("f.tar.gz"), std::nullopt);
}

TEST_F(EnvironmentStoreTest, a_password_of_the_index_stands_on_no_command_line) {
    interpreter(
        "mkdir -p environment/code; tr '\\0' ' ' < /proc/$$/cmdline > ../../words; "
        "echo \"$PIP_INDEX_URL $PIP_EXTRA_INDEX_URL\" > ../../index");
    reopen(1 << 20, "https://user:secret@index.invalid/simple");
    const auto built = prepare();
    ASSERT_TRUE(built) << built.error().message;
    const auto content = [this](const char* name) {
        std::ifstream file(folder_ / name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    EXPECT_THAT(content("words"), AllOf(HasSubstr("f.zip"), Not(HasSubstr("secret"))));
    EXPECT_EQ(content("index"),
              "https://user:secret@index.invalid/simple https://user:secret@index.invalid/simple\n");
}

TEST_F(EnvironmentStoreTest, is_built_once_and_outlives_the_store) {
    const auto first = prepare();
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ((*first)->code.filename(), "code");
    EXPECT_EQ((*first)->python, (folder_ / "python").string()) << "nothing was installed";
    std::ifstream file((*first)->code / "f.py");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "the package");
    EXPECT_EQ(*prepare(), *first);
    const std::uint64_t bytes = store_->total_bytes();
    EXPECT_EQ(bytes, 11U);
    reopen();
    EXPECT_EQ(store_->total_bytes(), bytes);
    EXPECT_EQ((*prepare())->code, (*first)->code);
    EXPECT_EQ(runs(), 1U);
    EXPECT_EQ(folders().size(), 1U) << "nothing is left of the build";
}

TEST_F(EnvironmentStoreTest, many_at_once_get_one_build) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([this] { EXPECT_TRUE(prepare()); });
    threads.clear();
    EXPECT_EQ(runs(), 1U);
}

TEST_F(EnvironmentStoreTest, a_refused_package_says_why_and_leaves_nothing) {
    interpreter("echo it is broken; exit 3");
    const auto refused = prepare();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(refused.error().message, "it is broken");
    EXPECT_TRUE(folders().empty());
    interpreter("echo boom >&2; exit 1");
    EXPECT_THAT(prepare().error().message, HasSubstr("ended with 1: boom"));
    EXPECT_EQ(prepare().error().code, ErrorCode::io);
}

TEST_F(EnvironmentStoreTest, a_build_has_a_bound) {
    interpreter("sleep 1000");
    const auto late = prepare(100ms);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::deadline_exceeded);
    EXPECT_TRUE(folders().empty());
}

TEST_F(EnvironmentStoreTest, builds_end_when_the_worker_stops) {
    interpreter("echo run >> ../../runs; exec sleep 1000");
    std::optional<Error> error;
    {
        const std::jthread waiting([&] { error = prepare().error(); });
        while (runs() == 0) std::this_thread::yield();
        store_->stop();
    }
    EXPECT_EQ(error->code, ErrorCode::cancelled);
    EXPECT_EQ(prepare().error().code, ErrorCode::cancelled);
}

TEST_F(EnvironmentStoreTest, half_a_build_and_another_interpreters_are_dropped_at_the_start) {
    ASSERT_TRUE(prepare());
    const std::string name = folders().front();
    fs::create_directories(folder_ / "environments" / (".build-" + name) / "environment");
    reopen();
    EXPECT_EQ(folders(), std::vector{name});
    const timespec times[2] = {{2, 0}, {2, 0}};
    ::utimensat(AT_FDCWD, (folder_ / "python").c_str(), times, 0);
    reopen();
    EXPECT_TRUE(folders().empty());
    ASSERT_TRUE(prepare());
    EXPECT_EQ(runs(), 2U);
}

TEST_F(EnvironmentStoreTest, collects_what_is_neither_live_nor_used) {
    const auto none = [](const std::string&) { return false; };
    auto used = prepare();
    ASSERT_TRUE(used);
    store_->collect(none);
    EXPECT_EQ(folders().size(), 1U) << "it is used";
    used = fail(ErrorCode::internal, "let go");
    store_->collect([this](const std::string& digest) { return digest == pin_->digest(); });
    EXPECT_EQ(folders().size(), 1U) << "its package is live";
    store_->collect(none);
    EXPECT_TRUE(folders().empty());
    EXPECT_EQ(store_->total_bytes(), 0U);
    EXPECT_TRUE(prepare()) << "and is built anew";
}

TEST_F(EnvironmentStoreTest, all_together_have_a_limit) {
    reopen(5);
    const auto refused = prepare();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::limit_reached);
    EXPECT_TRUE(folders().empty());
}

}  // namespace
}  // namespace weft::package
