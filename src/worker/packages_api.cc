#include "worker/packages_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "observe/log.h"
#include "worker/answers.h"
#include "worker/function_runner.h"

namespace weft::worker {
namespace {

using nlohmann::json;
using package::NamedPackage;
using package::PackageName;

const observe::Logger kLog("worker");
constexpr std::string_view kNoMetadata =
    "Unknown error, metadata is null when processing update package metadata request (metadata = null: send "
    "it as JSON with description, contact, properties)";
constexpr std::string_view kPathScheme =
    "path:";  // what `functions upload --path` names, unlike a package's name
constexpr std::size_t kPathBytesMax = 1000;
constexpr int kLevelsMax = 8;  // of a package's metadata, which has two

std::unexpected<Error> bad_request(auto&&... parts) { return fail(ErrorCode::invalid_argument, parts...); }

Result<PackageName> name_in(const http::Request& request) {
    return package::package_name_of(request.param("type"), request.param("tenant"),
                                    request.param("namespace"), request.param("name"),
                                    request.param("version"));
}

std::string shown(const json& value) {
    return value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 200);
}

/// The object's member `key`, called `field` in messages.
Result<std::optional<std::string>> text_member(const json& object, const std::string& key,
                                               const std::string& field) {
    if (!object.contains(key) || object[key].is_null()) return std::nullopt;
    if (object[key].is_string()) return object[key].get<std::string>();
    return bad_request("The package's metadata: ", field.substr(0, 200), " = ", shown(object[key]),
                       " is not a text");
}

/// Nothing (discarded) for what isn't JSON or nests deeper than metadata does.
json parse_metadata(std::string_view text) {
    bool too_deep = false;
    json parsed = json::parse(
        text,
        [&](int depth, json::parse_event_t, json&) {
            too_deep = too_deep || depth > kLevelsMax;
            return !too_deep;
        },
        false);
    return too_deep ? json(json::value_t::discarded) : parsed;
}

/// What a path may be: it comes back in lists, logs and answers.
Result<> check_path(std::string_view path) {
    if (path.size() > kPathBytesMax)
        return bad_request("path has ", path.size(), " bytes: at most ", kPathBytesMax, " are taken");
    if (!is_utf8(path)) return bad_request("path = ", path, " is invalid: it must be UTF-8");
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; };
    if (std::ranges::any_of(path, is_control))
        return bad_request("path = ", path, " is invalid: write it without control characters");
    return {};
}

/// The members that a client may say, of JSON as Pulsar's clients write it.
Result<NamedPackage> metadata_from(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) return bad_request(kNoMetadata);
    const json object = parse_metadata(text);
    if (object.is_null()) return bad_request(kNoMetadata);
    if (!object.is_object()) {
        return bad_request(
            "The package's metadata is not a JSON object (description, contact, properties) of at "
            "most ",
            kLevelsMax, " levels: ", text.substr(0, 100));
    }
    NamedPackage package;
    WEFT_TRY(package.description, text_member(object, "description", "description"));
    WEFT_TRY(package.contact, text_member(object, "contact", "contact"));
    if (!object.contains("properties") || object["properties"].is_null()) return package;
    const json& properties = object["properties"];
    if (!properties.is_object())
        return bad_request("The package's metadata: properties = ", shown(properties),
                           " is not a map of texts");
    package.properties.emplace();
    for (const auto& [key, value] : properties.items()) {
        WEFT_TRY(auto text_value, text_member(properties, key, str_cat("properties.", key)));
        if (text_value) package.properties->emplace(key, std::move(*text_value));
    }
    return package;
}

/// Jackson leaves out what is null.
std::string metadata_json(const NamedPackage& package) {
    nlohmann::ordered_json object;
    if (package.description) object["description"] = *package.description;
    if (package.contact) object["contact"] = *package.contact;
    object["createTime"] = package.create_time_ms;
    object["modificationTime"] = package.modification_time_ms;
    if (package.properties) object["properties"] = *package.properties;
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

struct Parts {
    std::optional<http::Part> metadata, file, data, path;
};
Result<Parts> parts_of(const http::Request& request) {
    WEFT_TRY(const auto parts, http::parse_multipart(request));
    Parts found;
    for (const auto& part : parts) {
        if (part.name == "metadata") found.metadata = part;
        if (part.name == "file") found.file = part;
        if (part.name == "data") found.data = part;
        if (part.name == "path") found.path = part;
    }
    return found;
}

std::string file_name_of(const http::Part& part) {
    return package::check_file_name(part.filename) ? part.filename : "";  // only a hint
}

/// Stores the bytes and has them named; gives their digest. Nothing holds them any more when it returns.
template <class Name>
Result<std::string> keep(package::Packages& packages, std::string_view content, NamedPackage named,
                         Name name) {
    WEFT_TRY(const auto pin, packages.store->put(content));
    named.digest = pin.digest();
    WEFT_TRY_VOID(name(std::move(named)));
    return pin.digest();
}

}  // namespace

PackagesApi::Answer PackagesApi::list(const http::Request& request) {
    WEFT_TRY(const auto type, package::package_type_of(request.param("type")));
    const std::string place =
        str_cat(type, "://", request.param("tenant"), '/', request.param("namespace"), '/');
    return http::Response::json(strings_json(packages_.names->list(place, '@')));
}

