#pragma once
// What can be done with a data directory from outside: copy it, also while it is in use, bring a copy back,
// and look at every checksum. docs/operations.md, docs/formats/backup.md.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::app {

/// What was gone through. `damage`: a line each, by topic and ledger:entry or by file.
struct Survey {
    std::vector<std::string> damage;
    std::uint64_t files = 0, bytes = 0, entries = 0, packages = 0;
};

/// Told of each file, and how many bytes were read until then.
using Progress = std::function<void(const std::string& file, std::uint64_t bytes)>;

/// Checks a data directory or a backup. Changes nothing.
Result<Survey> verify_directory(const std::filesystem::path& directory, const Progress& progress);

/// Copies a data directory into a new one, with a manifest. What was confirmed before the call is in it, also
/// when a `weft standalone` uses the data directory.
Result<Survey> back_up(const std::filesystem::path& data_dir, const std::filesystem::path& target,
                       const Progress& progress);

/// Makes a data directory of a backup; every file is checked against the manifest on the way, and the
/// directory appears when all of it is there.
Result<Survey> restore(const std::filesystem::path& backup, const std::filesystem::path& data_dir,
                       const Progress& progress);

}  // namespace weft::app
