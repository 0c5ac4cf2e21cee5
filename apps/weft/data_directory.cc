#include "data_directory.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/clock.h"
#include "broker/broker.h"
#include "manifest.h"
#include "package/package_store.h"
#include "store/file_system.h"
#include "store/inspect.h"

namespace weft::app {
namespace {

namespace fs = std::filesystem;

constexpr int kTriesMax = 10;
constexpr std::uint64_t kFileBytesMax = 4ULL << 30;

class Files {
  public:
    store::FileSystem& system() { return *files_; }

    Result<std::string> read(const fs::path& path) {
        WEFT_TRY(const auto file, files_->open(path.native()));
        WEFT_TRY(const std::uint64_t size, file->size());
        if (size > kFileBytesMax) return fail(ErrorCode::too_large, path.native(), " has ", size, " bytes");
        std::string content(size, '\0');
        WEFT_TRY(const std::size_t got, file->read_at(0, content.data(), size));
        content.resize(got);
        return content;
    }
    /// On the disk when it returns.
    Result<> write(const fs::path& path, std::string_view content) {
        WEFT_TRY_VOID(files_->make_directories(path.parent_path().native()));
        WEFT_TRY(const auto file, files_->create(path.native()));
        WEFT_TRY_VOID(file->write_at(0, std::span(&content, 1)));
        WEFT_TRY_VOID(file->sync());
        return files_->sync_directory(path.parent_path().native());
    }
    /// Names in a directory; none if it isn't there.
    Result<std::vector<std::string>> list(const fs::path& directory) {
        auto names = files_->list(directory.native());
        if (!names && names.error().code == ErrorCode::not_found) return std::vector<std::string>{};
        if (names) std::ranges::sort(*names);
        return names;
    }

