#include <gtest/gtest.h>

#include <map>

#include "base/result.h"
#include "base/str_cat.h"
#include "base/testing/document.h"

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
    expect_table_in(WEFT_SOURCE_DIR "/docs/errors.md",
                    "<!-- errors: generated from src/base/error_codes.def -->\n", "<!-- /errors -->",
                    table_as_markdown(), "weft_base_test");
}

}  // namespace
}  // namespace weft
