#include "package/package_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temporary_directory.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

TEST(PackageName, is_put_together_and_taken_apart) {
    const auto name = parse_package_name("function://t/n/p@v1");
    ASSERT_TRUE(name) << name.error().message;
    EXPECT_EQ(name->full(), "function://t/n/p@v1");
    EXPECT_EQ(name->ns, "n");
    EXPECT_EQ(parse_package_name("sink://t/n/p")->full(), "sink://t/n/p@latest");
    EXPECT_EQ(parse_package_name("sink://t/n/p@")->version, "latest");
    EXPECT_EQ(package_name_of("FUNCTION", "t", "n", "p", "1")->full(), "function://t/n/p@1");
    EXPECT_TRUE(is_package_url("source://x"));
    EXPECT_FALSE(is_package_url("http://x"));
    EXPECT_FALSE(is_package_url("functions://x"));
}

TEST(PackageName, others_are_refused_in_pulsars_words) {
    EXPECT_EQ(parse_package_name("jar://t/n/p@1").error(),
              (Error{ErrorCode::precondition_failed,
                     "Invalid package domain: 'jar' (the type: use function, source or sink)"}));
    for (const char* bad : {"function:/t/n/p", "function://t/n", "function://t/n/", "function:///n/p",
                            "function://t/n/p@1@2", "function://t/n/p/q@1", "function://t/n/p@\x01",
                            "function://t/../p@1", "function://t/n/.@1", "function://t/n/\xff@1"}) {
        EXPECT_EQ(parse_package_name(bad).error().message.substr(0, 20), "Invalid package name") << bad;
    }
    EXPECT_FALSE(package_name_of("function", "t", "n", std::string(1000, 'x'), "1"));
}

class PackageNamesTest : public ::testing::Test {
  protected:
    PackageNamesTest() {
        options_.directory = temporary_.path() + "/names";
        reopen();
    }
    void reopen() {
        names_.reset();
        auto opened = PackageNames::open(options_);
        ASSERT_TRUE(opened) << opened.error().message;
        names_ = std::move(*opened);
    }
    static NamedPackage package(const std::string& digest) {
        return {digest,
                "f.zip",
                "what it is",
                std::nullopt,
                5,
                6,
                std::map<std::string, std::string>{{"k", "v"}}};
    }

    const TemporaryDirectory temporary_;
    PackageNamesOptions options_;
    std::unique_ptr<PackageNames> names_;
};

TEST_F(PackageNamesTest, what_was_added_is_there_after_a_restart) {
    ASSERT_TRUE(names_->add("function://t/n/a@1", package("d1")));
    ASSERT_TRUE(names_->add("path:../../etc/x", {"d2", "", std::nullopt, std::nullopt, 1, 1, std::nullopt}));
    reopen();
    EXPECT_EQ(names_->find("function://t/n/a@1"), package("d1"));
    EXPECT_EQ(names_->find("path:../../etc/x")->properties, std::nullopt);
    EXPECT_THAT(names_->digests(), ElementsAre("d1", "d2"));
    EXPECT_FALSE(names_->find("function://t/n/a@2"));
}

TEST_F(PackageNamesTest, a_name_is_added_once_and_may_be_changed_and_removed) {
    ASSERT_TRUE(names_->add("function://t/n/a@1", package("d1")));
    EXPECT_EQ(names_->add("function://t/n/a@1", package("d2")).error().code, ErrorCode::already_exists);
    ASSERT_TRUE(names_->update("function://t/n/a@1", [](NamedPackage& p) { p.description.reset(); }));
    EXPECT_EQ(names_->update("x", [](NamedPackage&) {}).error().code, ErrorCode::not_found);
    reopen();
    EXPECT_EQ(names_->find("function://t/n/a@1")->description, std::nullopt);
    ASSERT_TRUE(names_->set("function://t/n/a@1", package("d3")));
    EXPECT_THAT(names_->digests(), ElementsAre("d3"));
    ASSERT_TRUE(names_->remove("function://t/n/a@1"));
    EXPECT_EQ(names_->remove("function://t/n/a@1").error().code, ErrorCode::not_found);
    reopen();
    EXPECT_TRUE(names_->digests().empty());
}

TEST_F(PackageNamesTest, lists_what_stands_behind_a_beginning_once) {
    for (const char* name : {"function://t/n/a@1", "function://t/n/a@2", "function://t/n/b@1",
                             "function://t/nn/c@1", "sink://t/n/d@1"})
        ASSERT_TRUE(names_->add(name, package("d")));
    EXPECT_THAT(names_->list("function://t/n/", '@'), ElementsAre("a", "b"));
    EXPECT_THAT(names_->list("function://t/n/a@", '\0'), ElementsAre("1", "2"));
}

TEST_F(PackageNamesTest, number_and_size_are_bounded_and_texts_are_texts) {
    options_.names_max = 1;
    options_.record_bytes_max = 300;
    reopen();
    EXPECT_EQ(names_->add(std::string(300, 'x'), package("d")).error().code, ErrorCode::too_large);
    EXPECT_EQ(names_->add("\xff", package("d")).error().code, ErrorCode::invalid_argument);
    ASSERT_TRUE(names_->add("a", package("d")));
    EXPECT_EQ(names_->add("b", package("d")).error().code, ErrorCode::limit_reached);
    EXPECT_TRUE(names_->set("a", package("d2")));
}

TEST_F(PackageNamesTest, a_damaged_record_costs_itself) {
    ASSERT_TRUE(names_->add("a", package("d1")));
    ASSERT_TRUE(names_->add("b", package("d2")));
    const fs::path first = *fs::directory_iterator(options_.directory);
    fs::permissions(first, fs::perms::owner_all);
    std::ofstream(first) << "{\"name\":7}";
    std::ofstream(options_.directory / ".put-abc") << "half";
    reopen();
    EXPECT_EQ(names_->digests().size(), 1U);
    EXPECT_FALSE(fs::exists(options_.directory / ".put-abc"));
}

}  // namespace
}  // namespace weft::package
