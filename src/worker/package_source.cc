#include "worker/package_source.h"

#include <algorithm>
#include <fstream>
#include <regex>

#include "http/client.h"
#include "package/package_names.h"
#include "worker/internal_topics.h"

namespace weft::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUrlBytesMax = 2048;  // the matcher's depth grows with the URL
constexpr std::string_view kNotValid =      // Pulsar's text
    "Function Package url is not valid.supported url (http/https/file)";

std::string_view shown(std::string_view url) { return url.substr(0, 200); }

std::unexpected<Error> refused(std::string_view url, auto&&... why) {
    return fail(ErrorCode::invalid_argument, kNotValid, " (url = ", shown(url), ": ", why..., ')');
}

/// The file that a file: URL names: file:/a, file:///a and file://localhost/a.
Result<fs::path> path_of(std::string_view url) {
    std::string_view rest = url.substr(std::string_view("file:").size());
    if (rest.starts_with("//localhost/")) rest.remove_prefix(std::string_view("//localhost").size());
    if (rest.starts_with("///")) rest.remove_prefix(2);
    if (!rest.starts_with('/') || rest.starts_with("//"))
        return refused(url, "write file:///path/of/the/file");
    const auto decoded = http::url_decode(rest);
    if (!decoded) return refused(url, "an escape in it is not one");
    return fs::path(*decoded).lexically_normal();
}

bool is_below(const fs::path& file, const fs::path& folder) {
    std::error_code gone;  // then it is not below
    const fs::path real = fs::canonical(file, gone);
    const fs::path root = fs::canonical(folder, gone);
    if (gone) return false;
    const auto [at, end] = std::ranges::mismatch(root, real);
    return at == root.end() && end != real.end();
}

Result<bool> matches(const std::string& url, const PackageUrlRules& rules) {
    for (const auto& pattern : rules.patterns) {
        try {
            if (std::regex_match(url, std::regex(pattern))) return true;
        } catch (const std::regex_error& error) {
            return refused(url, rules.patterns_key, ": ", pattern, " can't be matched: ", error.what());
        }
    }
    return false;
}

Result<PackageBytes> read_file(const std::string& url, const fs::path& file, const PackageUrlRules& rules) {
    std::error_code error;
    if (!fs::is_regular_file(file, error)) return refused(url, "there is no such file");
    const auto size = fs::file_size(file, error);
    if (error || size > rules.bytes_max)
        return refused(url, "the file has ", error ? 0 : size, " bytes, at most ", rules.bytes_max,
                       " are taken");
    PackageBytes package;
    package.file_name = file.filename().string();
    package.bytes.resize(size);
    std::ifstream in(file, std::ios::binary);
    in.read(package.bytes.data(), static_cast<std::streamsize>(size));
    if (!in || static_cast<std::uintmax_t>(in.gcount()) != size)
        return refused(url, "the file can't be read");
    return package;
}

/// Where it may be fetched from was said for this URL, not for one that its server names: no redirects.
Result<PackageBytes> read_http(const std::string& url, const PackageUrlRules& rules, Deadline deadline) {
    http::ClientRequest request;
    request.url = url;
    request.redirects_max = 0;
    request.answer_bytes_max = rules.bytes_max;
    auto answer = http::fetch(request, deadline.at_most(rules.patience));
    if (!answer) return refused(url, answer.error().message);
    if (answer->status != 200) return refused(url, "the server answered ", answer->status);
    PackageBytes package;
    package.bytes = std::move(answer->body);
    const std::string path = url.substr(0, url.find_first_of("?#"));
    package.file_name = path.substr(path.rfind('/') + 1);
    return package;
}

/// The file that it names (none: http), if the rules take it.
Result<fs::path> take_by_rules(const std::string& url, const PackageUrlRules& rules) {
    if (url.size() > kUrlBytesMax)
        return refused(url, "it has ", url.size(), " bytes, at most ", kUrlBytesMax, " are taken");
    const bool is_file = url.starts_with("file:");
    if (!is_file && !url.starts_with("http://") && !url.starts_with("https://"))
        return refused(url,
                       "upload the package itself, or store it with 'packages upload' and name it "
                       "function://tenant/namespace/name@version");
    fs::path file;
    std::string normal = url;
    if (is_file) {
        WEFT_TRY(file, path_of(url));
        normal = "file://" + file.string();
    }
    WEFT_TRY(const bool matched, matches(normal, rules));
    const bool in_folder = is_file && !rules.folder.empty() && is_below(file, rules.folder);
    if (!matched && !in_folder) {
        return refused(url, "no pattern of ", rules.patterns_key,
                       " matches it; upload the package itself, or have the pattern added");
    }
    return file;
}

}  // namespace

PackageHome package_home(std::string_view path) {
    if (path.empty()) return PackageHome::nowhere;
    if (path.starts_with(kPackageScheme)) return PackageHome::weft;
    if (package::is_package_url(path)) return PackageHome::service;
    if (path.starts_with("builtin://")) return PackageHome::builtin;
    for (const auto* scheme : {"file:", "http:", "https:"}) {
        if (path.starts_with(scheme)) return PackageHome::url;
    }
    return PackageHome::distributed_log;
}

Result<> check_url_patterns(const PackageUrlRules& rules) {
    for (const auto& pattern : rules.patterns) {
        try {
            const std::regex compiled(pattern);
        } catch (const std::regex_error& error) {
            return fail(ErrorCode::invalid_argument, rules.patterns_key, " = ", shown(pattern),
                        " is not a regular expression: ", error.what());
        }
    }
    return {};
}

Result<> check_package_url(const std::string& url, const PackageUrlRules& rules) {
    WEFT_TRY_VOID(take_by_rules(url, rules));
    return {};
}

Result<PackageBytes> read_package_url_bytes(const std::string& url, const PackageUrlRules& rules,
                                            Deadline deadline) {
    WEFT_TRY(const fs::path file, take_by_rules(url, rules));
    if (!file.empty()) return read_file(url, file, rules);
    return read_http(url, rules, deadline);
}

}  // namespace weft::worker
