#pragma once
// WEFT_CHECK: aborts, in release too, when an invariant of our own is broken. Nothing that comes from the
// network, a file, a user or a peer may reach one.

#include <string_view>

namespace weft::detail {
[[noreturn]] void check_failed(std::string_view condition, std::string_view message, const char* file,
                               int line);
}

#define WEFT_CHECK(condition, message)                                             \
    do {                                                                           \
        if (!(condition)) [[unlikely]]                                             \
            ::weft::detail::check_failed(#condition, message, __FILE__, __LINE__); \
    } while (false)
