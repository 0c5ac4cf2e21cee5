#pragma once
// Whole files that are on the disk, or not there.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::package {

/// `disk_full` or `io`, with the path and the system's text.
std::unexpected<Error> file_error(std::string_view what, const std::filesystem::path& path, int error);

/// Writes a temporary file beside it, syncs, renames, syncs the folder.
Result<> write_file(const std::filesystem::path& target, std::string_view bytes);
Result<std::string> read_file(const std::filesystem::path& path);
/// Deletes it, and syncs the folder; fine if it isn't there.
Result<> remove_file(const std::filesystem::path& path);
/// Deletes what an interrupted write_file() left; whether it was that.
bool remove_if_temporary(const std::filesystem::path& path);

}  // namespace weft::package
