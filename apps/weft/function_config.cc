#include "function_config.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace weft::app {

namespace {

using config::Type;
using Json = nlohmann::ordered_json;

// How an option's value gets into the configuration.
enum class As : std::uint8_t { text, integer, number, boolean, list, json, elsewhere };

struct FunctionOption {
    std::string_view names, value, help;
    std::string_view member = {};  // of FunctionConfig: "resources.cpu"
    As as = As::text;
    std::string_view choices = {};
};

constexpr std::string_view kUpdateAuthData = "--update-auth-data";

// What Weft honours of these is decided by the worker (src/model/fields.def), which refuses the others by
// name.
constexpr FunctionOption kFunctionOptions[] = {
    {"--auto-ack", "autoAck", "Whether or not the framework acknowledges messages automatically", "autoAck",
     As::boolean},
    {"--batch-builder", "batchBuilder",
     "BatcherBuilder provides two types of batch construction methods, DEFAULT and KEY_BASED",
     "batchBuilder"},
    {"--classname", "className", "The class name of a Pulsar Function", "className"},
    {"--cleanup-subscription", "", "Whether delete the subscription when function is deleted",
     "cleanupSubscription", As::boolean},
    {"--cpu", "cpu", "The cpu in cores that need to be allocated per function instance", "resources.cpu",
     As::number},
    {"--custom-runtime-options", "customRuntimeOptions",
     "A string that encodes options to customize the runtime", "customRuntimeOptions"},
    {"--custom-schema-inputs", "customSchemaInputString",
     "The map of input topics to Schema properties (as a JSON string)", "customSchemaInputs", As::json},
    {"--custom-schema-outputs", "customSchemaOutputString",
     "The map of input topics to Schema properties (as a JSON string)", "customSchemaOutputs", As::json},
    {"--custom-serde-inputs", "customSerdeInputString",
     "The map of input topics to SerDe class names (as a JSON string)", "customSerdeInputs", As::json},
    {"--dead-letter-topic", "deadLetterTopic",
     "The topic where messages that are not processed successfully are sent to", "deadLetterTopic"},
    {"--disk", "disk", "The disk in bytes that need to be allocated per function instance", "resources.disk",
     As::integer},
    {"--forward-source-message-property", "forwardSourceMessageProperty",
     "Forwarding input message's properties to output topic when processing (use false to disable it)",
     "forwardSourceMessageProperty", As::boolean},
    {"--fqfn", "fqfn", "The Fully Qualified Function Name (FQFN) for the function", "", As::elsewhere},
    {"--function-config-file", "fnConfigFile",
     "The path to a YAML config file that specifies the configuration of a Pulsar Function", "",
     As::elsewhere},
    {"--go", "goFile",
     "Path to the main Go executable binary for the function (if the function is written in Go)", "go"},
    {"-i, --inputs", "inputs",
     "The input topic or topics (multiple topics can be specified as a comma-separated list) of a Pulsar "
     "Function",
     "inputs", As::list},
    {"--input-specs", "inputSpecs", "The map of inputs to custom configuration (as a JSON string)",
     "inputSpecs", As::json},
    {"--input-type-class-name", "inputTypeClassName", "The class name of input type class",
     "inputTypeClassName"},
    {"--jar", "jarFile", "Path to the JAR file for the function (if the function is written in Java)", "jar"},
    {"--log-topic", "logTopic", "The topic to which the logs of a Pulsar Function are produced", "logTopic"},
    {"--max-message-retries", "maxMessageRetries",
     "How many times should we try to process a message before giving up", "maxMessageRetries", As::integer},
    {"--name", "functionName", "The name of a Pulsar Function", "", As::elsewhere},
    {"--namespace", "namespace", "The namespace of a Pulsar Function", "", As::elsewhere},
    {"--native", "nativeFile", "Path to the shared library of a C++ function (Weft's own option)", "native"},
    {"-o, --output", "output",
     "The output topic of a Pulsar Function (If none is specified, no output is written)", "output"},
    {"--output-serde-classname", "outputSerdeClassName",
     "The SerDe class to be used for messages output by the function", "outputSerdeClassName"},
    {"--output-type-class-name", "outputTypeClassName", "The class name of output type class",
     "outputTypeClassName"},
    {"--parallelism", "parallelism",
     "The parallelism factor of a Pulsar Function (i.e. the number of function instances to run)",
     "parallelism", As::integer},
    {"--processing-guarantees", "processingGuarantees",
     "The processing guarantees (as known as delivery semantics) applied to the function. If it is not "
     "specified, the ATLEAST_ONCE delivery guarantee is "
     "used.",
     "processingGuarantees", As::text, "ATLEAST_ONCE|ATMOST_ONCE|EFFECTIVELY_ONCE|MANUAL"},
    {"--producer-config", "producerConfig", "The custom producer configuration (as a JSON string)",
     "producerConfig", As::json},
    {"--py", "pyFile", "Path to the main Python file for the function (if the function is written in Python)",
     "py"},
    {"--ram", "ram", "The ram in bytes that need to be allocated per function instance", "resources.ram",
     As::integer},
    {"--retain-key-ordering", "", "Function consumes and processes messages in key order",
     "retainKeyOrdering", As::boolean},
    {"--retain-ordering", "", "Function consumes and processes messages in order", "retainOrdering",
     As::boolean},
    {"--runtime-flags", "runtimeFlags", "Any flags that you want to pass to a runtime", "runtimeFlags"},
    {"--secrets", "secretsString",
     "The map of secretName to an object that encapsulates how the secret is fetched by the underlying "
     "secrets provider",
     "secrets", As::json},
    {"--skip-to-latest", "skipToLatest",
     "Whether or not the consumer skip to latest message upon function instance restart", "skipToLatest",
     As::boolean},
    {"--sliding-interval-count", "slidingIntervalCount",
     "The number of messages after which the window slides", "windowConfig.slidingIntervalCount",
     As::integer},
    {"--sliding-interval-duration-ms", "slidingIntervalDurationMs",
     "The time duration after which the window slides", "windowConfig.slidingIntervalDurationMs",
     As::integer},
    {"-st, --schema-type", "schemaType",
     "The builtin schema type or custom schema class name to be used for messages output by the function",
     "outputSchemaType"},
    {"--subs-name", "subsName",
     "Pulsar source subscription name if user wants a specific subscription-name for input-topic consumer",
     "subName"},
    {"--subs-position", "subsPosition",
     "Pulsar source subscription position if user wants to consume messages from the specified location",
     "subscriptionPosition", As::text, "Latest|Earliest"},
    {"-t, --function-type", "functionType", "The built-in Pulsar Function type", "functionType"},
    {"--tenant", "tenant", "The tenant of a Pulsar Function", "", As::elsewhere},
    {"--timeout-ms", "timeoutMs", "The message timeout in milliseconds", "timeoutMs", As::integer},
    {"--topics-pattern", "topicsPattern",
     "The topic pattern to consume from a list of topics under a namespace that matches the pattern. "
     "[--input] and [--topics-pattern] are mutually "
     "exclusive.",
     "topicsPattern"},
    {kUpdateAuthData, "", "Whether or not to update the auth data: the function becomes who updates it", "",
     As::elsewhere},
    {"--user-config", "userConfigString", "User-defined config key/values", "userConfig", As::json},
    {"--window-length-count", "windowLengthCount", "The number of messages per window",
     "windowConfig.windowLengthCount", As::integer},
    {"--window-length-duration-ms", "windowLengthDurationMs",
     "The time duration of the window in milliseconds", "windowConfig.windowLengthDurationMs", As::integer},
};
constexpr std::size_t kCount = std::size(kFunctionOptions);

template <std::size_t kSize>
constexpr std::array<config::Option, kSize> as_options() {
    std::array<config::Option, kSize> out{};
    std::size_t i = 0;
    for (const FunctionOption& from : kFunctionOptions) {
        if (kSize < kCount && from.names == kUpdateAuthData) continue;  // of updates only
        config::Option& made = out[i++];
        made = {.names = from.names, .value = from.value, .help = from.help, .choices = from.choices};
        if (from.value.empty()) continue;
        if (from.as == As::integer) made.type = Type::integer;
        if (from.as == As::number) made.type = Type::number;
        if (from.as == As::boolean) made.type = Type::boolean;
    }
    return out;
}
constexpr auto kCreateOptions = as_options<kCount - 1>();
constexpr auto kUpdateOptions = as_options<kCount>();

std::string_view name_of(const FunctionOption& option) {
    const std::size_t comma = option.names.rfind(", ");
    return comma == std::string_view::npos ? option.names : option.names.substr(comma + 2);
}

std::vector<std::string> split(std::string_view text, char by) {
    std::vector<std::string> out;
    while (true) {
        const std::size_t end = text.find(by);
        out.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return out;
        text.remove_prefix(end + 1);
    }
}

// A plain scalar of YAML stands for what it looks like; a quoted one is text.
Json scalar_of(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    if (node.Tag() == "!") return text;
    if (text.empty() || text == "~" || text == "null") return nullptr;
    if (text == "true" || text == "false") return text == "true";
    const Json number = Json::parse(text, nullptr, false);
    return number.is_number() ? number : Json(text);
}

// Aliases make a small file into a large tree: `left` counts what may still be made.
constexpr int kYamlDepthMax = 32;
constexpr std::size_t kYamlValuesMax = 100'000;
constexpr std::size_t kYamlBytesMax = 1U << 20;

Json json_of(const YAML::Node& node, int depth, std::size_t& left) {
    if (depth == 0)
        throw YAML::Exception(node.Mark(), str_cat("nests deeper than ", kYamlDepthMax, " levels"));
    if (left-- == 0)
        throw YAML::Exception(node.Mark(),
                              str_cat("has more than ", kYamlValuesMax, " values, aliases expanded"));
    if (node.IsMap()) {
        Json out = Json::object();
        for (const auto& member : node)
            out[member.first.as<std::string>()] = json_of(member.second, depth - 1, left);
        return out;
    }
    if (node.IsSequence()) {
        Json out = Json::array();
        for (const auto& item : node) out.push_back(json_of(item, depth - 1, left));
        return out;
    }
    return node.IsScalar() ? scalar_of(node) : Json(nullptr);
}

Result<Json> read_config_file(const std::string& path) {
    const auto refuse = [&](const auto&... why) {
        return fail(ErrorCode::invalid_argument, "--function-config-file ", path, ": ", why...);
    };
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        return refuse("it does not exist: give the path of a YAML file");
    if (std::filesystem::is_directory(path, error))
        return refuse("it is a directory: give the path of a YAML file");
    std::ifstream file(path, std::ios::binary);
    std::string text(kYamlBytesMax + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (file.bad() || (!file.eof() && file.fail()))
        return refuse("it can't be read: look at its permissions");
    if (text.size() > kYamlBytesMax)
        return refuse("it has more than ", kYamlBytesMax, " bytes: give a smaller one");
    if (!is_utf8(text)) return refuse("it is not UTF-8: save it as UTF-8");
    try {
        std::size_t left = kYamlValuesMax;
        Json config = json_of(YAML::Load(text), kYamlDepthMax, left);
        if (config.is_object()) return config;
        return refuse("it is no map of settings: write lines like `parallelism: 2`");
    } catch (const YAML::Exception& thrown) {
        return refuse(thrown.what(), ": correct the YAML");
    }
}

Result<Json> value_of(const FunctionOption& option, const config::Arguments& arguments) {
    const std::string_view name = name_of(option);
    const std::string text = arguments.text(name);
    if (option.as == As::integer) return arguments.integer(name);
    if (option.as == As::number) return arguments.number(name);
    if (option.as == As::boolean) return arguments.is_set(name);
    if (option.as == As::list) return Json(split(text, ','));
    if (option.as == As::text) return Json(text);
    bool too_deep = false;
    const auto guard = [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kYamlDepthMax;
        return !too_deep;
    };
    Json json = Json::parse(text, guard, false);
    if (!json.is_object() || too_deep)
        return fail(ErrorCode::invalid_argument, "Invalid value for option '", name, "': '",
                    text.substr(0, 200), "' is not a JSON object of at most ", kYamlDepthMax, " levels");
    return json;
}

Result<> put_options(Json& config, const config::Arguments& arguments) {
    for (const FunctionOption& option : kFunctionOptions) {
        if (option.as == As::elsewhere || !arguments.has(name_of(option))) continue;
        WEFT_TRY(Json value, value_of(option, arguments));
        Json* at = &config;
        for (const auto& member : split(option.member, '.')) {
            if (!at->is_object() && !at->is_null())
                return fail(ErrorCode::invalid_argument, "--function-config-file: ", option.member,
                            " is not in a map");
            at = &(*at)[member];
        }
        *at = std::move(value);
    }
    return {};
}

std::string text_of(const Json& config, const char* member) {
    const auto at = config.find(member);
    return at != config.end() && at->is_string() ? at->get<std::string>() : "";
}

struct Program {
    const char* member;
    const char* runtime;
    std::string_view what;
};
constexpr Program kPrograms[] = {{"jar", "JAVA", "jar"},
                                 {"py", "PYTHON", "python"},
                                 {"go", "GO", "go executable"},
                                 {"native", "NATIVE", "native"}};

/// A package in the package management service, not a file.
bool is_package_name(std::string_view text) {
    return text.starts_with("function://") || text.starts_with("source://") || text.starts_with("sink://");
}

Result<std::string> package_of(const Json& config, Purpose purpose) {
    const Program* found = nullptr;
    for (const Program& program : kPrograms) {
        if (text_of(config, program.member).empty()) continue;
        if (found != nullptr)
            return fail(ErrorCode::invalid_argument,
                        "Only one of --jar, --py, --go and --native can be given (--", found->member, " = ",
                        text_of(config, found->member), " and --", program.member, " = ",
                        text_of(config, program.member), ": leave one out)");
        found = &program;
    }
    if (found == nullptr && purpose == Purpose::update) return std::string();
    if (found == nullptr) {
        return fail(ErrorCode::invalid_argument,
                    "Either a Java jar or a Python file or a Go executable binary or a native library needs "
                    "to be specified for the "
                    "function. Please specify one.");
    }
    std::string path = text_of(config, found->member);
    const bool is_named = is_package_name(path);
    if (!is_named && path.find("://") != std::string::npos) {
        return fail(ErrorCode::not_supported,
                    "package URLs other than function:// are not supported by Weft yet; ",
                    "download it and give the file's path: ", path);
    }
    if (!is_named && !std::filesystem::is_regular_file(path))
        return fail(ErrorCode::invalid_argument, "The specified ", found->what, " file does not exist (--",
                    found->member, " = ", path, ": give the path of a file)");
    const bool has_class =
        found->runtime == std::string_view("JAVA") || found->runtime == std::string_view("PYTHON");
    if (purpose == Purpose::create && has_class && text_of(config, "className").empty())
        return fail(ErrorCode::invalid_argument,
                    "No Function Classname specified (--classname = nothing: give module.Class)");
    return path;
}

// The configuration as JSON; says which member is not text that JSON can hold.
Result<std::string> to_text(const Json& config) {
    for (const auto& [name, value] : config.items()) {
        try {
            (void)Json{{name, value}}.dump();
        } catch (const Json::exception& thrown) {
            return fail(ErrorCode::invalid_argument, "The value of ", name,
                        " is not UTF-8: write it as UTF-8 (", thrown.what(), ")");
        }
    }
    return config.dump();
}

constexpr std::string_view kNoName =
    "You must specify a name for the function or a Fully Qualified Function Name (FQFN) (--name = nothing: "
    "give it, "
    "or --fqfn tenant/namespace/name)";

Result<FunctionPlace> place_of(std::string_view fqfn) {
    const auto parts = split(fqfn, '/');
    if (parts.size() != 3 || parts[0].empty() || parts[1].empty() || parts[2].empty())
        return fail(
            ErrorCode::invalid_argument,
            "Fully qualified function names (FQFNs) must be of the form tenant/namespace/name (--fqfn = ",
            fqfn, ")");
    return FunctionPlace{parts[0], parts[1], parts[2]};
}

Result<> check_name_options(const config::Arguments& arguments) {
    if (arguments.has("--fqfn") &&
        (arguments.has("--tenant") || arguments.has("--namespace") || arguments.has("--name"))) {
        return fail(ErrorCode::invalid_argument,
                    "You must specify either a Fully Qualified Function Name (FQFN) or tenant, namespace, "
                    "and function name (--fqfn = ",
                    arguments.text("--fqfn"), ": leave it out, or the others)");
    }
    return {};
}

}  // namespace

std::span<const config::Option> function_options(Purpose purpose) {
    if (purpose == Purpose::update) return kUpdateOptions;
    return kCreateOptions;
}

Result<FunctionPlace> function_place_of(const config::Arguments& arguments) {
    WEFT_TRY_VOID(check_name_options(arguments));
    if (arguments.has("--fqfn")) return place_of(arguments.text("--fqfn"));
    if (arguments.text("--name").empty()) return fail(ErrorCode::invalid_argument, kNoName);
    return FunctionPlace{arguments.value("--tenant").value_or("public"),
                         arguments.value("--namespace").value_or("default"), arguments.text("--name")};
}

Result<FunctionRequest> function_request_of(const config::Arguments& arguments, Purpose purpose) {
    WEFT_TRY_VOID(check_name_options(arguments));
    Json config = Json::object();
    if (arguments.has("--function-config-file")) {
        WEFT_TRY(config, read_config_file(arguments.text("--function-config-file")));
    }
    WEFT_TRY_VOID(put_options(config, arguments));
    if (arguments.has("--fqfn")) {
        WEFT_TRY(const FunctionPlace place, place_of(arguments.text("--fqfn")));
        config["tenant"] = place.tenant, config["namespace"] = place.ns, config["name"] = place.name;
    }
    for (const char* member : {"tenant", "namespace", "name"}) {
        if (arguments.has(str_cat("--", member))) config[member] = arguments.text(str_cat("--", member));
    }
    if (text_of(config, "tenant").empty()) config["tenant"] = "public";
    if (text_of(config, "namespace").empty()) config["namespace"] = "default";
    WEFT_TRY(auto package, package_of(config, purpose));
    if (text_of(config, "name").empty()) {  // the class's own name, without its packages
        const std::string class_name = text_of(config, "className");
        if (class_name.empty()) return fail(ErrorCode::invalid_argument, kNoName);
        config["name"] = class_name.substr(class_name.rfind('.') + 1);
    }
    WEFT_TRY(auto json, to_text(config));
    FunctionRequest request{text_of(config, "tenant"),
                            text_of(config, "namespace"),
                            text_of(config, "name"),
                            std::move(json),
                            "",
                            "",
                            false};
    (is_package_name(package) ? request.package_url : request.package_path) = std::move(package);
    request.updates_auth_data = purpose == Purpose::update && arguments.is_set(kUpdateAuthData);
    return request;
}

}  // namespace weft::app
