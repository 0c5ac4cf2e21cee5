#pragma once
// Looks into the table of contents of a zip file (a jar is one). Nothing is unpacked.

#include <string_view>

#include "base/result.h"

namespace weft::package {

/// Whether there is an entry of that name. `invalid_argument`: the bytes are no zip file.
Result<bool> zip_contains(std::string_view bytes, std::string_view entry);

}  // namespace weft::package
