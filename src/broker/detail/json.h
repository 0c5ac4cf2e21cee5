#pragma once
// JSON text from values that may hold any bytes: what isn't UTF-8 is replaced, never thrown at.

#include <nlohmann/json.hpp>
#include <string>

namespace weft::broker {

using json = nlohmann::ordered_json;  // members in the order in which Pulsar shows them

inline std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace weft::broker
