#pragma once
// JSON text from values that may hold any bytes: what isn't UTF-8 is replaced, never thrown at.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace weft::broker {

using json = nlohmann::ordered_json;  // members in the order in which Pulsar shows them

inline std::string to_text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A body from outside; `is_discarded()` when it isn't JSON or nests so deep that walking it would be a
/// danger.
inline json parse_text(std::string_view text) {
    constexpr int kDepthMax = 64;
    bool too_deep = false;
    auto value = json::parse(
        text,
        [&](int depth, json::parse_event_t, json&) {
            too_deep = too_deep || depth > kDepthMax;
            return !too_deep;
        },
        false);
    return too_deep ? json(json::value_t::discarded) : value;
}

/// A value from outside as it may stand in a message.
inline std::string shown(const json& value) {
    return value.is_discarded() ? "not JSON of at most 64 levels" : to_text(value).substr(0, 100);
}

}  // namespace weft::broker
