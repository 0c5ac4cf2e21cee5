#include "package/zip_contains.h"

#include <gmock/gmock.h>

namespace weft::package {
namespace {

using testing::HasSubstr;

std::string number(std::size_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    return text;
}

/// Entries without contents, as a table of contents and what stands behind it.
std::string zip_of(const std::vector<std::string>& names, const std::string& comment = "") {
    std::string bytes = "local headers, which nobody reads";
    const std::size_t table = bytes.size();
    for (const auto& name : names) {
        bytes += "PK\x01\x02" + std::string(24, '\0') + number(name.size(), 2) + number(3, 2) + number(2, 2) +
                 std::string(12, '\0') + name + "extco";
    }
    const std::size_t end = bytes.size();
    bytes += "PK\x05\x06" + std::string(8, '\0') + number(end - table, 4) + number(table, 4) +
             number(comment.size(), 2) + comment;
    return bytes;
}

TEST(ZipContains, finds_entries_by_their_whole_name) {
    const std::string zip = zip_of({"META-INF/", "a/B.class", "a/B$C.class"}, "a comment");
    EXPECT_TRUE(zip_contains(zip, "a/B.class").value());
    EXPECT_TRUE(zip_contains(zip, "a/B$C.class").value());
    EXPECT_FALSE(zip_contains(zip, "a/B").value());
    EXPECT_FALSE(zip_contains(zip, "B.class").value());
    EXPECT_FALSE(zip_contains(zip_of({}), "a").value());
}

TEST(ZipContains, refuses_what_is_no_zip_or_damaged) {
    EXPECT_THAT(zip_contains("", "a").error().message, HasSubstr("too short"));
    EXPECT_THAT(zip_contains(std::string(100, 'x'), "a").error().message, HasSubstr("no end mark"));
    const std::string zip = zip_of({"a", "b"});
    for (std::size_t size = 0; size < zip.size(); ++size)
        EXPECT_FALSE(zip_contains(zip.substr(0, size), "none")) << size;
    for (std::size_t at = 0; at < zip.size(); ++at) {  // whatever it says, it stays within the bytes
        std::string flipped = zip;
        flipped[at] = static_cast<char>(~flipped[at]);
        (void)zip_contains(flipped, "none");
    }
    std::string broken = zip;
    broken[broken.find("PK\x01\x02") + 2] = 'x';
    EXPECT_THAT(zip_contains(broken, "a").error().message, HasSubstr("damaged"));
}

}  // namespace
}  // namespace weft::package
