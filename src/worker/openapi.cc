// The OpenAPI document, made of the route table.

#include <nlohmann/json.hpp>

#include "worker/route_table.h"

namespace weft::worker {
namespace {

using json = nlohmann::ordered_json;

struct Word {
    std::string name, type;  // name:type!
    bool required = false;
};

std::vector<Word> words_of(std::string_view list) {
    std::vector<Word> words;
    while (!list.empty()) {
        std::string_view word = list.substr(0, list.find(' '));
        list.remove_prefix(std::min(word.size() + 1, list.size()));
        if (word.empty()) continue;
        const bool required = word.ends_with('!');
        if (required) word.remove_suffix(1);
        const auto colon = std::min(word.find(':'), word.size());
        words.push_back({std::string(word.substr(0, colon)),
                         std::string(colon < word.size() ? word.substr(colon + 1) : ""), required});
    }
    return words;
}

/// "{rest...}" is a parameter like others to those who read the document.
std::string path_of(std::string_view pattern, json& parameters) {
    std::string path;
    for (std::size_t at = 0; at < pattern.size();) {
        if (pattern[at] != '{') {
            path.push_back(pattern[at++]);
            continue;
        }
        const std::size_t end = pattern.find('}', at);
        std::string_view name = pattern.substr(at + 1, end - at - 1);
        if (name.ends_with("...")) name.remove_suffix(3);
        str_append(path, '{', name, '}');
        parameters.push_back(
            {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
        at = end + 1;
    }
    return path;
}

json form_of(std::string_view form) {
    json schema = {{"type", "object"}, {"properties", json::object()}};
    json encoding = json::object();
    for (const Word& part : words_of(form)) {
        json& member = schema["properties"][part.name] = {{"type", "string"}};
        if (part.type == "file") member["format"] = "binary";
        encoding[part.name] = {{"contentType", part.type == "json"   ? "application/json"
                                               : part.type == "file" ? "application/octet-stream"
                                                                     : "text/plain"}};
        if (part.required) schema["required"].push_back(part.name);
    }
    return {{"required", true},
            {"content", {{"multipart/form-data", {{"schema", schema}, {"encoding", encoding}}}}}};
}

json operation_of(const RouteTable::Row& row, json parameters) {
    const RouteNote& note = row.note;
    json operation = {{"summary", note.summary}};
    for (const Word& word : words_of(note.query)) {
        parameters.push_back({{"name", word.name},
                              {"in", "query"},
                              {"required", word.required},
                              {"schema", {{"type", "string"}}}});
    }
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (!note.form.empty()) operation["requestBody"] = form_of(note.form);
    if (note.json_body) {
        operation["requestBody"] = {{"required", true},
                                    {"content", {{"application/json", {{"schema", {{"type", "object"}}}}}}}};
    }
    json success = {{"description", "done"}};
    if (note.status == 200) success["content"] = {{std::string(note.answer), json::object()}};
    operation["responses"] = {
        {std::to_string(note.status), std::move(success)},
        {"default",
         {{"description", "refused, or failed: the reason says what and why"},
          {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Refusal"}}}}}}}}}};
    return operation;
}

}  // namespace

std::string openapi_json(const std::vector<RouteTable::Row>& rows, std::string_view version) {
    json document = {
        {"openapi", "3.0.3"},
        {"info", {{"title", "Weft: the functions worker of Apache Pulsar"}, {"version", version}}},
        {"paths", json::object()},
        {"components",
         {{"schemas",
           {{"Refusal",
             {{"type", "object"},
              {"required", {"reason"}},
              {"properties", {{"reason", {{"type", "string"}}}}}}}}}}}};
    for (const auto& row : rows) {
        json parameters = json::array();
        const std::string path = path_of(row.pattern, parameters);
        std::string method(row.method);
        for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        document["paths"][path][method] = operation_of(row, std::move(parameters));
    }
    return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace weft::worker
