// docs/errors.md shows what each of Pulsar's ServerErrors becomes.

#include <gtest/gtest.h>

#include "base/str_cat.h"
#include "base/testing/document.h"
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
    expect_table_in(WEFT_SOURCE_DIR "/docs/errors.md",
                    "<!-- server errors: generated from src/pulsar/detail/failure.cc -->\n",
                    "<!-- /server errors -->", table_as_markdown(), "weft_pulsar_test");
}

}  // namespace
}  // namespace weft::pulsar::detail
