#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weft {
namespace {

TEST(Crc32c, gives_the_known_values) {
    EXPECT_EQ(crc32c(""), 0U);
    EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

TEST(Crc32c, equals_the_portable_one_at_every_length_and_continues) {
    std::mt19937 random(7);
    std::string text(5000, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::string_view all = text;
    for (std::size_t size = 0; size < text.size(); size += size < 64 ? 1 : 61) {
        const auto expected = crc32c_portable(all.substr(0, size));
        EXPECT_EQ(crc32c(all.substr(0, size)), expected) << size;
        const std::size_t cut = size / 3;
        EXPECT_EQ(crc32c(all.substr(cut, size - cut), crc32c(all.substr(0, cut))), expected) << size;
    }
}

}  // namespace
}  // namespace weft
