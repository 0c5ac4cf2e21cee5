#include "worker/package_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/testing/temporary_directory.h"
#include "http/server.h"

namespace weft::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PackageSourceTest : public ::testing::Test {
  protected:
    PackageSourceTest() {
        fs::create_directories(root / "functions");
        write(root / "functions" / "f.py");
        write(root / "outside.py");
        fs::create_symlink(root / "outside.py", root / "functions" / "link.py");
        rules.patterns_key = "additionalEnabledFunctionsUrlPatterns";
    }

    static void write(const fs::path& path) { std::ofstream(path) << "def process(x): return x\n"; }
    std::string url(const std::string& path) const { return "file://" + (root / path).string(); }
    std::string refusal(const std::string& url) const {
        const auto read = read_package_url_bytes(url, rules, Deadline::after(10s));
        return read ? "taken" : read.error().message;
    }

    const TemporaryDirectory temporary;
    const fs::path root = temporary.path();
    PackageUrlRules rules;
};

TEST_F(PackageSourceTest, nothing_is_taken_by_default) {
    for (const auto& given : {url("functions/f.py"), std::string("http://127.0.0.1:1/f.py"),
                              std::string("https://127.0.0.1:1/f.py"), std::string("ftp://x/f.py"),
                              std::string("builtin://x"), std::string("nonsense")}) {
        EXPECT_THAT(refusal(given),
                    HasSubstr("Function Package url is not valid.supported url (http/https/file)"));
        EXPECT_THAT(refusal(given), HasSubstr(given));
    }
}

TEST_F(PackageSourceTest, files_below_the_folder_are_taken) {
    rules.folder = root / "functions";
    const auto read = read_package_url_bytes(url("functions/f.py"), rules, Deadline::after(10s));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->file_name, "f.py");
    EXPECT_EQ(read->bytes, "def process(x): return x\n");
    EXPECT_THAT(refusal(url("outside.py")), HasSubstr("no pattern of additionalEnabledFunctionsUrlPatterns"));
    EXPECT_THAT(refusal(url("functions/../outside.py")), HasSubstr("no pattern"));
    EXPECT_THAT(refusal(url("functions/%2e%2e/outside.py")), HasSubstr("no pattern"));
    EXPECT_THAT(refusal(url("functions/link.py")), HasSubstr("no pattern"));
    EXPECT_THAT(refusal(url("functions/none.py")), HasSubstr("no pattern"));
    EXPECT_THAT(refusal(url("functions")), HasSubstr("no pattern"));
    EXPECT_THAT(refusal("file://elsewhere/f.py"), HasSubstr("write file:///path"));
}

TEST_F(PackageSourceTest, a_pattern_must_match_the_whole_normal_url) {
    rules.patterns = {"file://" + (root / "outside").string() + "\\.py"};
    EXPECT_EQ(refusal(url("outside.py")), "taken");
    EXPECT_EQ(refusal(url("functions/../outside.py")), "taken");
    EXPECT_THAT(refusal(url("outside.pyc")), HasSubstr("no pattern"));
    rules.patterns = {"file://" + root.string() + "/functions/.*"};
    EXPECT_THAT(refusal(url("functions/../outside.py")), HasSubstr("no pattern"));
    rules.patterns = {".*"};
    EXPECT_THAT(refusal(url("gone.py")), HasSubstr("no such file"));
    EXPECT_THAT(refusal(url("functions")), HasSubstr("no such file"));
    rules.bytes_max = 5;
    EXPECT_THAT(refusal(url("outside.py")), HasSubstr("at most 5 are taken"));
}

TEST_F(PackageSourceTest, a_pattern_that_is_none_is_named) {
    EXPECT_TRUE(check_url_patterns(rules));
    rules.patterns = {"http://.*", "("};
    const auto checked = check_url_patterns(rules);
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, HasSubstr("additionalEnabledFunctionsUrlPatterns = ("));
}

TEST_F(PackageSourceTest, http_is_fetched_within_bounds_and_not_elsewhere) {
    http::Router router;
    router.add("GET", "/f.py", [](const http::Request&) { return http::Response::text("program"); });
    router.add("GET", "/moved.py", [](const http::Request&) {
        http::Response moved{307, "", "", {}};
        moved.headers["Location"] = "/f.py";
        return moved;
    });
    const auto server = http::Server::start({}, router);
    ASSERT_TRUE(server);
    const std::string base = str_cat("http://127.0.0.1:", (*server)->port());
    EXPECT_THAT(refusal(base + "/f.py"), HasSubstr("no pattern"));
    rules.patterns = {base + "/.*"};
    const auto read = read_package_url_bytes(base + "/f.py?x=1/2", rules, Deadline::after(10s));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->bytes, "program");
    EXPECT_EQ(read->file_name, "f.py");
    EXPECT_THAT(refusal(base + "/none.py"), HasSubstr("the server answered 404"));
    EXPECT_THAT(refusal(base + "/moved.py"), HasSubstr("redirected more than 0 times"));
    EXPECT_THAT(refusal(base + "/" + std::string(3000, 'x')), HasSubstr("at most 2048"));
    rules.bytes_max = 3;
    EXPECT_THAT(refusal(base + "/f.py"), HasSubstr("more than 3 bytes"));
    rules.patterns = {"https://.*"};
    EXPECT_THAT(refusal("https://127.0.0.1:1/f.py"), HasSubstr("can't connect"));
}

}  // namespace
}  // namespace weft::worker
