#include <gmock/gmock.h>

#include "host/testing/recording_core.h"

namespace weft::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

FunctionInfo info_of(std::string class_name) {
    FunctionInfo info;
    info.class_name = std::move(class_name);
    info.package_path = WEFT_TEST_FUNCTION;
    info.user_config = {{"prefix", ">"}};
    return info;
}

TEST(NativeHostTest, emits_filters_publishes_logs_and_fails_message_by_message) {
    RecordingCore core;
    const auto host = make_native_host();
    ASSERT_TRUE(host->open(info_of("Echo"), core));
    const TestBatch batch({"one", "drop", "throw", "elsewhere", "five"});
    host->process(batch.messages());
    EXPECT_THAT(core.events,
                ElementsAre("0 emit: >one", "2 fail: std::out_of_range: planted",
                            "3 publish other: elsewhere key=k a=b", "log 2 went elsewhere", "4 emit: >five"));
}

TEST(NativeHostTest, an_exception_out_of_a_batch_fails_each_of_its_messages) {
    RecordingCore core;
    const auto host = make_native_host();
    ASSERT_TRUE(host->open(info_of("Whole"), core));
    host->process(TestBatch({"a", "b"}).messages());
    EXPECT_THAT(core.events, ElementsAre("metric batch 2"));
    core.events.clear();
    host->process(TestBatch({"a", "throw"}).messages());
    EXPECT_THAT(core.events, ElementsAre("0 fail: an exception that is no std::exception",
                                         "1 fail: an exception that is no std::exception"));
}

TEST(NativeHostTest, says_what_is_wrong_with_a_library) {
    RecordingCore core;
    EXPECT_THAT(make_native_host()->open(info_of(""), core).error().message, HasSubstr("several classes"));
    EXPECT_THAT(make_native_host()->open(info_of("Other"), core).error().message,
                HasSubstr("no class Other"));

    FunctionInfo info = info_of("Echo");
    info.user_config = {{"prefix", "refuse"}};
    EXPECT_THAT(make_native_host()->open(info, core).error().message, HasSubstr("told to refuse"));
    info.package_path = "/nowhere/lib.so";
    EXPECT_THAT(make_native_host()->open(info, core).error().message, HasSubstr("/nowhere/lib.so"));
}

TEST(PluginTest, a_missing_plug_in_is_told) {
    EXPECT_EQ(load_host_plugin("/nowhere", "python").error().code, ErrorCode::not_supported);
}

}  // namespace
}  // namespace weft::host
