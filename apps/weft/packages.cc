// weft packages: what `pulsar-admin packages` does, over the same REST.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "admin_client.h"
#include "commands.h"
#include "json_text.h"
#include "progress_line.h"

namespace weft::app {

namespace {

using config::Times;

constexpr std::string_view kRoot = "/admin/v3/packages/";
constexpr std::string_view kPackage = "<packageName>";

constexpr config::Option kPathOption = {
    .names = "--path", .value = "path", .help = "file path of the package", .times = Times::required};
constexpr config::Option kProperties = {.names = "-P, --properties",
                                        .value = "String=String",
                                        .help = "external information of a package",
                                        .times = Times::many};
constexpr config::Option kUploadOptions[] = {
    {.names = "--contact", .value = "contact", .help = "contact information of a package"},
    {.names = "--description",
     .value = "description",
     .help = "descriptions of a package",
     .times = Times::required},
    kProperties,
    kPathOption,
};
constexpr config::Option kUpdateOptions[] = {
    {.names = "-c, --contact", .value = "contact", .help = "contact info of a package"},
    {.names = "-d, --description",
     .value = "description",
     .help = "descriptions of a package",
     .times = Times::required},
    kProperties,
};
constexpr config::Option kDownloadOptions[] = {
    {.names = "--path",
     .value = "path",
     .help = "download destiny path of the package",
     .times = Times::required},
};
constexpr config::Option kListOptions[] = {
    {.names = "--type", .value = "type", .help = "type of the package", .times = Times::required},
};

/// "function://t/n/p@1" as a path of the REST: "/admin/v3/packages/function/t/n/p/1". No version is "latest".
enum class Version : std::uint8_t { wanted, left_out };
Result<std::string> rest_path(const std::string& name, Version version) {
    const auto invalid = [&] {
        return fail(ErrorCode::invalid_argument, "Invalid package name '", name,
                    "': it is type://tenant/namespace/packageName",
                    version == Version::wanted ? "@version" : "", ", type is function, source or sink");
    };
    const auto scheme = name.find("://");
    if (scheme == std::string::npos) return invalid();
    const auto at = name.find('@', scheme);
    std::string_view place =
        std::string_view(name).substr(scheme + 3, at == name.npos ? at : at - scheme - 3);
    std::string path = str_cat(kRoot, http::url_encode(name.substr(0, scheme)));
    int parts = 0;
    for (std::size_t end = 0; end != place.npos; ++parts) {
        end = place.find('/');
        if (place.substr(0, end).empty()) return invalid();
        str_append(path, '/', http::url_encode(place.substr(0, end)));
        place = end == place.npos ? "" : place.substr(end + 1);
    }
    if (parts != 3) return invalid();
    if (version == Version::left_out) return path;
    const std::string given = at == name.npos ? "" : name.substr(at + 1);
    return str_cat(path, '/', given.empty() ? "latest" : http::url_encode(given));
}

Result<std::string> metadata_of(const config::Arguments& arguments) {
    nlohmann::ordered_json metadata;
    metadata["description"] = arguments.text("--description");
    if (arguments.has("--contact")) metadata["contact"] = arguments.text("--contact");
    auto properties = nlohmann::ordered_json::object();
    for (const auto& given : arguments.values("--properties")) {
        const auto equals = given.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(ErrorCode::invalid_argument, "Invalid value for option '--properties': '", given,
                        "' is not of the form name=value");
        }
        properties[given.substr(0, equals)] = given.substr(equals + 1);
    }
    metadata["properties"] = std::move(properties);
    return metadata.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Prints what was done, or why it wasn't; gives the exit code.
int end_with(const Result<std::string>& answer, const std::string& text) {
    if (!answer) return print_failure(answer.error());
    print(text);
    return kDone;
}

std::string quoted(const Call& call) { return str_cat("The package '", call.arguments.positional(), "'"); }

int upload(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::wanted);
    if (!path) return call.wrong_use(path.error().message);
    const auto metadata = metadata_of(call.arguments);
    if (!metadata) return call.wrong_use(metadata.error().message);
    const std::string file = call.arguments.text("--path");
    const auto content = read_file(file);
    if (!content) return print_failure(content.error());
    http::MultipartBuilder body;
    body.add("metadata", "application/json", *metadata);
    body.add("file", "application/octet-stream", *content, std::filesystem::path(file).filename().string());
    ProgressLine progress;
    progress.show(str_cat("sending ", content->size(), " bytes"));
    return end_with(AdminClient(call).send_multipart("POST", *path, std::move(body)),
                    str_cat(quoted(call), " uploaded from path '", file, "' successfully"));
}

int download(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::wanted);
    if (!path) return call.wrong_use(path.error().message);
    ProgressLine progress;
    progress.show("receiving " + call.arguments.positional());
    const auto content = AdminClient(call).ask("GET", *path);
    progress.clear();
    if (!content) return print_failure(content.error());
    const std::string file = call.arguments.text("--path");
    if (const auto written = write_file(file, *content); !written) return print_failure(written.error());
    print(str_cat(quoted(call), " downloaded to path '", file, "' successfully"));
    return kDone;
}

