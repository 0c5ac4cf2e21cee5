#include "json_text.h"

#include <nlohmann/json.hpp>

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

}  // namespace

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
