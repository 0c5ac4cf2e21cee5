#include "json_text.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace weft::app {

namespace {

using Json = nlohmann::ordered_json;

void indent(std::string& out, int depth) {
    out.push_back('\n');
    out.append(static_cast<std::size_t>(depth) * 2, ' ');
}

// Jackson's way: blanks around the colon, and arrays on one line but for the objects in them.
void append_jackson(std::string& out, const Json& json, int depth) {
    if (json.is_object()) {
        out += '{';
        bool first = true;
        for (const auto& [name, value] : json.items()) {
            if (!std::exchange(first, false)) out += ',';
            indent(out, depth + 1);
            str_append(out, Json(name).dump(), " : ");
            append_jackson(out, value, depth + 1);
        }
        first ? static_cast<void>(out += ' ') : indent(out, depth);
        out += '}';
    } else if (json.is_array()) {
        out += '[';
        bool first = true;
        for (const auto& value : json) {
            out += std::exchange(first, false) ? " " : ", ";
            append_jackson(out, value, depth);
        }
        out += " ]";
    } else {
        out += json.dump();
    }
}

using Row = std::vector<std::pair<std::string, std::string>>;  // name to value

std::string scalar_text(const Json& json) {
    return json.is_string() ? json.get<std::string>()
                            : json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_list_of_objects(const Json& json) { return json.is_array() && !json.empty() && json[0].is_object(); }

// A list of scalars is one value; lists of objects are left for a table of their own.
void flatten(const Json& json, const std::string& name, Row& row,
             std::vector<std::pair<std::string, Json>>* lists) {
    if (json.is_object()) {
        for (const auto& [member, value] : json.items())
            flatten(value, name.empty() ? member : str_cat(name, '.', member), row, lists);
    } else if (is_list_of_objects(json) && lists != nullptr) {
        lists->emplace_back(name, json);
    } else if (json.is_array()) {
        std::string text;
        for (const Json& item : json) str_append(text, text.empty() ? "" : ", ", scalar_text(item));
        row.emplace_back(name, std::move(text));
    } else {
        row.emplace_back(name, scalar_text(json));
    }
}

std::string aligned(const std::vector<std::vector<std::string>>& lines) {
    std::vector<std::size_t> widths;
    for (const auto& line : lines) {
        widths.resize(std::max(widths.size(), line.size()));
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    std::string out;
    for (const auto& line : lines) {
        std::string text;
        for (std::size_t i = 0; i < line.size(); ++i) {
            text += line[i];
            if (i + 1 < line.size()) text.append(widths[i] - line[i].size() + 2, ' ');
        }
        str_append(out, out.empty() ? "" : "\n", text);
    }
    return out;
}

std::string columns_of(const Json& list) {
    std::vector<std::string> names;
    std::vector<Row> rows;
    for (const Json& item : list) {
        rows.emplace_back();
        flatten(item, "", rows.back(), nullptr);
        for (const auto& [name, value] : rows.back()) {
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
        }
    }
    std::vector<std::vector<std::string>> lines{names};
    for (const Row& row : rows) {
        auto& line = lines.emplace_back();
        for (const std::string& name : names) {
            const auto at = std::ranges::find(row, name, &Row::value_type::first);
            line.push_back(at == row.end() ? "" : at->second);
        }
    }
    return aligned(lines);
}

}  // namespace

Result<std::string> table_of(std::string_view json) {
    const Json parsed = Json::parse(json, nullptr, false);
    if (parsed.is_discarded()) return std::string(json);  // a text, not JSON
    if (is_list_of_objects(parsed)) return columns_of(parsed);
    if (parsed.is_array()) {
        std::string out;
        for (const Json& item : parsed) str_append(out, out.empty() ? "" : "\n", scalar_text(item));
        return out;
    }
    if (!parsed.is_object()) return scalar_text(parsed);
    Row row;
    std::vector<std::pair<std::string, Json>> lists;
    flatten(parsed, "", row, &lists);
    std::vector<std::vector<std::string>> lines;
    for (const auto& [name, value] : row) lines.push_back({name, value});
    std::string out = aligned(lines);
    for (const auto& [name, list] : lists)
        str_append(out, out.empty() ? "" : "\n\n", name, ":\n", columns_of(list));
    return out;
}

Result<std::string> laid_out(std::string_view json, JsonStyle style) {
    const Json parsed = Json::parse(json, nullptr, false);
    if (parsed.is_discarded())
        return fail(ErrorCode::corrupt, "the answer is not JSON: ", json.substr(0, 200));
    if (style == JsonStyle::gson) return parsed.dump(2, ' ', false, Json::error_handler_t::replace);
    std::string out;
    append_jackson(out, parsed, 0);
    return out;
}

}  // namespace weft::app
