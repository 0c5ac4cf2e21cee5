#pragma once
// The manifest of a backup: the SHA-256 of each file, in the form of sha256sum(1). docs/formats/backup.md.

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::app {

inline constexpr std::string_view kManifestName = "manifest";
/// The folders of a data directory that a backup holds.
inline constexpr std::string_view kBackupFolders[] = {"store", "packages", "package-names"};

struct Manifest {
    std::string made;                          // when, as text
    std::string log_end;                       // where the log ends, as text
    std::map<std::string, std::string> files;  // path in the backup to SHA-256
};

std::string encode_manifest(const Manifest& manifest);
/// `corrupt`: damaged, or of a newer version of the form.
Result<Manifest> decode_manifest(std::string_view text);

}  // namespace weft::app
