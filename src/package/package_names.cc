#include "package/package_names.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "observe/log.h"
#include "package/detail/durable_file.h"
#include "package/package_store.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array<std::string_view, 3> kTypes = {"function", "source", "sink"};
constexpr std::size_t kNameBytesMax = 1000;
constexpr std::size_t kShownMax = 200;
const observe::Logger kLog("package");

std::unexpected<Error> invalid_name(std::string_view name) {
    return fail(ErrorCode::precondition_failed, "Invalid package name '", name.substr(0, kShownMax),
                "' (it is type://tenant/namespace/name@version, at most ", kNameBytesMax,
                " bytes of UTF-8; no part is empty, . or .., or has '/', '@' or control characters)");
}

bool is_part(std::string_view part) {
    const auto is_bad = [](char c) { return c == '/' || c == '@' || static_cast<unsigned char>(c) < 0x20; };
    if (part.empty() || part == "." || part == ".." || !is_utf8(part)) return false;
    return !std::ranges::any_of(part, is_bad);
}

Result<std::string> to_text(const std::string& name, const NamedPackage& package) {
    json record;
    record["name"] = name;
    record["digest"] = package.digest;
    record["fileName"] = package.file_name;
    if (package.description) record["description"] = *package.description;
    if (package.contact) record["contact"] = *package.contact;
    record["createTime"] = package.create_time_ms;
    record["modificationTime"] = package.modification_time_ms;
    if (package.properties) record["properties"] = *package.properties;
    try {
        return record.dump();
    } catch (const json::exception&) {  // bytes that aren't UTF-8
        return fail(ErrorCode::invalid_argument, "The metadata of package '", name, "' must be UTF-8");
    }
}

/// Nothing: it is not one of our records.
std::optional<std::pair<std::string, NamedPackage>> from_text(const std::string& text) {
    const json record = json::parse(text, nullptr, false);
    if (!record.is_object()) return std::nullopt;
    try {
        NamedPackage package;
        package.digest = record.at("digest");
        package.file_name = record.at("fileName");
        if (record.contains("description")) package.description = record["description"];
        if (record.contains("contact")) package.contact = record["contact"];
        package.create_time_ms = record.at("createTime");
        package.modification_time_ms = record.at("modificationTime");
        if (record.contains("properties"))
            package.properties = record["properties"].get<std::map<std::string, std::string>>();
        return std::pair{record.at("name").get<std::string>(), std::move(package)};
    } catch (const json::exception&) {
        return std::nullopt;
    }
}

}  // namespace

std::string PackageName::full() const {
    return str_cat(type, "://", tenant, '/', ns, '/', name, '@', version);
}

Result<std::string> package_type_of(std::string_view type) {
    std::string lower(type);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (std::ranges::find(kTypes, lower) != kTypes.end()) return lower;
    return fail(ErrorCode::precondition_failed, "Invalid package domain: '", type.substr(0, kShownMax),
                "' (the type: use function, source or sink)");
}

Result<PackageName> package_name_of(std::string_view type, std::string_view tenant, std::string_view ns,
                                    std::string_view name, std::string_view version) {
    PackageName made{"", std::string(tenant), std::string(ns), std::string(name),
                     version.empty() ? "latest" : std::string(version)};
    WEFT_TRY(made.type, package_type_of(type));
    const std::string full = made.full();
    const bool fits = full.size() <= kNameBytesMax;
    if (!fits || !is_part(tenant) || !is_part(ns) || !is_part(name) || !is_part(made.version))
        return invalid_name(std::string_view(full).substr(0, kNameBytesMax));
    return made;
}

Result<PackageName> parse_package_name(std::string_view text) {
    const auto scheme = text.find("://");
    if (scheme == text.npos) return invalid_name(text);
    std::string_view rest = text.substr(scheme + 3);
    const auto at = rest.find('@');
    const std::string_view version = at == rest.npos ? "" : rest.substr(at + 1);
    rest = rest.substr(0, at);
    const auto first = rest.find('/');
    const auto second = first == rest.npos ? first : rest.find('/', first + 1);
    if (second == rest.npos) return invalid_name(text);
    return package_name_of(text.substr(0, scheme), rest.substr(0, first),
                           rest.substr(first + 1, second - first - 1), rest.substr(second + 1), version);
}

