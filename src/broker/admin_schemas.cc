// Schemas of topics.

#include <charconv>

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

json schema_json(const SchemaRegistry::Version& version) {
    return {{"version", version.version},
            {"type", schema_type_name(version.schema.type)},
            {"timestamp", version.schema.timestamp_ms},
            {"data", version.schema.data},
            {"properties", version.schema.properties}};
}

void get_schema(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    std::optional<SchemaRegistry::Version> found;
    if (const auto it = request.params.find("version"); it != request.params.end()) {
        std::uint64_t version = 0;
        const auto& text = it->second;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), version);
        if (read.ec != std::errc{} || read.ptr != text.data() + text.size())
            return reply(refused(400, str_cat("the version must be a number: ", text)));
        found = engine.schemas().find(*name, version);
    } else {
        found = engine.schemas().latest(*name);
    }
    reply(found ? http::Response::json(to_text(schema_json(*found))) : refused(404, "Schema not found"));
}

void post_schema(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    const auto body = parse_text(request.body);
    if (!body.is_object())
        return reply(refused(400, str_cat("the body is ", shown(body),
                                          ": it must be {\"type\": \"...\", \"schema\": \"...\"}")));
    for (const char* const key : {"type", "schema"}) {
        if (body.contains(key) && !body[key].is_string())
            return reply(refused(400, str_cat(key, " = ", shown(body[key]), ": it must be a string")));
    }
    const auto text = [&](const char* key) { return body.contains(key) ? body[key].get<std::string>() : ""; };
    Schema schema;
    schema.type = schema_type_number(text("type")).value_or(0);
    if (schema.type == 0) {
        return reply(refused(422, str_cat("the schema's type is not one of Pulsar's: '", text("type"),
                                          "': use STRING, JSON, AVRO, ...")));
    }
    schema.name = std::string(name->local());
    schema.data = text("schema");
    if (body.contains("properties") && body["properties"].is_object()) {
        for (const auto& [key, value] : body["properties"].items()) {
            if (value.is_string()) schema.properties[key] = value.get<std::string>();
        }
    }
    const auto topic = engine.open_topic(*name, Engine::Missing::create);
    if (!topic) return reply(refused(404, topic.error().message));
    const auto version = engine.schemas().get_or_create(*name, std::move(schema));
    if (!version) return reply(refused(409, version.error().message));
    reply(http::Response::json(to_text({{"version", *version}})));
}

void delete_schemas(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    const auto newest = engine.schemas().latest(*name);
    if (!newest) return reply(http::Response::json(to_text({{"version", -1}})));
    engine.schemas().erase_all(*name, [reply, version = newest->version](const Result<>& written) {
        reply(written ? http::Response::json(to_text({{"version", version}}))
                      : http::Response::error(written.error()));
    });
}

}  // namespace

void add_schema_routes(AdminRouter& routes) {
    const std::string schema = "/admin/v2/schemas/{tenant}/{namespace}/{topic}/schema";
    routes.add("GET", schema, Rule::use_topic, get_schema);
    routes.add("GET", schema + "/{version}", Rule::use_topic, get_schema);
    routes.add("POST", schema, Rule::produce, post_schema);
    routes.add("DELETE", schema, Rule::tenant_admin, delete_schemas);
}

}  // namespace weft::broker
