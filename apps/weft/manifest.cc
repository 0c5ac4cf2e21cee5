#include "manifest.h"

#include <algorithm>

#include "package/package_store.h"

namespace weft::app {
namespace {

constexpr std::string_view kFirst = "# weft backup ";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kMade = "# made ";
constexpr std::string_view kLogEnd = "# log ends at ";
constexpr std::string_view kLast = "# sha256 of the lines above ";
constexpr std::size_t kDigestLength = 64;

std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorCode::corrupt, "the manifest is damaged: ", what);
}

// A path in one of the folders of a backup, and nowhere else.
bool is_plain(std::string_view path) {
    return path.find("..") == std::string_view::npos &&
           std::ranges::any_of(kBackupFolders, [path](std::string_view folder) {
               return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
           });
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
    std::string text =
        str_cat(kFirst, kVersion, '\n', kMade, manifest.made, '\n', kLogEnd, manifest.log_end, '\n');
    for (const auto& [path, digest] : manifest.files) text += str_cat(digest, "  ", path, '\n');
    text += str_cat(kLast, package::sha256_hex(text), '\n');
    return text;
}

Result<Manifest> decode_manifest(std::string_view text) {
    const std::size_t last = text.rfind(kLast);
    if (!text.starts_with(kFirst)) return damaged("it does not begin as one");
    std::string_view rest = text;
    const std::string_view version = take_line(rest).substr(kFirst.size());
    if (last == std::string_view::npos) return damaged("its end is missing");
    std::string_view digest = text.substr(last + kLast.size());
    if (take_line(digest) != package::sha256_hex(text.substr(0, last)) || !digest.empty())
        return damaged("it fails its check");
    if (version != kVersion) {
        return fail(ErrorCode::corrupt, "the backup has format version ", version,
                    ", this program knows version ", kVersion, ": use the newer weft that made it");
    }
    Manifest manifest;
    rest = rest.substr(0, last - static_cast<std::size_t>(rest.data() - text.data()));
    while (!rest.empty()) {
        const std::string_view line = take_line(rest);
        if (line.starts_with(kMade)) {
            manifest.made = line.substr(kMade.size());
        } else if (line.starts_with(kLogEnd)) {
            manifest.log_end = line.substr(kLogEnd.size());
        } else if (!line.starts_with('#')) {
            if (line.size() < kDigestLength + 3 || line.substr(kDigestLength, 2) != "  " ||
                !is_plain(line.substr(kDigestLength + 2)))
                return damaged("a line that names no file");
            manifest.files.emplace(line.substr(kDigestLength + 2), line.substr(0, kDigestLength));
        }
    }
    return manifest;
}

}  // namespace weft::app