bool is_package_url(std::string_view text) {
    return std::ranges::any_of(kTypes, [&](std::string_view type) {
        return text.starts_with(type) && text.substr(type.size()).starts_with("://");
    });
}

Result<std::unique_ptr<PackageNames>> PackageNames::open(PackageNamesOptions options) {
    std::error_code error;
    fs::create_directories(options.directory, error);
    if (error) return file_error("Can't make the folder of package names", options.directory, error.value());
    std::unique_ptr<PackageNames> names(new PackageNames(std::move(options)));
    WEFT_TRY_VOID(names->read_directory());
    return names;
}

Result<> PackageNames::read_directory() {
    std::error_code error;
    for (fs::directory_iterator it(options_.directory, error), end; !error && it != end;
         it.increment(error)) {
        if (remove_if_temporary(it->path())) continue;
        WEFT_TRY(const std::string text, read_file(it->path()));
        auto record = from_text(text);
        if (!record || file_of(record->first) != it->path()) {
            kLog.warn("a package's name can't be read: upload it again", {{"file", it->path().string()}});
            continue;
        }
        packages_.insert(std::move(*record));
    }
    if (error) return file_error("Can't list", options_.directory, error.value());
    return {};
}

fs::path PackageNames::file_of(const std::string& name) const {
    return options_.directory / sha256_hex(name);
}

std::optional<NamedPackage> PackageNames::find(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = packages_.find(name);
    if (found == packages_.end()) return std::nullopt;
    return found->second;
}

Result<> PackageNames::write(const std::string& name, NamedPackage package) {
    if (!packages_.contains(name) && packages_.size() >= options_.names_max) {
        return fail(ErrorCode::limit_reached, "There are ", packages_.size(),
                    " packages by name already: delete some that aren't needed");
    }
    WEFT_TRY(const std::string text, to_text(name, package));
    if (text.size() > options_.record_bytes_max) {
        return fail(ErrorCode::too_large, "The package's metadata has ", text.size(), " bytes, at most ",
                    options_.record_bytes_max, " are taken");
    }
    WEFT_TRY_VOID(write_file(file_of(name), text));
    packages_[name] = std::move(package);
    return {};
}

Result<> PackageNames::add(const std::string& name, NamedPackage package) {
    const std::lock_guard lock(mutex_);
    if (packages_.contains(name))
        return fail(ErrorCode::already_exists, "Package '", name, "' metadata already exists");
    return write(name, std::move(package));
}

Result<> PackageNames::set(const std::string& name, NamedPackage package) {
    const std::lock_guard lock(mutex_);
    return write(name, std::move(package));
}

Result<> PackageNames::update(const std::string& name, const std::function<void(NamedPackage&)>& change) {
    const std::lock_guard lock(mutex_);
    const auto found = packages_.find(name);
    if (found == packages_.end())
        return fail(ErrorCode::not_found, "Package '", name, "' metadata does not exist (upload it first)");
    NamedPackage changed = found->second;
    change(changed);
    return write(name, std::move(changed));
}

Result<> PackageNames::remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = packages_.find(name);
    if (found == packages_.end())
        return fail(ErrorCode::not_found, "Package '", name, "' does not exist (upload it first)");
    WEFT_TRY_VOID(remove_file(file_of(name)));
    packages_.erase(found);
    return {};
}

std::vector<std::string> PackageNames::list(const std::string& prefix, char end_mark) const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> found;
    for (auto it = packages_.lower_bound(prefix); it != packages_.end() && it->first.starts_with(prefix);
         ++it) {
        const std::string_view rest = std::string_view(it->first).substr(prefix.size());
        found.emplace(rest.substr(0, rest.find(end_mark)));
    }
    return {found.begin(), found.end()};
}

std::set<std::string> PackageNames::digests() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> found;
    for (const auto& [name, package] : packages_) found.insert(package.digest);
    return found;
}

}  // namespace weft::package
