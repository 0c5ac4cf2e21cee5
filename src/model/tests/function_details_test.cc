#include "model/function_details.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "model/validation.h"
#include "wire/proto/Function.pb.h"

namespace weft::model {
namespace {

::proto::FunctionDetails details_of(std::string_view json) {
    auto config = function_config_from_json(json);
    EXPECT_TRUE(config) << config.error().message;
    infer_missing(*config);
    ::proto::FunctionDetails details;
    to_details(*config, details);
    return details;
}

TEST(FunctionDetails, holds_what_pulsars_worker_would_write) {
    const auto details = details_of(
        R"({"tenant":"t","namespace":"n","name":"f","className":"m.F","py":"m.py","inputs":["a"],)"
        R"("customSerdeInputs":{"b":"m.S"},"inputSpecs":{"c":{"receiverQueueSize":0,)"
        R"("serdeClassName":"m.T"}},)"
        R"("output":"o","outputSerdeClassName":"m.U","logTopic":"l","userConfig":{"k":1},"subName":"s",)"
        R"("subscriptionPosition":"Earliest","parallelism":3,"producerConfig":{"compressionType":"NONE",)"
        R"("maxPendingMessages":9}})");
    ::proto::FunctionDetails expected;
    const auto read = google::protobuf::util::JsonStringToMessage(
        R"({"tenant":"t","namespace":"n","name":"f","className":"m.F","logTopic":"l",)"
        R"("userConfig":"{\"k\":1}",)"
        R"("runtime":"PYTHON","autoAck":true,"parallelism":3,"source":{"subscriptionName":"s","inputSpecs":)"
        R"({"a":{},"b":{"serdeClassName":"m.S"},"c":{"serdeClassName":"m.T","receiverQueueSize":{}}},)"
        R"("cleanupSubscription":true,"subscriptionPosition":"EARLIEST"},"sink":{"topic":"o",)"
        R"("serDeClassName":"m.U","forwardSourceMessageProperty":true,)"
        R"("producerSpec":{"maxPendingMessages":9,)"
        R"("compressionType":"NONE"}},"resources":{"cpu":1,"ram":"1073741824","disk":"10737418240"},)"
        R"("componentType":"FUNCTION"})",
        &expected);
    ASSERT_TRUE(read.ok()) << read.ToString();
    EXPECT_EQ(details.DebugString(), expected.DebugString());
}

TEST(FunctionDetails, comes_back_as_the_get_endpoint_shows_it) {
    const auto config = from_details(
        details_of(R"({"tenant":"t","namespace":"n","name":"f","className":"m.F","py":"m.py","inputs":["a"],)"
                   R"("output":"o"})"));
    EXPECT_EQ(to_json(config),
              R"({"tenant":"t","namespace":"n","name":"f","className":"m.F",)"
              R"("inputSpecs":{"a":{"regexPattern":false,)"
              R"("schemaProperties":{},"consumerProperties":{},"poolMessages":false}},"output":"o",)"
              R"("producerConfig":)"
              R"({"useThreadLocalProducers":false,"batchBuilder":"","compressionType":"LZ4"},)"
              R"("processingGuarantees":"ATLEAST_ONCE","retainOrdering":false,"retainKeyOrdering":false,)"
              R"("forwardSourceMessageProperty":true,"userConfig":{},"runtime":"PYTHON","autoAck":true,)"
              R"("parallelism":1,)"
              R"("resources":{"cpu":1.0,"ram":1073741824,"disk":10737418240},"cleanupSubscription":true,)"
              R"("subscriptionPosition":"Latest"})");
}

TEST(FunctionDetails, a_window_function_stands_as_pulsars_executor_and_comes_back_as_itself) {
    auto details = details_of(
        R"({"tenant":"t","namespace":"n","name":"f","className":"a.B","jar":"a.jar","inputs":["a"],)"
        R"("userConfig":{"k":1},"windowConfig":{"windowLengthCount":4}})");
    EXPECT_EQ(details.classname(), "org.apache.pulsar.functions.windowing.WindowFunctionExecutor");
    EXPECT_EQ(details.processingguarantees(), ::proto::MANUAL);
    EXPECT_EQ(details.userconfig(),
              R"({"__WINDOWCONFIGS__":{"actualWindowFunctionClassName":"a.B",)"
              R"("processingGuarantees":"ATLEAST_ONCE","slidingIntervalCount":4,"windowLengthCount":4},)"
              R"("k":1})");
    const auto config = from_details(details);
    EXPECT_EQ(config.class_name, "a.B");
    EXPECT_EQ(config.processing_guarantees, ProcessingGuarantees::atleast_once);
    EXPECT_EQ(config.user_config->text, R"({"k":1})");
    EXPECT_EQ(config.window_config->window_length_count, 4);
    EXPECT_TRUE(validate(config)) << validate(config).error().message;
    ::proto::FunctionDetails again;
    to_details(config, again);
    EXPECT_EQ(again.userconfig(), details.userconfig());
    details.set_userconfig(R"({"__WINDOWCONFIGS__":"nonsense"})");
    EXPECT_FALSE(from_details(details).window_config);
}

TEST(FunctionDetails, what_came_back_passes_the_checks_and_converts_to_the_same) {
    const auto details = details_of(
        R"({"tenant":"t","namespace":"n","name":"f","native":"f.so","inputs":["a"],"retainOrdering":true,)"
        R"("processingGuarantees":"ATMOST_ONCE","cleanupSubscription":false,)"
        R"("forwardSourceMessageProperty":false})");
    const auto config = from_details(details);
    EXPECT_TRUE(validate(config));
    EXPECT_TRUE(refuse_unsupported(config)) << refuse_unsupported(config).error().message;
    ::proto::FunctionDetails again;
    to_details(config, again);
    again.mutable_sink()->clear_producerspec();  // GET always shows one
    EXPECT_EQ(again.DebugString(), details.DebugString());
}

TEST(FunctionDetails, subscription_type_follows_the_ordering) {
    const auto type_of = [](std::string_view extra) {
        return details_of(str_cat(R"({"name":"f","inputs":["a"])", extra, "}")).source().subscriptiontype();
    };
    EXPECT_EQ(type_of(""), ::proto::SHARED);
    EXPECT_EQ(type_of(R"(,"retainOrdering":true)"), ::proto::FAILOVER);
    EXPECT_EQ(type_of(R"(,"retainKeyOrdering":true)"), ::proto::KEY_SHARED);
    EXPECT_EQ(type_of(R"(,"processingGuarantees":"EFFECTIVELY_ONCE")"), ::proto::FAILOVER);
}

TEST(FunctionDetails, broken_json_in_stored_details_is_left_out) {
    auto details = details_of(R"({"name":"f","inputs":["a"]})");
    details.set_userconfig("{broken");
    details.set_secretsmap("[1]");
    const auto config = from_details(details);
    EXPECT_EQ(config.user_config->text, "{}");
    EXPECT_FALSE(config.secrets);
}

TEST(FunctionDetails, says_which_component_old_data_is) {
    ::proto::FunctionDetails details;
    EXPECT_EQ(component_of(details), ComponentType::source);
    (*details.mutable_source()->mutable_inputspecs())["a"];
    EXPECT_EQ(component_of(details), ComponentType::function);
    details.mutable_sink()->set_builtin("jdbc");
    EXPECT_EQ(component_of(details), ComponentType::sink);
    details.set_componenttype(::proto::FunctionDetails::FUNCTION);
    EXPECT_EQ(component_of(details), ComponentType::function);
}

TEST(FunctionState, changes_only_where_it_would_differ) {
    ::proto::FunctionMetaData meta;
    meta.mutable_functiondetails()->set_parallelism(2);
    EXPECT_FALSE(can_change_state(meta, -1, StateChange::start)) << "all run";
    EXPECT_FALSE(can_change_state(meta, 2, StateChange::stop)) << "no such instance";
    EXPECT_TRUE(can_change_state(meta, 0, StateChange::stop));
    change_state(meta, 0, StateChange::stop);
    EXPECT_EQ(meta.version(), 1U);
    EXPECT_FALSE(should_run(meta, 0));
    EXPECT_TRUE(should_run(meta, 1));
    EXPECT_FALSE(can_change_state(meta, 0, StateChange::stop));
    EXPECT_TRUE(can_change_state(meta, -1, StateChange::stop));
    EXPECT_TRUE(can_change_state(meta, -1, StateChange::start));
    meta.mutable_functiondetails()->set_parallelism(3);
    EXPECT_TRUE(can_change_state(meta, 2, StateChange::stop)) << "added by a scale-up after a stop";
    change_state(meta, -1, StateChange::stop);
    EXPECT_FALSE(should_run(meta, 2));
    EXPECT_FALSE(can_change_state(meta, -1, StateChange::stop));
}

}  // namespace
}  // namespace weft::model
