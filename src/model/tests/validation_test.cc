#include "model/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/testing/document.h"
#include "model/field_table.h"
#include "model/function_update.h"

namespace weft::model {
namespace {

/// A valid Python function, with members replaced or added by JSON.
FunctionConfig function_with(const std::string& members) {
    const std::string text =
        R"({"tenant":"public","namespace":"default","name":"f","className":"m.F","inputs":["in"],)"
        R"("py":"m.py")" +
        (members.empty() ? "" : "," + members) + "}";
    auto config = function_config_from_json(text);
    EXPECT_TRUE(config) << text << ": " << config.error().message;
    return config.value_or(FunctionConfig{});
}
std::string answer_to(const std::string& members) {
    FunctionConfig config = function_with(members);
    infer_missing(config);
    if (const auto valid = validate(config); !valid) return valid.error().message;
    const auto served = refuse_unsupported(config);
    return served ? "ok" : served.error().message;
}

struct Case {
    std::string members, answer;
};

/// Whether an answer is the text of Pulsar's worker, with nothing behind it but our field, value and cure.
::testing::Matcher<const std::string&> says(const std::string& text) {
    return ::testing::AnyOf(text,
                            ::testing::AllOf(::testing::StartsWith(text + " ("), ::testing::EndsWith(")")));
}

TEST(Validation, answers_with_the_texts_of_pulsars_worker) {
    const std::vector<Case> cases = {
        {"", "ok"},
        {R"("className":"")", "Function classname cannot be null"},
        {R"("inputs":[])", "No input topic(s) specified for the function"},
        {R"("inputs":["a//b"])", "Input topic a//b is invalid"},
        {R"("inputs":["persistent://a"])", "Input topic persistent://a is invalid"},
        {R"("inputSpecs":{"x://y":{}})", "Input topic x://y is invalid"},
        {R"("output":"a//b")", "Output topic a//b is invalid"},
        {R"("logTopic":"a//b")", "LogTopic topic a//b is invalid"},
        {R"("deadLetterTopic":"a//b","maxMessageRetries":1)", "DeadLetter topic a//b is invalid"},
        {R"("parallelism":0)", "Function parallelism must be a positive number"},
        {R"("parallelism":-4)", "Function parallelism must be a positive number"},
        {R"("output":"in")",
         "Output topic in is also being used as an input topic (topics must be one or the other)"},
        {R"("windowConfig":{})", "Window length is not specified"},
        {R"("windowConfig":{"windowLengthCount":0})", "Window length must be positive [0]"},
        {R"("windowConfig":{"windowLengthCount":1,"windowLengthDurationMs":1})",
         "Window length for time and count are set! Please set one or the other."},
        {R"("windowConfig":{"windowLengthCount":1,"slidingIntervalCount":-1})",
         "Sliding interval must be positive [-1]"},
        {R"("windowConfig":{"windowLengthCount":1})", "There is currently no support windowing in python"},
        {R"("resources":{"cpu":0})", "The cpu allocation for the function must be positive"},
        {R"("resources":{"ram":-1})", "The ram allocation for the function must be positive"},
        {R"("resources":{"disk":0})", "The disk allocation for the function must be positive"},
        {R"("timeoutMs":0)", "Function timeout must be a positive number"},
        {R"("timeoutMs":10,"processingGuarantees":"ATMOST_ONCE")",
         "Message timeout can only be specified with processing guarantee is ATLEAST_ONCE"},
        {R"("maxMessageRetries":1,"processingGuarantees":"EFFECTIVELY_ONCE")",
         "MaxMessageRetries and Effectively once don't gel well"},
        {R"("deadLetterTopic":"dlq")", "Dead Letter Topic specified, however max retries is set to infinity"},
        {R"("retainKeyOrdering":true,"processingGuarantees":"EFFECTIVELY_ONCE")",
         "When effectively once processing guarantee is specified, retain Key ordering cannot be set"},
        {R"("retainKeyOrdering":true,"retainOrdering":true)",
         "Only one of retain ordering or retain key ordering can be set"},
        {R"("inputSpecs":{"x":{"receiverQueueSize":-1}})", "Receiver queue size should be >= zero"},
        {R"("inputSpecs":{"x":{"cryptoConfig":{}}})", "CryptoKeyReader class name required"},
        {R"("producerConfig":{"cryptoConfig":{"cryptoKeyReaderClassName":" "}})",
         "CryptoKeyReader class name required"},
        {R"("producerConfig":{"cryptoConfig":{"cryptoKeyReaderClassName":"K"}})",
         "Must provide encryption key name for crypto key reader"},
        {R"("py":null)", "Function language runtime is either not set or cannot be determined"},
        {R"("processingGuarantees":"EFFECTIVELY_ONCE")",
         "Effectively-once processing guarantees not yet supported in Python"},
        {R"("maxMessageRetries":1)", "Message retries not yet supported in python"},
        {R"("py":null,"go":"f","windowConfig":{"windowLengthCount":1})",
         "Windowing is not supported in Go function yet"},
        {R"("py":null,"jar":"f.jar","className":null)", "Function class name is not provided."},
        {R"("py":null,"jar":"f.jar","inputSpecs":{"x":{"schemaType":"JSON","serdeClassName":"S"}})",
         "Only one of schemaType or serdeClassName should be set in inputSpec"},
        {R"("py":null,"jar":"f.jar","outputSchemaType":"JSON","outputSerdeClassName":"S")",
         "Only one of outputSchemaType or outputSerdeClassName should be set"},
        {R"("py":null,"go":"f","retainKeyOrdering":true)",
         "Retain Key Orderering not yet supported in Go function"},
        {R"("py":null,"native":"f.so","windowConfig":{"windowLengthCount":1},)"
         R"("processingGuarantees":"MANUAL")",
         "Windows Function not support MANUAL delivery semantics."},
        {R"("autoAck":false,"processingGuarantees":"ATMOST_ONCE")",
         "When Guarantees == ATMOST_ONCE, autoAck must be equal to true. This is a contradictory "
         "configuration, "
         "autoAck will be removed later. Please refer to PIP: https://github.com/apache/pulsar/issues/15560"},
        {R"("name":"a/b")", "Function name 'a/b' is invalid: slashes and control characters can't be used"},
        {R"("parallelism":100000)", "Function parallelism 100000 is over Weft's limit of 1024"},
    };
    for (const auto& [members, answer] : cases) EXPECT_THAT(answer_to(members), says(answer)) << members;
}

TEST(Validation, names_field_value_and_cure_behind_pulsars_words) {
    EXPECT_EQ(answer_to(R"("parallelism":-4)"),
              "Function parallelism must be a positive number (parallelism = -4: use 1 or more)");
    EXPECT_EQ(
        answer_to(R"("className":"")"),
        "Function classname cannot be null (className = nothing: give module.Class or module.function)");
    EXPECT_EQ(answer_to(R"("resources":{"ram":-1})"),
              "The ram allocation for the function must be positive (resources.ram = -1: use more than 0, or "
              "leave it out)");
    EXPECT_THAT(answer_to(R"("inputs":["a//b"])"),
                ::testing::StartsWith("Input topic a//b is invalid (inputs: invalid topic name 'a//b': "));
}

TEST(Validation, a_python_class_is_a_dotted_name) {
    for (const char* name : {"f.f", "f", "my-function.F", "1a.b_1.C", "m\\u00e4.f"})
        EXPECT_EQ(answer_to(str_cat(R"("className":")", name, R"(")")), "ok") << name;
    for (const char* name : {"../f", "f.", ".f", "a..b", "a\\\\b.c", "a\\nb", "a/b.c"}) {
        EXPECT_THAT(answer_to(str_cat(R"("className":")", name, R"(")")),
                    ::testing::AllOf(::testing::StartsWith("Function classname is invalid (className = "),
                                     ::testing::HasSubstr("give module.Class")))
            << name;
    }
}

TEST(Validation, native_functions_need_no_class) {
    EXPECT_EQ(answer_to(R"("py":null,"className":null,"native":"f.so")"), "ok");
    EXPECT_EQ(answer_to(R"("py":null,"runtime":"NATIVE")"), "ok");
}

/// One value per refused field that isn't its default, and one that is as good as leaving it out.
const std::map<std::string, std::pair<std::string, std::string>> kRefused = {
    {"topicsPattern", {R"("topicsPattern":"a.*")", R"("topicsPattern":null)"}},
    {"customSchemaInputs", {R"("customSchemaInputs":{"x":"{}"})", R"("customSchemaInputs":{})"}},
    {"customSchemaOutputs", {R"("customSchemaOutputs":{"x":"{}"})", R"("customSchemaOutputs":{})"}},
    {"inputSpecs.schemaType",
     {R"("inputSpecs":{"x":{"schemaType":"json"}})", R"("inputSpecs":{"x":{"schemaType":""}})"}},
    {"inputSpecs.regexPattern",
     {R"("inputSpecs":{"x":{"isRegexPattern":true}})", R"("inputSpecs":{"x":{"regexPattern":false}})"}},
    {"inputSpecs.schemaProperties",
     {R"("inputSpecs":{"x":{"schemaProperties":{"a":"b"}}})",
      R"("inputSpecs":{"x":{"schemaProperties":{}}})"}},
    {"inputSpecs.consumerProperties",
     {R"("inputSpecs":{"x":{"consumerProperties":{"a":"b"}}})",
      R"("inputSpecs":{"x":{"consumerProperties":{}}})"}},
    {"inputSpecs.cryptoConfig",
     {R"("inputSpecs":{"x":{"cryptoConfig":{"cryptoKeyReaderClassName":"K"}}})", ""}},
    {"inputSpecs.poolMessages",
     {R"("inputSpecs":{"x":{"poolMessages":true}})", R"("inputSpecs":{"x":{"poolMessages":false}})"}},
    {"inputSpecs.serdeClassName",
     {R"("py":null,"native":"f.so","inputSpecs":{"x":{"serdeClassName":"S"}})",
      R"("inputSpecs":{"x":{"serdeClassName":"S"}})"}},
    {"inputSpecs.receiverQueueSize",
     {R"("inputSpecs":{"x":{"receiverQueueSize":0}})", R"("inputSpecs":{"x":{"receiverQueueSize":1}})"}},
    {"customSerdeInputs",
     {R"("py":null,"native":"f.so","customSerdeInputs":{"x":"S"})", R"("customSerdeInputs":{"x":"S"})"}},
    {"outputSerdeClassName",
     {R"("py":null,"native":"f.so","outputSerdeClassName":"S")", R"("outputSerdeClassName":"S")"}},
    {"inputTypeClassName", {R"("inputTypeClassName":"String")", R"("inputTypeClassName":"")"}},
    {"producerConfig.maxPendingMessagesAcrossPartitions",
     {R"("producerConfig":{"maxPendingMessagesAcrossPartitions":9})",
      R"("producerConfig":{"maxPendingMessagesAcrossPartitions":0})"}},
    {"producerConfig.useThreadLocalProducers",
     {R"("producerConfig":{"useThreadLocalProducers":true})",
      R"("producerConfig":{"useThreadLocalProducers":false})"}},
    {"producerConfig.cryptoConfig",
     {R"("producerConfig":{"cryptoConfig":{"cryptoKeyReaderClassName":"K","encryptionKeys":["k"]}})", ""}},
    {"producerConfig.batchBuilder",
     {R"("producerConfig":{"batchBuilder":"KEY_BASED"})", R"("producerConfig":{"batchBuilder":"DEFAULT"})"}},
    {"outputSchemaType", {R"("outputSchemaType":"avro")", R"("outputSchemaType":"")"}},
    {"outputTypeClassName", {R"("outputTypeClassName":"String")", ""}},
    {"processingGuarantees",
     {R"("processingGuarantees":"MANUAL")", R"("processingGuarantees":"ATMOST_ONCE")"}},
    {"retainKeyOrdering", {R"("retainKeyOrdering":true)", R"("retainKeyOrdering":false)"}},
    {"batchBuilder", {R"("batchBuilder":"KEY_BASED")", R"("batchBuilder":"DEFAULT")"}},
    {"secrets", {R"("py":null,"go":"f","secrets":{"a":"b"})", R"("secrets":{"a":"b"})"}},
    {"autoAck", {R"("autoAck":false)", R"("autoAck":true)"}},
    {"maxMessageRetries",
     {R"("py":null,"native":"a.so","maxMessageRetries":3)", R"("maxMessageRetries":-1)"}},
    {"deadLetterTopic", {"", R"("deadLetterTopic":"")"}},  // never alone: retries are refused first
    {"windowConfig", {R"("py":null,"native":"a.so","windowConfig":{"windowLengthCount":1})", ""}},
    {"producerConfig.maxPendingMessages",
     {R"("py":null,"go":"f","producerConfig":{"maxPendingMessages":9})",
      R"("producerConfig":{"maxPendingMessages":9})"}},
    {"producerConfig.compressionType",
     {R"("py":null,"go":"f","producerConfig":{"compressionType":"ZSTD"})",
      R"("producerConfig":{"compressionType":"ZSTD"})"}},
    {"timeoutMs", {R"("py":null,"jar":"a.jar","timeoutMs":999)", R"("timeoutMs":1)"}},
    {"functionType", {R"("functionType":"x")", R"("functionType":"")"}},
    {"runtimeFlags", {R"("runtimeFlags":"-X")", R"("runtimeFlags":"")"}},
    {"customRuntimeOptions", {R"("customRuntimeOptions":"{}")", R"("customRuntimeOptions":"")"}},
    {"maxPendingAsyncRequests", {R"("maxPendingAsyncRequests":5)", R"("maxPendingAsyncRequests":1000)"}},
    {"exposePulsarAdminClientEnabled",
     {R"("exposePulsarAdminClientEnabled":true)", R"("exposePulsarAdminClientEnabled":false)"}},
    {"skipToLatest", {R"("skipToLatest":true)", R"("skipToLatest":false)"}},
};

TEST(Support, refuses_what_is_not_served_by_field_value_and_cure) {
    for (const auto& [field, values] : kRefused) {
        if (!values.first.empty()) {
            EXPECT_THAT(answer_to(values.first),
                        ::testing::AllOf(::testing::StartsWith(field + " = "),
                                         ::testing::HasSubstr(" is not supported by Weft yet: ")));
        }
        EXPECT_EQ(answer_to(values.second), "ok") << "the default of " << field;
    }
    EXPECT_EQ(answer_to(R"("inputSpecs":{"x":{"schemaType":"json"}})"),
              "inputSpecs.schemaType = json (input x) is not supported by Weft yet: leave it out and use a "
              "serde class, "
              "or plain bytes");
}

TEST(Support, what_the_java_instance_does_by_itself_is_served_for_java) {
    for (const char* members :
         {R"("inputSpecs":{"x":{"schemaType":"json","consumerProperties":{"a":"b"},"receiverQueueSize":0}})",
          R"("outputSchemaType":"avro")", R"("processingGuarantees":"MANUAL")", R"("autoAck":false)",
          R"("retainKeyOrdering":true)", R"("maxMessageRetries":3,"deadLetterTopic":"d")",
          R"("windowConfig":{"windowLengthCount":1})", R"("runtimeFlags":"-X")", R"("skipToLatest":true)",
          R"("batchBuilder":"KEY_BASED")", R"("customSerdeInputs":{"x":"S"})", R"("secrets":{"a":"b"})"}) {
        EXPECT_EQ(answer_to(str_cat(R"("py":null,"jar":"a.jar",)", members)), "ok") << members;
    }
    for (const char* members : {R"("topicsPattern":"a.*")", R"("processingGuarantees":"EFFECTIVELY_ONCE")",
                                R"("customRuntimeOptions":"{}")", R"("customSchemaInputs":{"x":"{}"})"}) {
        EXPECT_THAT(answer_to(str_cat(R"("py":null,"jar":"a.jar",)", members)),
                    ::testing::HasSubstr(" is not supported by Weft yet: "));
    }
}

TEST(Support, the_table_the_checks_and_these_cases_name_the_same_fields) {
    std::set<std::string> refused, checked, cases;
    for (const Field& field : function_fields()) {
        const bool whole = field.status == FieldStatus::honoured || field.status == FieldStatus::accepted;
        if (!whole) refused.emplace(field.name);
    }
    for (const auto field : fields_checked_for_support()) checked.emplace(field);
    for (const auto& [field, values] : kRefused) cases.insert(field);
    EXPECT_EQ(refused, checked);
    EXPECT_EQ(refused, cases);
}

TEST(Support, docs_show_the_table) {
    expect_table_in(WEFT_SOURCE_DIR "/docs/compatibility.md",
                    "<!-- fields: generated from src/model/fields.def -->\n", "<!-- /fields -->",
                    fields_as_markdown(), "weft_model_test");
}

TEST(Inference, fills_what_pulsar_fills) {
    FunctionConfig config;
    config.class_name = "my.module.Classy";
    config.native = "f.so";
    infer_missing(config);
    EXPECT_EQ(config.name, "Classy");
    EXPECT_EQ(config.tenant, "public");
    EXPECT_EQ(config.ns, "default");
    EXPECT_EQ(config.parallelism, 1);
    EXPECT_EQ(config.runtime, Runtime::native);
    EXPECT_EQ(config.forward_source_message_property, true);
}

// Updates.

FunctionConfig stored() {
    FunctionConfig config =
        function_with(R"("output":"out","runtime":"PYTHON","autoAck":true,"parallelism":1,)"
                      R"("processingGuarantees":"ATLEAST_ONCE","retainOrdering":false,)"
                      R"("retainKeyOrdering":false,"userConfig":{"a":1},"subName":"s",)"
                      R"("inputSpecs":{"in":{}})");
    config.inputs.reset();
    config.py.reset();
    return config;
}
std::string update_answer(const std::string& json) {
    auto update = function_config_from_json(json);
    EXPECT_TRUE(update) << json;
    update->tenant = "public";
    update->ns = "default";
    update->name = "f";
    const auto merged = merge_update(stored(), *update);
    return merged ? "ok" : merged.error().message;
}

TEST(Update, refuses_what_cannot_be_altered) {
    const std::vector<Case> cases = {
        {R"({"inputs":["other"]})", "Input Topics cannot be altered"},
        {R"({"customSerdeInputs":{"other":"S"}})", "Input Topics cannot be altered"},
        {R"({"inputSpecs":{"in":{"regexPattern":true}}})",
         "isRegexPattern for input topic in cannot be altered"},
        {R"({"topicsPattern":"in"})", "isRegexPattern for input topic in cannot be altered"},
        {R"({"outputSerdeClassName":"S"})", "Output Serde mismatch"},
        {R"({"outputSchemaType":"json"})", "Output Schema mismatch"},
        {R"({"processingGuarantees":"ATMOST_ONCE"})", "Processing Guarantees cannot be altered"},
        {R"({"retainOrdering":true})", "Retain Ordering cannot be altered"},
        {R"({"retainKeyOrdering":true})", "Retain Key Ordering cannot be altered"},
        {R"({"runtime":"NATIVE"})", "Runtime cannot be altered"},
        {R"({"autoAck":false})", "AutoAck cannot be altered"},
        {R"({"subName":"t"})", "Subscription Name cannot be altered"},
        {R"({"subName":"s","runtime":"PYTHON","inputs":["in"]})", "ok"},
    };
    for (const auto& [json, answer] : cases) EXPECT_THAT(update_answer(json), says(answer)) << json;
    EXPECT_EQ(
        update_answer(R"({"subName":"t"})"),
        "Subscription Name cannot be altered (subName = t: delete the function and create it anew, or leave "
        "the field out)");
    FunctionConfig other = stored();
    other.name = "g";
    EXPECT_THAT(merge_update(stored(), other).error().message, says("Function Names differ"));
    other.ns = "x";
    EXPECT_THAT(merge_update(stored(), other).error().message, says("Namespaces differ"));
    other.tenant = "x";
    EXPECT_THAT(merge_update(stored(), other).error().message, says("Tenants differ"));
}

TEST(Update, replaces_what_is_given_and_ignores_what_pulsar_ignores) {
    FunctionConfig update = stored();
    EXPECT_EQ(merge_update(stored(), update).value(), stored());
    update.py = "other.py";
    update.skip_to_latest = true;
    update.subscription_position = SubscriptionPosition::earliest;
    EXPECT_EQ(merge_update(stored(), update).value(), stored());
    update.parallelism = 3;
    update.user_config = JsonText{"{}"};
    update.input_specs->at("in").receiver_queue_size = 5;
    update.resources = Resources{2.0, std::nullopt, std::nullopt};
    const auto merged = merge_update(stored(), update).value();
    EXPECT_EQ(merged.parallelism, 3);
    EXPECT_EQ(merged.user_config->text, "{}");
    EXPECT_EQ(merged.input_specs->at("in").receiver_queue_size, 5);
    EXPECT_EQ(merged.resources->cpu, 2.0);
    EXPECT_EQ(merged.output, "out");
}

}  // namespace
}  // namespace weft::model