PackagesApi::Answer PackagesApi::list_versions(const http::Request& request) {
    WEFT_TRY(const auto name,
             package::package_name_of(request.param("type"), request.param("tenant"),
                                      request.param("namespace"), request.param("name"), ""));
    const std::string full = name.full();
    const std::string prefix = full.substr(0, full.find('@') + 1);
    return http::Response::json(strings_json(packages_.names->list(prefix, '\0')));
}

PackagesApi::Answer PackagesApi::get_metadata(const http::Request& request) {
    WEFT_TRY(const auto name, name_in(request));
    const auto found = packages_.names->find(name.full());
    if (!found)
        return fail(ErrorCode::not_found, "Package '", name.full(),
                    "' metadata does not exist (upload it first)");
    return http::Response::json(metadata_json(*found));
}

PackagesApi::Answer PackagesApi::update_metadata(const http::Request& request) {
    WEFT_TRY(auto said, metadata_from(request.body));
    WEFT_TRY(const auto name, name_in(request));
    WEFT_TRY_VOID(packages_.names->update(name.full(), [&](NamedPackage& package) {
        package.description = std::move(said.description);
        package.contact = std::move(said.contact);
        package.properties = std::move(said.properties);
        package.modification_time_ms = wall_clock_ms();
    }));
    return http::Response::no_content();
}

PackagesApi::Answer PackagesApi::upload(const http::Request& request) {
    WEFT_TRY(const auto parts, parts_of(request));
    if (!parts.metadata) return bad_request(kNoMetadata);
    WEFT_TRY(auto named, metadata_from(parts.metadata->content));
    WEFT_TRY(const auto name, name_in(request));
    if (!parts.file)
        return bad_request("The package's file is not provided (file = nothing: send it as the part 'file')");
    if (packages_.names->find(name.full()))
        return fail(ErrorCode::already_exists, "Package '", name.full(), "' metadata already exists");
    named.file_name = file_name_of(*parts.file);
    named.create_time_ms = named.modification_time_ms = wall_clock_ms();
    const auto kept = keep(packages_, parts.file->content, std::move(named), [&](NamedPackage package) {
        return packages_.names->add(name.full(), std::move(package));
    });
    if (!kept) collect_();  // the bytes, which have no name now
    WEFT_TRY_VOID(kept);
    kLog.info("package uploaded", {{"package", name.full()}, {"digest", *kept}});
    return http::Response::no_content();
}

PackagesApi::Answer PackagesApi::download(const http::Request& request) {
    WEFT_TRY(const auto name, name_in(request));
    const auto found = packages_.names->find(name.full());
    if (!found)
        return fail(ErrorCode::not_found, "Package '", name.full(), "' does not exist (upload it first)");
    return package_answer(packages_, found->digest);
}

PackagesApi::Answer PackagesApi::remove(const http::Request& request) {
    WEFT_TRY(const auto name, name_in(request));
    WEFT_TRY_VOID(packages_.names->remove(name.full()));
    kLog.info("package removed", {{"package", name.full()}});
    collect_();
    return http::Response::no_content();
}

PackagesApi::Answer PackagesApi::upload_path(const http::Request& request) {
    WEFT_TRY(const auto parts, parts_of(request));
    const std::string_view path = parts.path ? parts.path->content : "";
    WEFT_TRY_VOID(check_path(path));
    if (!parts.data)
        return bad_request("Function Package is not provided ", path,
                           " (data = nothing: send the file as the part data)");
    if (path.empty())
        return bad_request(
            "Function Package is not provided (path = nothing: send as the part path what it is "
            "to be called)");
    NamedPackage named;
    named.file_name = file_name_of(*parts.data);
    named.create_time_ms = named.modification_time_ms = wall_clock_ms();
    std::optional<PackageName> package;
    if (package::is_package_url(path)) {
        WEFT_TRY(package, package::parse_package_name(path));
    }
    const auto kept = keep(packages_, parts.data->content, std::move(named), [&](NamedPackage made) {
        return package ? packages_.names->add(package->full(), std::move(made))
                       : packages_.names->set(str_cat(kPathScheme, path), std::move(made));
    });
    collect_();  // what stood at that path before, or what has no name now
    WEFT_TRY_VOID(kept);
    kLog.info("package uploaded", {{"package", path}, {"digest", *kept}});
    return http::Response::no_content();
}

PackagesApi::Answer PackagesApi::download_path(const http::Request& request) {
    const auto given = request.query.find("path");
    if (given == request.query.end() || given->second.empty())
        return bad_request("path is not provided: say what to download with ?path=");
    const std::string& path = given->second;
    WEFT_TRY_VOID(check_path(path));
    if (path.starts_with(kPackageScheme))
        return package_answer(packages_, path.substr(kPackageScheme.size()));
    for (const std::string_view scheme : {"http:", "https:", "file:"}) {
        if (!path.starts_with(scheme)) continue;
        return bad_request("Invalid package url: ", path, ": Weft gives only what was uploaded to it");
    }
    std::string name = str_cat(kPathScheme, path);
    if (package::is_package_url(path)) {
        WEFT_TRY(const auto package, package::parse_package_name(path));
        name = package.full();
    }
    const auto found = packages_.names->find(name);
    if (!found) return fail(ErrorCode::not_found, "Package '", path, "' does not exist (upload it first)");
    return package_answer(packages_, found->digest);
}

Result<http::Response> package_answer(const package::Packages& packages, std::string_view digest) {
    WEFT_TRY(std::string bytes, packages.store->read(digest));
    return http::Response{200, "application/octet-stream", std::move(bytes), {}};
}

}  // namespace weft::worker
