#pragma once
// Where the metadata says that a package is; those that a URL names: which URLs are taken, and their bytes.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::worker {

/// What keeps a package, as its path in the metadata says.
enum class PackageHome : std::uint8_t {
    weft,             // weft-package://<digest>: Weft's workers
    service,          // function://, source://, sink://: the broker's package service
    url,              // file:, http:, https:
    builtin,          // builtin://: a folder of Pulsar's own worker
    distributed_log,  // tenant/namespace/function/<uuid>-file: BookKeeper; Pulsar's own workers read it
    nowhere,          // no path at all
};
PackageHome package_home(std::string_view path);

/// As Pulsar's worker: a URL is taken if it names a file below the folder, or if one of the patterns matches
/// the whole of it. Nothing is by default.
struct PackageUrlRules {
    std::filesystem::path folder;       // functionsDirectory, connectorsDirectory; empty: none
    std::vector<std::string> patterns;  // additionalEnabled{Functions,Connector}UrlPatterns: ECMAScript
    std::string patterns_key;           // what the setting is called, for texts
    std::uint64_t bytes_max = 256U << 20;
    Duration patience = 60s;
};
struct PackageUrlPolicy {
    PackageUrlRules functions{
        .folder = {}, .patterns = {}, .patterns_key = "additionalEnabledFunctionsUrlPatterns"};
    PackageUrlRules connectors{
        .folder = {}, .patterns = {}, .patterns_key = "additionalEnabledConnectorUrlPatterns"};
};

/// Whether each pattern is one; names the first that isn't.
Result<> check_url_patterns(const PackageUrlRules& rules);

/// Whether the rules take the URL; the error says why not.
Result<> check_package_url(const std::string& url, const PackageUrlRules& rules);

struct PackageBytes {
    std::string bytes, file_name;
};
/// The bytes behind a file:, http: or https: URL that the rules take; an https server is known by the
/// system's authorities. `invalid_argument`: refused, or nothing is there.
Result<PackageBytes> read_package_url_bytes(const std::string& url, const PackageUrlRules& rules,
                                            Deadline deadline);

}  // namespace weft::worker
