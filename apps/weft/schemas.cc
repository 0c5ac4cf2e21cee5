// weft schemas: what `pulsar-admin schemas` does, over the same REST.

#include <nlohmann/json.hpp>

#include "admin_command.h"
#include "commands.h"

namespace weft::app {

namespace {

using config::Times;
using config::Type;
using Json = nlohmann::ordered_json;

constexpr config::Option kGet[] = {
    {.names = "-a, --all-version", .help = "all version", .unsupported = "ask for each with --version"},
    {.names = "-v, --version", .value = "version", .help = "version", .type = Type::integer},
};
constexpr config::Option kDelete[] = {
    {.names = "-f, --force", .help = "Delete the schema completely; it is, with and without it"}};
constexpr config::Option kUpload[] = {
    {.names = "-f, --filename",
     .value = "schemaFileName",
     .help = R"(A JSON file: {"type": "AVRO", "schema": "...", "properties": {}})",
     .times = Times::required},
};

// Gson shows a definition that is JSON as JSON.
Json schema_of(const Json& answer, const std::string& name) {
    const std::string text = answer.value("data", "");
    const Json parsed = Json::parse(text, nullptr, false);
    return {{"name", name},
            {"schema", parsed.is_structured() ? parsed : Json(text)},
            {"type", answer.value("type", "")},
            {"timestamp", answer.value("timestamp", std::int64_t{0})},
            {"properties", answer.value("properties", Json::object())}};
}

Result<std::string> schema_text(const Call& call) {
    WEFT_TRY(const auto topic, topic_path(call.arguments.positional()));
    std::string path = str_cat("/admin/v2/schemas/", topic.substr(topic.find('/') + 1), "/schema");
    if (call.arguments.has("--version")) str_append(path, '/', call.arguments.integer("--version"));
    WEFT_TRY(const auto answer, AdminClient(call).ask("GET", path));
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object())
        return fail(ErrorCode::corrupt, "the answer is not a schema: ", answer.substr(0, 200));
    const std::string name = call.arguments.positional();
    Json schema = schema_of(json, name.substr(name.rfind('/') + 1));
    if (!call.arguments.has("--version"))
        schema = Json{{"version", json.value("version", 0)}, {"schemaInfo", std::move(schema)}};
    return schema.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int get(const Call& call) {
    const auto text = schema_text(call);
    if (!text) return finish(call, std::unexpected(text.error()));
    return print_answer(call, *text, Show::gson);
}

Result<std::string> schema_file(const Call& call) {
    const std::string path = call.arguments.text("--filename");
    auto text = read_file(path);
    if (!text) return fail(ErrorCode::invalid_argument, "Schema file ", path, " is not found.");
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("type") || !json.contains("schema"))
        return fail(ErrorCode::invalid_argument, "--filename ", path,
                    R"(: expected a JSON object like {"type": "AVRO", "schema": "...", "properties": {}})");
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int without_domain(const Call& call, std::string_view method, Result<std::string> (*body)(const Call&)) {
    const auto topic = topic_path(call.arguments.positional());
    if (!topic) return call.wrong_use(topic.error().message);
    std::string path = str_cat("/admin/v2/schemas/", topic->substr(topic->find('/') + 1), "/schema");
    const AdminClient admin(call);
    Result<std::string> answer;
    if (body == nullptr) {
        answer = admin.ask(method, path);
    } else {
        auto content = body(call);
        if (!content) return call.wrong_use(content.error().message);
        answer = admin.send_json(method, path, std::move(*content));
    }
    return answer ? kDone : print_failure(answer.error());
}
int remove(const Call& call) { return without_domain(call, "DELETE", nullptr); }
int upload(const Call& call) { return without_domain(call, "POST", schema_file); }

constexpr Entry kSchemas[] = {
    {.word = "get",
     .summary = "Get the schema for a topic",
     .options = kGet,
     .positional = "<topic>",
     .takes = Takes::shown,
     .run = get},
    {.word = "delete",
     .summary = "Delete all versions schema of a topic",
     .options = kDelete,
     .positional = "<topic>",
     .run = remove},
    {.word = "upload",
     .summary = "Update the schema for a topic",
     .options = kUpload,
     .positional = "<topic>",
     .run = upload},
};

}  // namespace

const Group& schemas_group() {
    static const auto kRows =
        rows(kSchemas, {{"extract", "write the schema into a file and use schemas upload"},
                        {"metadata", "use schemas get"},
                        {"compatibility", "use schemas upload: a definition that does not fit is refused"}});
    static const Group kGroup{.word = "schemas",
                              .summary = "Operations about schemas",
                              .entries = kRows,
                              .examples =
                                  "  weft schemas upload my-topic --filename schema.json\n"
                                  "  weft schemas get my-topic\n",
                              .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
