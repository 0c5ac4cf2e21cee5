#pragma once
// EnvironmentStore: what Python packages with more than one file need to run, made once per package and kept.

#include <condition_variable>
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

#include "base/clock.h"
#include "base/result.h"
#include "package/package_store.h"

namespace weft::package {

/// What a Python package is, by its file's name.
enum class PythonPackage : std::uint8_t { file, zip, wheel };
/// Nothing: the name is not one of a Python package (.py, .zip, .whl).
std::optional<PythonPackage> python_package_of(std::string_view file_name);

struct EnvironmentStoreOptions {
    std::filesystem::path directory;
    std::string python;           // path of the interpreter that builds them and runs in them
    std::string index_url;        // a package index for requirements; empty: none, everything is offline
    std::string extra_index_url;  // a second one
    Duration build_time_max = 120s;
    std::uint32_t builds_max = 2;                 // at once
    std::uint32_t entries_max = 20'000;           // of all archives of a package
    std::uint64_t bytes_max = 1ULL << 30;         // of one, unpacked
    std::uint32_t ratio_max = 200;                // of one entry: unpacked bytes by packed ones
    std::uint64_t total_bytes_max = 16ULL << 30;  // of all environments; `limit_reached` over it
};

/// An environment is not deleted while one of these lives.
struct Environment {
    std::filesystem::path code;  // a folder for the front of sys.path
    std::string python;          // the interpreter that sees what was installed
};

/// Each environment is one folder `<directory>/<digest>-<zip or whl>-<interpreter>`, whole when it has that
/// name, never changed. Any thread.
class EnvironmentStore final {
  public:
    /// Makes the directory if need be; drops what an interrupted build left and what was made for another
    /// interpreter. `packages` must outlive the store.
    static Result<std::unique_ptr<EnvironmentStore>> open(EnvironmentStoreOptions options,
                                                          const PackageStore& packages);
    ~EnvironmentStore();

    /// The environment of a package; builds it, in a child process, if it isn't there. `invalid_argument`:
    /// the package can't be used, and why; `deadline_exceeded`, `limit_reached`, `cancelled`, `io`, ...
    /// `file_name` is for messages.
    Result<std::shared_ptr<const Environment>> prepare(std::string_view digest, PythonPackage kind,
                                                       std::string_view file_name, Deadline deadline);
    /// Deletes environments of packages that aren't live, those in use aside.
    void collect(const std::function<bool(const std::string& digest)>& is_live);
    /// Ends builds that are under way; later ones are refused. Returns at once.
    void stop();
    std::uint64_t total_bytes() const;

  private:
    class BuildTurn;
    explicit EnvironmentStore(EnvironmentStoreOptions options, const PackageStore& packages);
    Result<> read_directory();
    std::string name_of(std::string_view digest, PythonPackage kind) const;
    std::shared_ptr<const Environment> use(const std::string& name);  // with mutex_ held; null: not there
    Result<> build(const std::string& name, std::string_view digest, PythonPackage kind,
                   std::string_view file_name, Deadline deadline);
    Result<> run_builder(const std::filesystem::path& folder, PythonPackage kind, std::string_view file_name,
                         Deadline deadline) const;

    const EnvironmentStoreOptions options_;
    const PackageStore& packages_;
    const std::string interpreter_;  // changes when the interpreter does
    int cancel_fd_ = -1;

    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::map<std::string, std::uint64_t> sizes_;  // name to bytes
    std::map<std::string, std::weak_ptr<const Environment>> used_;
    std::set<std::string> building_;
    std::uint64_t total_bytes_ = 0;
    bool stopping_ = false;
};

}  // namespace weft::package
