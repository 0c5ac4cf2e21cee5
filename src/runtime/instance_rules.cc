#include "runtime/instance_rules.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "host/host.h"
#include "host/python/python_library.h"
#include "runtime/java_runtime.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

bool is_program(Language language) { return language == Language::java || language == Language::go; }

bool is_within(const fs::path& path, const fs::path& folder) {
    return std::ranges::mismatch(folder, path).in1 == folder.end();
}

/// A credential is replaced by renaming another over it, which a rule on the file itself would not follow:
/// its folder, unless that is one of the machine's or has this instance in it.
void add_credential(const fs::path& file, const InstanceSpec& spec, std::vector<std::string>& into) {
    if (!file.is_absolute()) return;
    std::error_code ignored;
    for (const fs::path& each : {file, fs::canonical(file, ignored)}) {
        if (each.empty()) continue;
        const fs::path folder = each.parent_path();
        const bool deep = std::distance(folder.begin(), folder.end()) > 2;  // "/", "etc"
        const bool alone = deep && !is_within(spec.scratch_directory, folder);
        into.push_back((alone ? folder : each).string());
    }
}

void add_java(const JavaSettings& java, std::vector<std::string>& into) {
    std::error_code ignored;
    into.push_back(java.program);
    const fs::path home = fs::canonical(java.program, ignored).parent_path().parent_path();
    if (home.has_relative_path()) into.push_back(home.string());
    into.push_back(java.instance_jar);
    into.push_back(secrets_jar());
    if (!java.extra_dependencies.empty()) into.push_back(java.extra_dependencies);
    std::string_view path = java.class_path;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find(':'), path.size());
        std::string_view part = path.substr(0, end);
        if (part.ends_with("/*")) part.remove_suffix(2);
        if (!part.empty()) into.emplace_back(part);
        path.remove_prefix(std::min(end + 1, path.size()));
    }
}

std::vector<std::string> not_held_of(const InstanceSpec& spec,
                                     const std::vector<std::string>& not_held_by_group,
                                     std::string_view why_no_user) {
    const bool is_strict = spec.containment.level == containment::Level::strict;
    auto missing = containment::not_held(spec.containment.kernel, is_program(spec.language));
    if (!why_no_user.empty()) missing.push_back(str_cat("a user of its own (", why_no_user, ')'));
    if (is_strict && spec.user == 0 && why_no_user.empty())
        missing.emplace_back("a user of its own (its worker is not root)");
    if (is_strict && !spec.containment.kernel.roots)
        missing.emplace_back("names of files and processes (its worker can't give it a root of its own)");
    missing.insert(missing.end(), not_held_by_group.begin(), not_held_by_group.end());
    return missing;
}

}  // namespace

std::string with_named_files(std::string_view parameters,
                             const std::function<std::string(std::string path)>& replaced) {
    constexpr std::string_view kSeparators = ",\"{} \t\n";
    std::string text;
    while (!parameters.empty()) {
        const std::size_t end = std::min(parameters.find_first_of(kSeparators), parameters.size());
        std::string_view word = parameters.substr(0, end);
        for (const std::string_view scheme : {"tlsCertFile:", "tlsKeyFile:", "file:"}) {
            if (word.starts_with(scheme)) word.remove_prefix(scheme.size());
        }
        if (word.starts_with("///")) word.remove_prefix(2);
        str_append(text, parameters.substr(0, end - word.size()));
        const bool is_path = word.starts_with('/');
        str_append(text, is_path ? replaced(std::string(word)) : std::string(word));
        if (end < parameters.size()) text.push_back(parameters[end]);
        parameters.remove_prefix(std::min(end + 1, parameters.size()));
    }
    return text;
}

std::vector<std::string> files_of(const InstanceSpec& spec) {
    std::vector<std::string> reads = spec.containment.readable;
    reads.push_back(spec.package_path);
    if (spec.language == Language::java) add_java(spec.java, reads);
    if (spec.language == Language::python) {
        // A module is looked for in the list of its folder, which is the instance's own.
        reads.push_back(fs::path(spec.package_path).parent_path().string());
        reads.push_back(host::plugin_directory());
        for (std::string& folder : host::python_folders(spec.python)) reads.push_back(std::move(folder));
    }
    const security::ClientSettings& security = spec.security;
    with_named_files(security.auth_params, [&](std::string path) {
        add_credential(path, spec, reads);
        return path;
    });
    for (const std::string* const file :
         {&security.tls.trust_certs, &security.tls.certificate, &security.tls.key})
        add_credential(*file, spec, reads);
    return reads;
}

containment::Rules rules_of(const InstanceSpec& spec, std::vector<std::uint16_t> ports) {
    containment::Rules rules{.readable = containment::system_folders(),
                             .writable = spec.containment.writable,
                             .directory = spec.scratch_directory,
                             .ports = std::move(ports),
                             .user = spec.user,
                             .own_root = spec.containment.level == containment::Level::strict};
    std::ranges::move(files_of(spec), std::back_inserter(rules.readable));
    if (!spec.scratch_directory.empty()) rules.writable.push_back(spec.scratch_directory);
    return rules;
}

Result<std::optional<containment::Containment>> containment_for(const InstanceSpec& spec,
                                                                std::vector<std::uint16_t> ports) {
    if (spec.containment.level == containment::Level::none) return std::nullopt;
    WEFT_TRY(auto made,
             containment::Containment::prepare(rules_of(spec, std::move(ports)), spec.containment.kernel));
    return std::optional(std::move(made));
}

Result<> enter_scratch(const InstanceSpec& spec) {
    const std::string& scratch = spec.scratch_directory;
    if (!scratch.empty() && chdir(scratch.c_str()) != 0)
        return fail(ErrorCode::io, "can't enter the instance's directory ", scratch);
    if (spec.containment.level == containment::Level::none) return {};
    // /tmp and the worker's home are not the function's.
    for (const char* const name : {"TMPDIR", "HOME"}) setenv(name, scratch.c_str(), 1);
    if (is_program(spec.language)) return {};  // the program enters it by itself, not its keeper
    WEFT_TRY(const auto containment, containment_for(spec, {}));
    if (const char* const failed = containment->enter()) {
        return fail(ErrorCode::io, "can't contain the instance: ", failed, ": ", std::strerror(errno),
                    "; --containment none runs functions without");
    }
    return {};
}

std::string containment_of(const InstanceSpec& spec, const std::vector<std::string>& not_held_by_group,
                           std::string_view why_no_user) {
    const auto level = spec.containment.level;
    std::string text(containment::name_of(level));
    if (level == containment::Level::none) return text;
    const char* before = ", but for ";
    for (const std::string& each : not_held_of(spec, not_held_by_group, why_no_user))
        str_append(text, std::exchange(before, ", "), each);
    return text;
}

Result<> check_strict(const InstanceSpec& spec, const std::vector<std::string>& not_held_by_group,
                      std::string_view why_no_user) {
    if (spec.containment.level != containment::Level::strict) return {};
    std::string list;
    for (const std::string& each : not_held_of(spec, not_held_by_group, why_no_user))
        str_append(list, list.empty() ? "" : ", ", each);
    if (list.empty()) return {};
    return fail(ErrorCode::precondition_failed,
                "--containment strict: it does not run where not all of it can be held, and this can't: ",
                list, "; --containment basic runs it without");
}

}  // namespace weft::runtime
