#include "base/result.h"

namespace weft {

namespace {
struct Row {
    std::string_view name;
    int http_status;
    bool retriable;
};
constexpr Row kRows[] = {
#define WEFT_ERROR(name, http, retriable, text) {#name, http, retriable},
#include "base/error_codes.def"
#undef WEFT_ERROR
};
const Row& row_of(ErrorCode code) { return kRows[static_cast<std::size_t>(code)]; }
}  // namespace

std::string_view name_of(ErrorCode code) { return row_of(code).name; }
int http_status_of(ErrorCode code) { return row_of(code).http_status; }
bool is_retriable(ErrorCode code) { return row_of(code).retriable; }

}  // namespace weft
