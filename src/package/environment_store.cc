#include "package/environment_store.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "observe/log.h"
#include "package/build_environment_source.h"
#include "package/run_program.h"

namespace weft::package {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBuildPrefix = ".build-";
constexpr int kRefused = 3;  // the builder's exit code for a package that can't be used
constexpr std::size_t kDigestLength = 64;
constexpr std::size_t kErrorTail = 1000;
const observe::Logger kLog("package");

std::string_view suffix_of(PythonPackage kind) { return kind == PythonPackage::wheel ? "whl" : "zip"; }

/// What an interpreter is: its path (packages are found by it) and the program behind it (its version).
std::string interpreter_key(const std::string& python) {
    std::error_code ignored;
    const fs::path program = fs::canonical(python, ignored);
    struct stat info{};
    if (::stat(program.c_str(), &info) != 0) info = {};
    return sha256_hex(str_cat(python, '\n', program.string(), '\n', info.st_size, '\n', info.st_mtim.tv_sec))
        .substr(0, 16);
}

std::uint64_t bytes_in(const fs::path& folder) {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;  // a file that can't be measured counts nothing
        if (it->is_symlink(ignored) || !it->is_regular_file(ignored)) continue;
        const std::uint64_t size = it->file_size(ignored);
        if (!ignored) bytes += size;
    }
    return bytes;
}

/// Everything in the folder is on the disk when this returns.
Result<> sync(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::syncfs(fd) == 0;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (synced) return {};
    return fail(error == ENOSPC ? ErrorCode::disk_full : ErrorCode::io, "Can't sync ", folder.string(), ": ",
                std::generic_category().message(error));
}

std::string tail_of(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    return std::string(text.substr(text.size() - std::min(text.size(), kErrorTail)));
}

}  // namespace

std::optional<PythonPackage> python_package_of(std::string_view file_name) {
    if (file_name.ends_with(".py")) return PythonPackage::file;
    if (file_name.ends_with(".zip")) return PythonPackage::zip;
    if (file_name.ends_with(".whl")) return PythonPackage::wheel;
    return std::nullopt;
}

/// The right to build one environment: nobody else builds the same, and not too many build at once.
class EnvironmentStore::BuildTurn {
  public:
    BuildTurn(EnvironmentStore& store, std::string name) : store_(store), name_(std::move(name)) {
        store_.building_.insert(name_);
    }
    ~BuildTurn() {
        const std::lock_guard lock(store_.mutex_);
        store_.building_.erase(name_);
        store_.changed_.notify_all();
    }
    BuildTurn(const BuildTurn&) = delete;
    BuildTurn& operator=(const BuildTurn&) = delete;

  private:
    EnvironmentStore& store_;
    const std::string name_;
};

EnvironmentStore::EnvironmentStore(EnvironmentStoreOptions options, const PackageStore& packages)
    : options_(std::move(options)),
      packages_(packages),
      interpreter_(interpreter_key(options_.python)),
      cancel_fd_(::eventfd(0, EFD_CLOEXEC)) {}

EnvironmentStore::~EnvironmentStore() {
    if (cancel_fd_ >= 0) ::close(cancel_fd_);
}

Result<std::unique_ptr<EnvironmentStore>> EnvironmentStore::open(EnvironmentStoreOptions options,
                                                                 const PackageStore& packages) {
    std::error_code error;
    fs::create_directories(options.directory, error);
    if (error) {
        return fail(ErrorCode::io, "Can't make the folder of environments ", options.directory.string(), ": ",
                    error.message());
    }
    std::unique_ptr<EnvironmentStore> store(new EnvironmentStore(std::move(options), packages));
    WEFT_TRY_VOID(store->read_directory());
    return store;
}

Result<> EnvironmentStore::read_directory() {
    std::error_code error;
    for (fs::directory_iterator it(options_.directory, error), end; !error && it != end;
         it.increment(error)) {
        const std::string name = it->path().filename().string();
        std::error_code ignored;  // what can't be removed now is met again at the next start
        if (!name.starts_with('.') && name.ends_with(str_cat('-', interpreter_))) {
            total_bytes_ += sizes_[name] = bytes_in(it->path());
        } else {
            fs::remove_all(it->path(), ignored);
        }
    }
    if (error) {
        return fail(ErrorCode::io, "Can't list ", options_.directory.string(), ": ", error.message());
    }
    return {};
}

std::string EnvironmentStore::name_of(std::string_view digest, PythonPackage kind) const {
    return str_cat(digest, '-', suffix_of(kind), '-', interpreter_);
}

std::shared_ptr<const Environment> EnvironmentStore::use(const std::string& name) {
    if (!sizes_.contains(name)) return nullptr;
    if (auto used = used_[name].lock()) return used;
    const fs::path folder = options_.directory / name;
    std::error_code ignored;
    const fs::path own = folder / "venv/bin/python";  // a link, which leads out
    const bool has_own = fs::is_symlink(own, ignored);
    auto made =
        std::make_shared<const Environment>(folder / "code", has_own ? own.string() : options_.python);
    used_[name] = made;
    return made;
}

