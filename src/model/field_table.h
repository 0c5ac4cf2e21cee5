#pragma once
// The table of fields.def: what Weft does with each member of a function's configuration.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft::model {

enum class FieldStatus : std::uint8_t { honoured, accepted, partly, refused };

struct Field {
    std::string_view name;  // "inputSpecs.serdeClassName"
    FieldStatus status;
    std::string_view note;
};

std::span<const Field> function_fields();
std::string_view name_of(FieldStatus status);

/// The table in Markdown, as docs/compatibility.md shows it.
std::string fields_as_markdown();

}  // namespace weft::model
