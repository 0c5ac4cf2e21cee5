#pragma once
// PackageNames: what the package management service and `functions upload` know by name: which package
// (digest) it is, and what was said of it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::package {

/// type://tenant/namespace/name@version
struct PackageName {
    std::string type, tenant, ns, name, version;

    std::string full() const;
};
/// "Invalid package domain: '...'" (`precondition_failed`) unless it is function, source or sink, in any
/// case; gives it in lower case.
Result<std::string> package_type_of(std::string_view type);
/// Puts a name together from its parts; no version is the version "latest". `precondition_failed` as above,
/// or "Invalid package name '...'".
Result<PackageName> package_name_of(std::string_view type, std::string_view tenant, std::string_view ns,
                                    std::string_view name, std::string_view version);
/// Takes "type://tenant/namespace/name" with or without "@version".
Result<PackageName> parse_package_name(std::string_view text);
/// Whether it begins like one: "function://", "source://" or "sink://".
bool is_package_url(std::string_view text);

/// What stands behind a name.
struct NamedPackage {
    std::string digest;
    std::string file_name;  // that it was uploaded with; empty: none
    std::optional<std::string> description, contact;
    std::uint64_t create_time_ms = 0, modification_time_ms = 0;
    std::optional<std::map<std::string, std::string>> properties;

    bool operator==(const NamedPackage&) const = default;
};

struct PackageNamesOptions {
    std::filesystem::path directory;
    std::size_t names_max = 100'000;           // `limit_reached` over it
    std::size_t record_bytes_max = 64U << 10;  // of one name and all that is said of it; `too_large` over it
};

/// One file for each name, whole and synced before a call returns; all of them in memory. Names are any text:
/// a PackageName's full(), or the path of `functions upload`. Any thread.
class PackageNames final {
  public:
    static Result<std::unique_ptr<PackageNames>> open(PackageNamesOptions options);

    std::optional<NamedPackage> find(const std::string& name) const;
    /// `already_exists`, `limit_reached`, `too_large`, `disk_full`, `io`.
    Result<> add(const std::string& name, NamedPackage package);
    /// Adds it, or puts it in the place of what the name stood for.
    Result<> set(const std::string& name, NamedPackage package);
    /// Changes what stands behind it; `not_found`.
    Result<> update(const std::string& name, const std::function<void(NamedPackage&)>& change);
    /// `not_found`.
    Result<> remove(const std::string& name);
    /// What stands behind `prefix` in the names that begin with it, up to `end_mark`, each once, in order.
    std::vector<std::string> list(const std::string& prefix, char end_mark) const;
    std::set<std::string> digests() const;

  private:
    explicit PackageNames(PackageNamesOptions options) : options_(std::move(options)) {}
    Result<> read_directory();
    Result<> write(const std::string& name, NamedPackage package);  // with mutex_ held
    std::filesystem::path file_of(const std::string& name) const;

    const PackageNamesOptions options_;

    mutable std::mutex mutex_;  // guards what follows and the files
    std::map<std::string, NamedPackage> packages_;
};

}  // namespace weft::package
