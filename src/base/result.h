#pragma once
// Result<T>: the only way a module reports failure. Exceptions never cross a module's face.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

enum class ErrorCode : std::uint8_t {
#define WEFT_ERROR(name, http, retriable, text) name,
#include "base/error_codes.def"
#undef WEFT_ERROR
};

/// The code's own name, as written in the table.
std::string_view name_of(ErrorCode code);
/// The HTTP status that a REST answer with this code carries.
int http_status_of(ErrorCode code);
/// Whether trying the same again later can help.
bool is_retriable(ErrorCode code);

/// Why something failed: a code to act on, and a message for an operator (what failed, on what, why, what to
/// do; static text first, values last, never a secret).
struct [[nodiscard]] Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;

    /// The same error with "`what`: " put before its message.
    Error context(std::string_view what) && {
        message.insert(0, std::string(what) + ": ");
        return std::move(*this);
    }
    bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// Makes the failure branch of any Result: `return fail(ErrorCode::not_found, "no topic ", name);`
template <class... Parts>
std::unexpected<Error> fail(ErrorCode code, const Parts&... parts);

}  // namespace weft

#define WEFT_CONCAT_INNER(a, b) a##b
#define WEFT_CONCAT(a, b) WEFT_CONCAT_INNER(a, b)

/// `WEFT_TRY(auto x, expression)`: declares x from the Result's value, or returns its error.
#define WEFT_TRY(declaration, ...) \
    WEFT_TRY_IMPL(WEFT_CONCAT(weft_result_, __COUNTER__), declaration, __VA_ARGS__)
#define WEFT_TRY_IMPL(result, declaration, ...)                         \
    auto result = (__VA_ARGS__);                                        \
    if (!result) return ::std::unexpected(::std::move(result).error()); \
    declaration = ::std::move(*result)

/// `WEFT_TRY_VOID(expression)`: returns the error of a Result<void>, if it holds one.
#define WEFT_TRY_VOID(...)                                                                      \
    do {                                                                                        \
        auto weft_result_void = (__VA_ARGS__);                                                  \
        if (!weft_result_void) return ::std::unexpected(::std::move(weft_result_void).error()); \
    } while (false)

#include "base/str_cat.h"

namespace weft {
template <class... Parts>
std::unexpected<Error> fail(ErrorCode code, const Parts&... parts) {
    return std::unexpected(Error{code, str_cat(parts...)});
}
}  // namespace weft