int get_metadata(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::wanted);
    if (!path) return call.wrong_use(path.error().message);
    auto answer = AdminClient(call).ask("GET", *path + "/metadata");
    if (answer) answer = laid_out(*answer, JsonStyle::jackson);
    return end_with(answer, answer.value_or(""));
}

int update_metadata(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::wanted);
    if (!path) return call.wrong_use(path.error().message);
    const auto metadata = metadata_of(call.arguments);
    if (!metadata) return call.wrong_use(metadata.error().message);
    return end_with(
        AdminClient(call).send_json("PUT", *path + "/metadata", *metadata),
        str_cat("The metadata of the package '", call.arguments.positional(), "' updated successfully"));
}

int remove(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::wanted);
    if (!path) return call.wrong_use(path.error().message);
    return end_with(AdminClient(call).ask("DELETE", *path), quoted(call) + " deleted successfully");
}

int print_names(const Result<std::string>& answer) {
    if (!answer) return print_failure(answer.error());
    const auto names = nlohmann::json::parse(*answer, nullptr, false);
    if (!names.is_array())
        return print_failure({ErrorCode::corrupt, "the answer is not a list: " + answer->substr(0, 200)});
    for (const auto& name : names) print(name.is_string() ? name.get<std::string>() : name.dump());
    return kDone;
}

int list(const Call& call) {
    const std::string& place = call.arguments.positional();
    const auto slash = place.find('/');
    if (slash == 0 || slash == std::string::npos || slash + 1 == place.size() ||
        place.find('/', slash + 1) != std::string::npos) {
        return call.wrong_use(str_cat("Invalid namespace '", place, "': it is tenant/namespace"));
    }
    return print_names(AdminClient(call).ask(
        "GET",
        str_cat(kRoot, http::url_encode(call.arguments.text("--type")), '/',
                http::url_encode(place.substr(0, slash)), '/', http::url_encode(place.substr(slash + 1)))));
}

int list_versions(const Call& call) {
    const auto path = rest_path(call.arguments.positional(), Version::left_out);
    if (!path) return call.wrong_use(path.error().message);
    return print_names(AdminClient(call).ask("GET", *path));
}

}  // namespace

const Group& packages_group() {
    static const Entry kEntries[] = {
        {.word = "get-metadata",
         .summary = "Get a package metadata information.",
         .positional = kPackage,
         .run = get_metadata},
        {.word = "update-metadata",
         .summary = "Update a package metadata information.",
         .options = kUpdateOptions,
         .positional = kPackage,
         .run = update_metadata},
        {.word = "upload",
         .summary = "Upload a package",
         .options = kUploadOptions,
         .positional = kPackage,
         .run = upload},
        {.word = "download",
         .summary = "Download a package",
         .options = kDownloadOptions,
         .positional = kPackage,
         .run = download},
        {.word = "list",
         .summary = "List all packages with given type in the specified namespace",
         .options = kListOptions,
         .positional = "<namespace>",
         .run = list},
        {.word = "list-versions",
         .summary = "List all versions of the given package",
         .positional = kPackage,
         .run = list_versions},
        {.word = "delete", .summary = "Delete a package", .positional = kPackage, .run = remove},
    };
    static const Group kGroup{.word = "packages",
                              .summary = "Operations about packages",
                              .entries = kEntries,
                              .examples =
                                  "  weft packages upload function://public/default/shout@v1 --path "
                                  "shout.zip --description 'Louder'\n"
                                  "  weft functions create --py function://public/default/shout@v1 "
                                  "--classname shout.Shout --inputs in\n"
                                  "  weft packages list --type function public/default\n",
                              .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
