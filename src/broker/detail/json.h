#pragma once
// JSON text from values that may hold any bytes: what isn't UTF-8 is replaced, never thrown at.

#include <nlohmann/json.hpp>
#include <string>

namespace weft::broker {

using nlohmann::json;

inline std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace weft::broker
