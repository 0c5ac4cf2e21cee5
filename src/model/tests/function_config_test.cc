#include "model/function_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "model/function_name.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

FunctionConfig parsed(std::string_view text) {
    auto config = function_config_from_json(text);
    EXPECT_TRUE(config) << config.error().message;
    return config.value_or(FunctionConfig{});
}
std::string why_not(std::string_view text) {
    const auto config = function_config_from_json(text);
    EXPECT_FALSE(config) << text;
    return config ? "" : config.error().message;
}

constexpr std::string_view kEverything =
    R"({"runtimeFlags":"-v","tenant":"t","namespace":"n","name":"f",)"
    R"("className":"m.F","inputs":["a","b"],"customSerdeInputs":{"c":"m.S"},"topicsPattern":"p.*",)"
    R"("customSchemaInputs":{"d":"{}"},"customSchemaOutputs":{"e":"{}"},)"
    R"("inputSpecs":{"g":{"schemaType":"json",)"
    R"("serdeClassName":"m.S","regexPattern":true,"schemaProperties":{"k":"v"},)"
    R"("consumerProperties":{"k":"v"},)"
    R"("receiverQueueSize":7,"cryptoConfig":{"cryptoKeyReaderClassName":"m.K",)"
    R"("cryptoKeyReaderConfig":{"x":1},)"
    R"("encryptionKeys":["k1"],"producerCryptoFailureAction":"FAIL",)"
    R"("consumerCryptoFailureAction":"DISCARD"},)"
    R"("poolMessages":true}},"inputTypeClassName":"java.lang.String","output":"o","producerConfig":)"
    R"({"maxPendingMessages":5,"maxPendingMessagesAcrossPartitions":6,"useThreadLocalProducers":true,)"
    R"("batchBuilder":"KEY_BASED","compressionType":"ZSTD"},"outputSchemaType":"avro",)"
    R"("outputTypeClassName":"java.lang.String","outputSerdeClassName":"m.S","logTopic":"log",)"
    R"("processingGuarantees":"EFFECTIVELY_ONCE","retainOrdering":true,"retainKeyOrdering":false,)"
    R"("batchBuilder":"DEFAULT","forwardSourceMessageProperty":false,"userConfig":{"a":[1,2.5,"x",null],)"
    R"("b":{}},)"
    R"("secrets":{"s":{"path":"p"}},"runtime":"GO","autoAck":false,"maxMessageRetries":3,)"
    R"("deadLetterTopic":"dlq",)"
    R"("subName":"s","parallelism":4,"resources":{"cpu":0.5,"ram":1,"disk":2},"fqfn":"t/n/f","windowConfig":)"
    R"({"windowLengthCount":1,"windowLengthDurationMs":2,"slidingIntervalCount":3,)"
    R"("slidingIntervalDurationMs":4,)"
    R"("lateDataTopic":"late","maxLagMs":5,"watermarkEmitIntervalMs":6,"timestampExtractorClassName":"m.T",)"
    R"("actualWindowFunctionClassName":"m.W","processingGuarantees":"ATMOST_ONCE"},"timeoutMs":9000000000,)"
    R"("jar":"a.jar","py":"a.py","go":"a","native":"a.so","functionType":"x","cleanupSubscription":true,)"
    R"("customRuntimeOptions":"{}","maxPendingAsyncRequests":10,"exposePulsarAdminClientEnabled":true,)"
    R"("skipToLatest":true,"subscriptionPosition":"Earliest"})";

TEST(FunctionConfigJson, writes_every_member_back_in_pulsars_order) {
    EXPECT_EQ(to_json(parsed(kEverything)), kEverything);
}

TEST(FunctionConfigJson, leaves_out_what_is_not_given) {
    EXPECT_EQ(to_json(parsed("{}")), "{}");
    EXPECT_EQ(to_json(parsed(R"({"name":null,"inputs":null})")), "{}");
}

TEST(FunctionConfigJson, ignores_members_it_does_not_know) {
    EXPECT_EQ(to_json(parsed(R"({"name":"f","colour":"blue","nested":{"deep":[1]}})")), R"({"name":"f"})");
}

TEST(FunctionConfigJson, takes_the_spellings_of_jackson_and_gson) {
    for (const char* spelling : {"regexPattern", "isRegexPattern"}) {
        const auto config = parsed(str_cat(R"({"inputSpecs":{"t":{")", spelling, R"(":true}}})"));
        EXPECT_TRUE(config.input_specs->at("t").regex_pattern) << spelling;
    }
}

TEST(FunctionConfigJson, converts_scalars_as_jackson_does) {
    const auto config = parsed(R"({"name":7,"parallelism":"3","autoAck":"true","timeoutMs":5})");
    EXPECT_EQ(config.name, "7");
    EXPECT_EQ(config.parallelism, 3);
    EXPECT_EQ(config.auto_ack, true);
}

TEST(FunctionConfigJson, equal_user_configs_are_equal_texts) {
    EXPECT_EQ(parsed(R"({"userConfig":{"b":1,"a":2}})"), parsed(R"({"userConfig": {"a":2, "b":1}})"));
}