Result<std::shared_ptr<const Environment>> EnvironmentStore::prepare(std::string_view digest,
                                                                     PythonPackage kind,
                                                                     std::string_view file_name,
                                                                     Deadline deadline) {
    const std::string name = name_of(digest, kind);
    deadline = deadline.at_most(options_.build_time_max);
    std::unique_lock lock(mutex_);
    const auto may_go_on = [&] {
        return stopping_ || sizes_.contains(name) ||
               (!building_.contains(name) && building_.size() < options_.builds_max);
    };
    if (!changed_.wait_until(lock, deadline.time(), may_go_on)) {
        return fail(ErrorCode::deadline_exceeded, "The Python environment of ", file_name,
                    " could not be built in time: others are being built; try again");
    }
    if (stopping_) return fail(ErrorCode::cancelled, "the worker is stopping");
    if (auto there = use(name)) return there;
    const BuildTurn turn(*this, name);
    lock.unlock();
    const auto built = build(name, digest, kind, file_name, deadline);
    std::error_code ignored;  // what stays is removed at the next start
    fs::remove_all(options_.directory / str_cat(kBuildPrefix, name), ignored);
    if (!built) return std::unexpected(built.error());
    lock.lock();
    auto there = use(name);
    lock.unlock();  // the turn ends after this, and takes the lock itself
    if (!there) return fail(ErrorCode::internal, "The Python environment of ", file_name, " is gone again");
    return there;
}

Result<> EnvironmentStore::build(const std::string& name, std::string_view digest, PythonPackage kind,
                                 std::string_view file_name, Deadline deadline) {
    const SteadyTime begin = steady_now();
    const fs::path folder = options_.directory / str_cat(kBuildPrefix, name);
    std::error_code error;
    fs::remove_all(folder, error);
    fs::create_directories(folder, error);
    if (error) return fail(ErrorCode::io, "Can't make the folder ", folder.string(), ": ", error.message());
    WEFT_TRY_VOID(packages_.place(digest, folder / "package"));
    WEFT_TRY_VOID(run_builder(folder, kind, file_name, deadline));
    const std::uint64_t bytes = bytes_in(folder / "environment");
    WEFT_TRY_VOID(sync(folder));
    const std::lock_guard lock(mutex_);
    if (total_bytes_ + bytes > options_.total_bytes_max) {
        return fail(ErrorCode::limit_reached, "The Python environments would take more than ",
                    options_.total_bytes_max, " bytes; delete functions that aren't needed");
    }
    fs::rename(folder / "environment", options_.directory / name, error);
    if (error) return fail(ErrorCode::io, "Can't rename ", folder.string(), ": ", error.message());
    sizes_[name] = bytes;
    total_bytes_ += bytes;
    kLog.info("environment built",
              {{"digest", digest}, {"bytes", bytes}, {"ms", (steady_now() - begin) / 1ms}});
    return {};
}

Result<> EnvironmentStore::run_builder(const fs::path& folder, PythonPackage kind, std::string_view file_name,
                                       Deadline deadline) const {
    if (options_.python.empty()) {
        return fail(ErrorCode::not_supported,
                    "There is no Python interpreter: start Weft with --python naming one");
    }
    nlohmann::json order;
    order["kind"] = suffix_of(kind);
    order["package"] = (folder / "package").string();
    order["shown"] = file_name;
    order["target"] = (folder / "environment").string();
    order["python"] = options_.python;
    order["entries_max"] = options_.entries_max;
    order["bytes_max"] = options_.bytes_max;
    order["ratio_max"] = options_.ratio_max;
    Program program{
        .arguments = {options_.python, "-I", "-B", "-X", "utf8", "-",
                      order.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)},
        .environment = {str_cat("HOME=", folder.string()), str_cat("TMPDIR=", folder.string()),
                        "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"},
        .input = kBuildEnvironmentSource,
        .directory = folder};
    // Not in the order: an address may hold a password, and anyone may read command lines.
    if (!options_.index_url.empty())
        program.environment.push_back(str_cat("PIP_INDEX_URL=", options_.index_url));
    if (!options_.extra_index_url.empty())
        program.environment.push_back(str_cat("PIP_EXTRA_INDEX_URL=", options_.extra_index_url));
    WEFT_TRY(const ProgramEnd end, run_program(program, deadline, cancel_fd_));
    if (end.exit_code == 0) return {};
    if (end.exit_code == kRefused) return fail(ErrorCode::invalid_argument, tail_of(end.output));
    return fail(ErrorCode::io, "The Python environment of ", file_name,
                " could not be built: ", options_.python, " ended with ",
                end.exit_code < 0 ? std::string("a signal") : str_cat(end.exit_code), ": ",
                tail_of(end.errors));
}

void EnvironmentStore::collect(const std::function<bool(const std::string&)>& is_live) {
    std::vector<fs::path> gone;
    {
        const std::lock_guard lock(mutex_);
        for (auto it = sizes_.begin(); it != sizes_.end();) {
            const std::string& name = it->first;
            const auto used = used_.find(name);
            if (is_live(name.substr(0, kDigestLength)) || (used != used_.end() && !used->second.expired())) {
                ++it;
                continue;
            }
            // Renamed first: another build of the same may begin at once.
            const fs::path doomed = options_.directory / str_cat(".gone-", name);
            std::error_code ignored;
            fs::remove_all(doomed, ignored);
            fs::rename(options_.directory / name, doomed, ignored);
            gone.push_back(doomed);
            total_bytes_ -= it->second;
            if (used != used_.end()) used_.erase(used);
            it = sizes_.erase(it);
        }
    }
    for (const auto& folder : gone) {
        std::error_code ignored;  // what stays is removed at the next start
        fs::remove_all(folder, ignored);
        kLog.info("environment deleted", {{"folder", folder.string()}});
    }
}

void EnvironmentStore::stop() {
    const std::uint64_t one = 1;
    (void)!::write(cancel_fd_, &one, sizeof one);
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
}

std::uint64_t EnvironmentStore::total_bytes() const {
    const std::lock_guard lock(mutex_);
    return total_bytes_;
}

}  // namespace weft::package