  private:
    const std::unique_ptr<store::FileSystem> files_ = store::make_posix_file_system();
};

bool is_digest(std::string_view name) {
    return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// A directory that becomes `target` when all of it is there, and goes when it does not come to that.
class NewDirectory {
  public:
    static Result<NewDirectory> make(Files& files, const fs::path& target, std::string_view cure) {
        std::error_code error;
        if (fs::exists(target, error) && !(fs::is_directory(target, error) && fs::is_empty(target, error))) {
            return fail(ErrorCode::already_exists, target.native(),
                        fs::is_directory(target, error) ? " is not empty: " : " is a file: ", cure);
        }
        fs::path whole = fs::absolute(target).lexically_normal();
        if (!whole.has_filename()) whole = whole.parent_path();
        NewDirectory made(whole, str_cat(whole.native(), ".partial-", ::getpid()));
        WEFT_TRY_VOID(files.system().make_directories(made.partial_.native()));
        return made;
    }
    NewDirectory(NewDirectory&& other) noexcept
        : target_(std::move(other.target_)), partial_(std::exchange(other.partial_, {})) {}
    NewDirectory& operator=(NewDirectory&&) = delete;
    ~NewDirectory() { clear(); }

    const fs::path& path() const { return partial_; }
    void clear() {
        std::error_code ignored;  // what stays is named as what it is
        if (!partial_.empty()) fs::remove_all(partial_, ignored);
    }
    Result<> finish(Files& files) {
        std::error_code error;
        fs::remove(target_, error);  // an empty directory, or nothing
        WEFT_TRY_VOID(files.system().rename(partial_.native(), target_.native()));
        partial_.clear();
        return files.system().sync_directory(target_.parent_path().native());
    }

  private:
    NewDirectory(fs::path target, fs::path partial)
        : target_(std::move(target)), partial_(std::move(partial)) {}
    fs::path target_, partial_;
};

void take(Survey& survey, const store::Inspection& found) {
    survey.files += found.segments;
    survey.bytes += found.bytes;
    survey.entries += found.entries;
    for (const std::string& damage : found.damaged_files) survey.damage.push_back("store/" + damage);
    for (const store::Damage& damage : found.damage) {
        survey.damage.push_back("store: " +
                                store::describe(damage, broker::topic_of_ledger(found.map, damage.ledger)));
    }
}

/// Gives each package to `visit`, with whether it is what its name says.
Result<> for_each_package(Files& files, const fs::path& directory, Survey& survey, const Progress& progress,
                          const std::function<Result<>(const std::string&, std::string_view)>& visit) {
    WEFT_TRY(const auto names, files.list(directory));
    for (const std::string& name : names) {
        if (!is_digest(name)) continue;
        auto content = files.read(directory / name);
        if (!content && content.error().code == ErrorCode::not_found) continue;  // its function was deleted
        if (!content) return std::unexpected(std::move(content).error());
        ++survey.files;
        ++survey.packages;
        survey.bytes += content->size();
        progress(str_cat("packages/", name), survey.bytes);
        if (package::sha256_hex(*content) != name)
            survey.damage.push_back(str_cat("packages/", name, ": damaged; upload the package again"));
        WEFT_TRY_VOID(visit(name, *content));
    }
    return {};
}

/// Gives each package's name (a record in a file of its own) to `visit`, with whether it is one.
Result<> for_each_name(Files& files, const fs::path& directory, Survey& survey,
                       const std::function<Result<>(const std::string&, std::string_view)>& visit) {
    WEFT_TRY(const auto names, files.list(directory));
    for (const std::string& name : names) {
        if (!is_digest(name)) continue;
        auto content = files.read(directory / name);
        if (!content && content.error().code == ErrorCode::not_found) continue;  // it was deleted
        if (!content) return std::unexpected(std::move(content).error());
        ++survey.files;
        survey.bytes += content->size();
        const auto record = nlohmann::json::parse(*content, nullptr, false);
        const bool is_one = record.is_object() && record.contains("name") && record["name"].is_string() &&
                            package::sha256_hex(record["name"].get<std::string>()) == name;
        if (!is_one) {
            survey.damage.push_back(
                str_cat("package-names/", name, ": damaged; upload the package under its name again"));
        }
        WEFT_TRY_VOID(visit(name, *content));
    }
    return {};
}

/// What is there: the store, read so often that nothing was let go of meanwhile.
Result<store::Inspection> inspect_store(Files& files, const fs::path& directory,
                                        const std::function<void()>& begin, const store::FileVisitor& visit) {
    for (int tries = 1;; ++tries) {
        begin();
        auto found = store::inspect(files.system(), directory.native(), visit);
        if (found || found.error().code != ErrorCode::conflict || tries == kTriesMax) return found;
    }
}

std::string time_text() {
    const auto now = static_cast<std::time_t>(wall_clock_ms() / 1000);
    std::tm parts{};
    char text[32];
    ::gmtime_r(&now, &parts);
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Result<> check_manifest(Files& files, const fs::path& directory, const Manifest& manifest, Survey& survey,
                        const Progress& progress) {
    for (const auto& [path, digest] : manifest.files) {
        const auto content = files.read(directory / path);
        if (!content) {
            survey.damage.push_back(str_cat(path, ": can't be read: ", content.error().message));
        } else if (package::sha256_hex(*content) != digest) {
            survey.damage.push_back(str_cat(path, ": differs from the manifest"));
        }
        progress(path, survey.bytes);
    }
    for (const std::string_view part : kBackupFolders) {
        WEFT_TRY(const auto names, files.list(directory / part));
        for (const std::string& name : names) {
            const std::string path = str_cat(part, '/', name);
            if (!manifest.files.contains(path)) survey.damage.push_back(path + ": not in the manifest");
        }
    }
    return {};
}

}  // namespace

Result<Survey> verify_directory(const fs::path& directory, const Progress& progress) {
    Files files;
    Survey survey;
    std::error_code error;
    if (fs::exists(directory / kManifestName, error)) {
        WEFT_TRY(const std::string text, files.read(directory / kManifestName));
        const auto manifest = decode_manifest(text);
        if (manifest) {
            WEFT_TRY_VOID(check_manifest(files, directory, *manifest, survey, progress));
        } else {
            survey.damage.push_back(str_cat(kManifestName, ": ", manifest.error().message));
        }
    } else if (!fs::is_directory(directory / "store", error)) {
        return fail(ErrorCode::not_found, directory.native(),
                    " is neither a data directory nor a backup: it has ",
                    "no store/ in it; name what stands behind --data-dir");
    }
    const Survey before = survey;
    WEFT_TRY(const auto found, inspect_store(
                                   files, directory / "store", [&] { survey = before; },
                                   [&](const store::InspectedFile& file) -> Result<> {
                                       progress(str_cat("store/", file.name), survey.bytes);
                                       return {};
                                   }));
    take(survey, found);
    const auto pass = [](const auto&, auto) -> Result<> { return {}; };
    WEFT_TRY_VOID(for_each_package(files, directory / "packages", survey, progress, pass));
    WEFT_TRY_VOID(for_each_name(files, directory / "package-names", survey, pass));
    return survey;
}

Result<Survey> back_up(const fs::path& data_dir, const fs::path& target, const Progress& progress) {
    Files files;
    Survey survey;
    Manifest manifest{.made = time_text(), .log_end = {}, .files = {}};
    std::error_code error;
    if (!fs::is_directory(data_dir / "store", error)) {
        return fail(ErrorCode::not_found, data_dir.native(),
                    " is not a data directory: it has no store/ in it; name what stands behind --data-dir");
    }
    WEFT_TRY(auto made, NewDirectory::make(files, target, "name a directory that is not there yet"));
    // Packages before the log and the names, and behind them: what those stand for was there at one of the
    // two times.
    std::set<std::string> copied;
    const auto copy_package = [&](const std::string& name, std::string_view content) -> Result<> {
        if (!copied.insert(name).second) return {};
        manifest.files[str_cat("packages/", name)] = package::sha256_hex(content);
        return files.write(made.path() / "packages" / name, content);
    };
    WEFT_TRY_VOID(for_each_package(files, data_dir / "packages", survey, progress, copy_package));
    const auto begin = [&] {
        std::error_code ignored;
        fs::remove_all(made.path() / "store", ignored);
        std::erase_if(manifest.files, [](const auto& file) { return file.first.starts_with("store/"); });
    };
    std::uint64_t bytes = survey.bytes;
    const auto copy_file = [&](const store::InspectedFile& file) -> Result<> {
        const std::string path = str_cat("store/", file.name);
        manifest.files[path] = package::sha256_hex(file.content);
        progress(path, bytes += file.content.size());
        return files.write(made.path() / path, file.content);
    };
    WEFT_TRY(const auto found, inspect_store(files, data_dir / "store", begin, copy_file));
    WEFT_TRY_VOID(for_each_name(files, data_dir / "package-names", survey,
                                [&](const std::string& name, std::string_view content) {
                                    const std::string path = str_cat("package-names/", name);
                                    manifest.files[path] = package::sha256_hex(content);
                                    return files.write(made.path() / path, content);
                                }));
    Survey again;
    WEFT_TRY_VOID(for_each_package(files, data_dir / "packages", again, progress, copy_package));
    survey.packages = copied.size();
    take(survey, found);
    manifest.log_end = str_cat(found.end_segment, ':', found.end_offset);
    WEFT_TRY_VOID(files.write(made.path() / kManifestName, encode_manifest(manifest)));
    survey.files = manifest.files.size();
    WEFT_TRY_VOID(made.finish(files));
    return survey;
}

Result<Survey> restore(const fs::path& backup, const fs::path& data_dir, const Progress& progress) {
    Files files;
    Survey survey;
    auto text = files.read(backup / kManifestName);
    if (!text) {
        return fail(ErrorCode::not_found, backup.native(),
                    " is not a whole backup: its manifest can't be read (", text.error().message,
                    "); name a directory that weft backup has made");
    }
    auto manifest = decode_manifest(*text);
    if (!manifest) return std::unexpected(std::move(manifest).error().context(backup.native()));
    WEFT_TRY(auto made, NewDirectory::make(files, data_dir,
                                           "a backup is restored into a directory that is not there yet, or "
                                           "move this one away"));
    for (const auto& [path, digest] : manifest->files) {
        WEFT_TRY(const std::string content, files.read(backup / path));
        if (package::sha256_hex(content) != digest) {
            return fail(ErrorCode::corrupt, "the backup is damaged: ", path,
                        " differs from the manifest; weft verify ", backup.native(),
                        " says what is damaged. Nothing was restored");
        }
        ++survey.files;
        survey.bytes += content.size();
        progress(path, survey.bytes);
        WEFT_TRY_VOID(files.write(made.path() / path, content));
    }
    WEFT_TRY_VOID(made.finish(files));
    return survey;
}

}  // namespace weft::app
