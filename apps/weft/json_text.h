#pragma once
// JSON as Pulsar's admin tool prints it: configurations as Gson does, status and statistics as Jackson does.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::app {

enum class JsonStyle : std::uint8_t { gson, jackson };

/// The same JSON, laid out by the style, members in their order. `corrupt` when it doesn't parse.
Result<std::string> laid_out(std::string_view json, JsonStyle style);

/// The same as tables for a person: name and value for an object's scalars, columns for a list of objects.
Result<std::string> table_of(std::string_view json);

}  // namespace weft::app
