// docs/errors.md shows what each of Pulsar's ServerErrors becomes.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/str_cat.h"
#include "pulsar/detail/failure.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {
namespace {

std::string_view again(Retry retry) {
    if (retry == Retry::never) return "no";
    return retry == Retry::always ? "yes" : "over a new connection";
}

std::string table_as_markdown() {
    std::string table = "| ServerError | number | code | again |\n|---|---|---|---|\n";
    for (int number = 0; ::pulsar::proto::ServerError_IsValid(number); ++number) {
        const Failure failure = from_server(number, "", "");
        const auto& name =
            ::pulsar::proto::ServerError_Name(static_cast<::pulsar::proto::ServerError>(number));
        EXPECT_NE(failure.error.message.find(name), std::string::npos) << failure.error.message;
        str_append(table, "| ", name, " | ", number, " | `", name_of(failure.error.code), "` | ",
                   again(failure.retry), " |\n");
    }
    return table;
}

TEST(ServerErrors, docs_show_what_they_become) {
    const std::string path = WEFT_SOURCE_DIR "/docs/errors.md";
    std::ifstream file(path);
    const std::string document{std::istreambuf_iterator<char>(file), {}};
    const std::string begin = "<!-- server errors: generated from src/pulsar/detail/failure.cc -->\n",
                      end = "<!-- /server errors -->";
    const auto from = document.find(begin);
    const auto to = document.find(end);
    ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << path << " lost its marks";
    const std::string shown = document.substr(from + begin.size(), to - from - begin.size());
    if (shown != table_as_markdown() && std::getenv("WEFT_UPDATE_DOCS")) {
        std::ofstream(path) << document.substr(0, from + begin.size()) << table_as_markdown()
                            << document.substr(to);
        return;
    }
    EXPECT_EQ(shown, table_as_markdown()) << "run weft_pulsar_test with WEFT_UPDATE_DOCS=1";
}

}  // namespace
}  // namespace weft::pulsar::detail
