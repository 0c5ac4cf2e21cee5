#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

TEST(Utf8, takes_text) {
    for (const std::string_view text :
         {"", "plain", "\x01\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
          "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
    }
    EXPECT_TRUE(is_utf8(std::string(3, '\0')));
}

TEST(Utf8, refuses_what_protobuf_could_not_read_back) {
    for (const std::string_view bytes : {
             "\xff", "\x80", "a\xc3", "\xc3(", "\xe2\x82", "\xf0\x9f\x98",  // not a beginning, or no end
             "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",    // longer than need be
             "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"         // surrogates; beyond Unicode
         }) {
        EXPECT_FALSE(is_utf8(bytes)) << bytes;
    }
}

}  // namespace
}  // namespace weft
