#pragma once
// Files with a secret in them, which nobody but their owner may read.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::security {

inline constexpr std::size_t kPrivateFileBytesMax = 64U << 10;

/// The text of a file that is a regular one and its owner's (this user's or root's) alone, without the line
/// end at its end. `not_found`; `precondition_failed`: others may do something with it; `io`;
/// `invalid_argument`: no file, or too large.
Result<std::string> read_private_file(const std::string& path);

enum class Existing : std::uint8_t { keep, replace };
/// Writes the file so that it is there whole or not at all, also after a power loss, for its owner only. One
/// that is replaced keeps its owner; `keep`: `already_exists` if there is one. Through PATH.new: one at a
/// time.
Result<> write_private_file(const std::string& path, std::string_view text, Existing existing);

}  // namespace weft::security
