#include "model/details_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"

namespace weft::model {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(DetailsJson, a_configuration_comes_from_protobufs_json) {
    const auto config = function_config_from_details_json(
        R"({"className":"f.F","runtime":"PYTHON","parallelism":2,"source":{"inputSpecs":{"in":{}}},
            "sink":{"topic":"out"},"userConfig":"{\"a\":1}"})");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->class_name, "f.F");
    EXPECT_EQ(config->runtime, Runtime::python);
    EXPECT_EQ(config->parallelism, 2);
    EXPECT_TRUE(config->input_specs->contains("in"));
    EXPECT_EQ(config->output, "out");
    EXPECT_FALSE(config->auto_ack) << "false is protobuf's default";
}

TEST(DetailsJson, what_is_wrong_with_it_is_said) {
    for (const std::string text : {"", "{", "[]", R"({"nonsense":1})", R"({"parallelism":"two"})"}) {
        const auto config = function_config_from_details_json(text);
        ASSERT_FALSE(config) << text;
        EXPECT_THAT(config.error().message, HasSubstr("functionDetails"));
    }
    EXPECT_FALSE(function_config_from_details_json("{\"name\":\"\xff\"}"));
    EXPECT_FALSE(function_config_from_details_json(std::string(kConfigBytesMax + 1, ' ')));
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "{\"source\":";
    EXPECT_FALSE(function_config_from_details_json(deep));
}

TEST(DetailsJson, sources_and_sinks_are_shown_as_their_configurations) {
    ::proto::FunctionDetails source;
    source.set_tenant("t");
    source.set_namespace_("n");
    source.set_name("s");
    source.set_parallelism(3);
    source.set_componenttype(::proto::FunctionDetails::SOURCE);
    source.mutable_source()->set_classname("org.x.Y");
    source.mutable_source()->set_configs(R"({"a":1})");
    source.mutable_source()->set_builtin("kafka");
    source.mutable_sink()->set_topic("out");
    const json shown = json::parse(connector_config_json(source));
    EXPECT_EQ(shown["name"], "s");
    EXPECT_EQ(shown["className"], "org.x.Y");
    EXPECT_EQ(shown["topicName"], "out");
    EXPECT_EQ(shown["parallelism"], 3);
    EXPECT_EQ(shown["configs"], json({{"a", 1}}));
    EXPECT_EQ(shown["archive"], "builtin://kafka");
    EXPECT_FALSE(shown.contains("inputs"));

    ::proto::FunctionDetails sink;
    sink.set_name("k");
    sink.set_componenttype(::proto::FunctionDetails::SINK);
    sink.mutable_sink()->set_classname("org.x.Z");
    sink.mutable_sink()->set_configs("not JSON");
    (*sink.mutable_source()->mutable_inputspecs())["in"];
    sink.mutable_source()->set_subscriptionname("sub");
    const json kept = json::parse(connector_config_json(sink));
    EXPECT_EQ(kept["className"], "org.x.Z");
    EXPECT_EQ(kept["inputs"], json({"in"}));
    EXPECT_TRUE(kept["inputSpecs"].contains("in"));
    EXPECT_EQ(kept["sourceSubscriptionName"], "sub");
    EXPECT_FALSE(kept.contains("configs"));
}

TEST(DetailsJson, protobufs_json_leaves_out_defaults) {
    ::proto::FunctionDetails details;
    details.set_name("f");
    EXPECT_EQ(to_protobuf_json(details), "{\n  \"name\": \"f\"\n}");
    EXPECT_EQ(to_protobuf_json(::proto::FunctionDetails()), "{}");
}

}  // namespace
}  // namespace weft::model
