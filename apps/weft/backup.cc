// weft backup, restore and verify: what can be done with a data directory from outside.

#include "commands.h"
#include "data_directory.h"
#include "progress_line.h"

namespace weft::app {
namespace {

template <class Function>
Result<Survey> with_progress(Function function) {
    ProgressLine line;
    return function([&](const std::string& file, std::uint64_t bytes) {
        line.show(str_cat(bytes / 1'000'000, " MB  ", file));
    });
}

std::string size_of(const Survey& survey) {
    return str_cat(survey.files, " files, ", survey.entries, " entries, ", survey.packages, " packages, ",
                   survey.bytes, " bytes");
}

int failed(std::string_view command, const Error& error) {
    print_error(str_cat("weft ", command, ": ", error.message));
    return kFailed;
}

int run_backup(const Call& call) {
    const std::string from = call.arguments.positional(0);
    const std::string to = call.arguments.positional(1);
    if (from.find("://") != std::string::npos) {
        return call.wrong_use(
            str_cat("'", from, "' is a URL: weft backup reads the data directory itself, also while ",
                    "weft standalone uses it; run it on that machine with the directory's path"));
    }
    const auto made = with_progress([&](const Progress& progress) { return back_up(from, to, progress); });
    if (!made) return failed("backup", made.error());
    for (const std::string& damage : made->damage) print_error(str_cat("damaged in ", from, ": ", damage));
    print(str_cat("backed up ", from, " to ", to, ": ", size_of(*made)));
    if (made->damage.empty()) return kDone;
    print_error("weft backup: the backup is made, of a data directory that is damaged");
    return kFailed;
}

int run_restore(const Call& call) {
    const std::string from = call.arguments.positional(0);
    const std::string to = call.arguments.positional(1);
    const auto made = with_progress([&](const Progress& progress) { return restore(from, to, progress); });
    if (!made) return failed("restore", made.error());
    print(str_cat("restored ", from, " to ", to, ": ", made->files, " files, ", made->bytes, " bytes"));
    return kDone;
}

int run_verify(const Call& call) {
    const std::string directory = call.arguments.positional(0);
    const auto seen =
        with_progress([&](const Progress& progress) { return verify_directory(directory, progress); });
    if (!seen) {
        print_error(str_cat("weft verify: ", seen.error().message));
        return kWrongUse;
    }
    for (const std::string& damage : seen->damage) print(damage);
    print(str_cat(
        seen->damage.empty() ? std::string("clean") : str_cat("damaged in ", seen->damage.size(), " places"),
        ": ", size_of(*seen)));
    return seen->damage.empty() ? kDone : kFailed;
}

}  // namespace

Entry backup_command() {
    return {.word = "backup",
            .summary = "Copy a data directory, also while it is in use",
            .positional = "<data-dir> <target>",
            .takes = Takes::nothing,
            .run = run_backup};
}

Entry restore_command() {
    return {.word = "restore",
            .summary = "Make a data directory of a backup",
            .positional = "<backup> <data-dir>",
            .takes = Takes::nothing,
            .run = run_restore};
}

Entry verify_command() {
    return {.word = "verify",
            .summary =
                "Check every checksum of a data directory or a backup; ends with 1 if something is damaged",
            .positional = "<directory>",
            .takes = Takes::nothing,
            .run = run_verify};
}

}  // namespace weft::app
