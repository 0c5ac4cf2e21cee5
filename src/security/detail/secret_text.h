#pragma once
// What the providers of secrets have in common: which texts name a secret, and which can be one.

#include <optional>
#include <string>
#include <string_view>

namespace weft::security {

/// The bytes as JSON; none if they aren't UTF-8, which no text of a function can hold.
std::optional<std::string> json_text(const std::string& bytes);
/// Letters, digits, '_' and what is in `also`: at least one, at most 255.
bool is_word(std::string_view text, std::string_view also);

}  // namespace weft::security