TEST(FunctionConfigJson, says_which_member_is_wrong_and_what_it_must_be) {
    const std::vector<std::pair<const char*, const char*>> cases = {
        {R"({"parallelism":"two"})",
         "Invalid value \"two\" of parallelism in the function config: it must be a whole number"},
        {R"({"parallelism":1.5})", "Invalid value 1.5 of parallelism"},
        {R"({"parallelism":3000000000})", "at most 32 bits"},
        {R"({"parallelism":[]})", "Invalid value [] of parallelism"},
        {R"({"timeoutMs":99999999999999999999})",
         "of timeoutMs in the function config: it must be a whole number"},
        {R"({"autoAck":"yes"})", "it must be true or false"},
        {R"({"inputs":"a"})",
         "Invalid value \"a\" of inputs in the function config: it must be a list of strings"},
        {R"({"inputs":[{}]})", "Invalid value {} of inputs[]"},
        {R"({"inputSpecs":[]})", "it must be a JSON object"},
        {R"({"inputSpecs":{"t":5}})", "Invalid value 5 of inputSpecs[t]"},
        {R"({"inputSpecs":{"t":{"receiverQueueSize":"x"}}})", "of inputSpecs[t].receiverQueueSize"},
        {R"({"userConfig":"{}"})",
         "Invalid value \"{}\" of userConfig in the function config: it must be a JSON object"},
        {R"({"processingGuarantees":"ONCE"})",
         "it must be one of ATLEAST_ONCE ATMOST_ONCE EFFECTIVELY_ONCE MANUAL"},
        {R"({"runtime":"RUST"})", "it must be one of JAVA PYTHON GO NATIVE"},
        {R"({"subscriptionPosition":"earliest"})", "it must be one of Latest Earliest"},
        {R"({"producerConfig":{"compressionType":"LZO"}})", "of producerConfig.compressionType"},
        {R"({"resources":{"cpu":"much"}})", "of resources.cpu in the function config: it must be a number"},
        {"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"[]", "must be a JSON object"},
        {"nonsense", "not valid JSON"},
        {"{\"name\":\"\xff\xfe\"}", "not valid JSON"},
    };
    for (const auto& [text, expected] : cases) EXPECT_THAT(why_not(text), HasSubstr(expected)) << text;
}

TEST(FunctionConfigJson, is_bounded_in_size_and_depth) {
    EXPECT_THAT(why_not(std::string(kConfigBytesMax + 1, ' ')), HasSubstr("too large"));
    std::string deep = R"({"userConfig":)";
    for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
    EXPECT_THAT(why_not(deep + "1" + std::string(100'001, '}')), HasSubstr("nests deeper than 64"));
    EXPECT_FALSE(why_not(std::string(100'000, '[')).empty());
    EXPECT_THAT(why_not(str_cat(R"({"parallelism":")", std::string(100'000, 'x'), "\"}")),
                HasSubstr("xxx..."));
}

TEST(FunctionConfigJson, mutated_input_is_read_or_refused_never_worse) {
    std::mt19937 random(7);  // the same every time
    int read = 0, refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text(kEverything);
        for (int change = 0; change < 3; ++change) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, random() % 20);
                    break;
                default:
                    text.insert(at, text.substr(random() % text.size(), random() % 20));
                    break;
            }
        }
        const auto config = function_config_from_json(text);
        config ? ++read : ++refused;
        if (config) {
            EXPECT_EQ(function_config_from_json(to_json(*config)).value(), *config);
        }
    }
    EXPECT_GT(read, 100);
    EXPECT_GT(refused, 100);
}

TEST(FunctionName, reads_and_writes_full_names) {
    const auto name = parse_function_name("t/n/f");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->full(), "t/n/f");
    EXPECT_EQ(name->instance_key(3), "t/n/f:3");
    for (const char* bad : {"", "t", "t/n", "t/n/", "/n/f", "t//f", "t/n/f/x"})
        EXPECT_FALSE(parse_function_name(bad)) << bad;
}

TEST(FunctionName, reads_instance_keys_with_colons_in_the_name) {
    const auto key = parse_instance_key("t/n/a:b:12");
    ASSERT_TRUE(key);
    EXPECT_EQ(key->function.name, "a:b");
    EXPECT_EQ(key->instance_id, 12);
    EXPECT_EQ(parse_instance_key("t/n/f:-1")->instance_id, -1);
    for (const char* bad : {"t/n/f", "t/n/f:", "t/n/f:x", "t/n/f:1x", "t/n:1", ":1", "t/n/f:99999999999"}) {
        EXPECT_FALSE(parse_instance_key(bad)) << bad;
    }
}

TEST(FunctionName, names_that_cannot_be_keys_are_refused) {
    EXPECT_TRUE(check_name("Function name", "my-function_1.x:y z"));
    EXPECT_EQ(check_name("Function name", "a/b").error().message,
              "Function name 'a/b' is invalid: slashes and control characters can't be used");
    EXPECT_FALSE(check_name("Function name", ""));
    EXPECT_FALSE(check_name("Function name", std::string(81, 'x')));
    EXPECT_FALSE(check_name("Function name", "a\nb"));
    EXPECT_EQ(check_name("Function name", "a\xff").error().message,
              "Function name 'a\xff' is invalid: it must be UTF-8");
    EXPECT_FALSE(check_name("Function name", "."));
    EXPECT_FALSE(check_name("Function name", ".."));
    EXPECT_TRUE(check_name("Function name", "..."));
}

}  // namespace
}  // namespace weft::model
