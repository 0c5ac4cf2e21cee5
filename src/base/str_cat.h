#pragma once
// str_cat: joins text and numbers into one string, with one growth.

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace weft {

namespace detail {
inline void append_part(std::string& out, std::string_view part) { out.append(part); }
template <class Number>
    requires(std::integral<Number> || std::floating_point<Number>)
void append_part(std::string& out, Number part) {
    if constexpr (std::same_as<Number, char>) {
        out.push_back(part);
    } else if constexpr (std::same_as<Number, bool>) {  // a template: a literal must not turn into bool
        out.append(part ? "true" : "false");
    } else {
        char text[32];
        const auto end = std::to_chars(text, text + sizeof text, part).ptr;
        out.append(text, end);
    }
}
}  // namespace detail

/// Appends each part (text, character, bool, number) to `out`.
template <class... Parts>
void str_append(std::string& out, const Parts&... parts) {
    (detail::append_part(out, parts), ...);
}

/// Returns the parts joined.
template <class... Parts>
std::string str_cat(const Parts&... parts) {
    std::string out;
    str_append(out, parts...);
    return out;
}

}  // namespace weft
