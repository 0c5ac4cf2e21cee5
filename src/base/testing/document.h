#pragma once
// A document that shows a table of the code: the test compares the two, or, asked to, writes the document.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace weft {

/// What stands in the file between the marks is `table`. With WEFT_UPDATE_DOCS it is put there instead; who
/// reads of a difference is told to run `program` so.
inline void expect_table_in(const std::string& path, const std::string& begin, const std::string& end,
                            const std::string& table, const char* program) {
    std::ifstream file(path);
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    const auto mark = document.find(begin);
    const auto to = document.find(end);
    ASSERT_TRUE(mark != std::string::npos && to != std::string::npos) << path << " lost its marks";
    const auto from = mark + begin.size();
    ASSERT_LE(from, to) << path << " has its marks in the wrong order";
    const std::string shown = document.substr(from, to - from);
    if (shown != table && std::getenv("WEFT_UPDATE_DOCS")) {
        std::ofstream(path) << document.substr(0, from) << table << document.substr(to);
        return;
    }
    EXPECT_EQ(shown, table) << "run " << program << " with WEFT_UPDATE_DOCS=1";
}

}  // namespace weft
