#include "model/field_table.h"

#include <array>

#include "base/str_cat.h"

namespace weft::model {
namespace {
constexpr auto kFields = std::to_array<Field>({
#define WEFT_FIELD(name, status, note) {name, FieldStatus::status, note},
#include "model/fields.def"
#undef WEFT_FIELD
});
}  // namespace

std::span<const Field> function_fields() { return kFields; }

std::string_view name_of(FieldStatus status) {
    switch (status) {
        case FieldStatus::honoured:
            return "honoured";
        case FieldStatus::accepted:
            return "accepted";
        case FieldStatus::partly:
            return "partly";
        case FieldStatus::refused:
            return "refused";
    }
    return "?";
}

std::string fields_as_markdown() {
    std::string out = "| field | status | note |\n|---|---|---|\n";
    for (const Field& field : kFields) {
        str_append(out, "| `", field.name, "` | ", name_of(field.status), " | ", field.note, " |\n");
    }
    return out;
}

}  // namespace weft::model
