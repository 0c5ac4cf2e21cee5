#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "base/result.h"
#include "base/str_cat.h"

namespace weft {
namespace {

std::string table_as_markdown() {
    const std::map<std::string_view, std::string_view> help = {
#define WEFT_ERROR_HELP(name, text) {#name, text},
#include "base/error_help.def"
#undef WEFT_ERROR_HELP
    };
    std::string table = "| code | HTTP status | again | what it says | what to do |\n|---|---|---|---|---|\n";
#define WEFT_ERROR(name, http, retriable, text)                                                       \
    EXPECT_TRUE(help.contains(#name)) << "src/base/error_help.def has no line for " #name;            \
    str_append(table, "| `" #name "` | " #http " | ", (retriable) ? "yes" : "no", " | ", text, " | ", \
               help.contains(#name) ? help.at(#name) : "", " |\n");
#include "base/error_codes.def"
#undef WEFT_ERROR
    return table;
}

TEST(ErrorTable, docs_show_it) {
    const std::string path = WEFT_SOURCE_DIR "/docs/errors.md";
    std::ifstream file(path);
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    const std::string begin = "<!-- errors: generated from src/base/error_codes.def -->\n",
                      end = "<!-- /errors -->";
    const auto from = document.find(begin);
    const auto to = document.find(end);
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << path << " lost its marks";
    const std::string shown = document.substr(from + begin.size(), to - from - begin.size());
    if (shown != table_as_markdown() && std::getenv("WEFT_UPDATE_DOCS")) {
        std::ofstream(path) << document.substr(0, from + begin.size()) << table_as_markdown()
                            << document.substr(to);
        return;
    }
    EXPECT_EQ(shown, table_as_markdown()) << "run weft_base_test with WEFT_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace weft
