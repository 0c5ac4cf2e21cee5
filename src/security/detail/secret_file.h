#pragma once
// Files that hold a secret: how Pulsar's settings name them, and what is in them.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::security {

/// file:///abs, file:/abs and file:rel name a path.
std::string path_of_file_url(std::string_view url);

/// At most 64 KiB. `code` and `what` ("key file") are for the error.
Result<std::string> read_secret_file(const std::string& path, ErrorCode code, std::string_view what);

}  // namespace weft::security
