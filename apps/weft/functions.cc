// weft functions: what `pulsar-admin functions` does, over the same REST.

#include <filesystem>

#include "admin_command.h"
#include "commands.h"
#include "function_config.h"
#include "progress_line.h"

namespace weft::app {

namespace {

using config::Type;

constexpr config::Option kNameOptions[] = {
    {.names = "--fqfn", .value = "fqfn", .help = "The Fully Qualified Function Name (FQFN) for the function"},
    {.names = "--name", .value = "functionName", .help = "The name of a Pulsar Function"},
    {.names = "--namespace", .value = "namespace", .help = "The namespace of a Pulsar Function"},
    {.names = "--tenant", .value = "tenant", .help = "The tenant of a Pulsar Function"},
};
constexpr config::Option kInstanceOptions[] = {
    kNameOptions[0],
    {.names = "--instance-id",
     .value = "instanceId",
     .help = "The function instanceId (of all instances if instance-id is not provided)",
     .type = Type::integer},
    kNameOptions[1],
    kNameOptions[2],
    kNameOptions[3],
};
constexpr config::Option kUploadOptions[] = {
    {.names = "--path",
     .value = "path",
     .help = "Path or functionPkgUrl where the contents need to be stored",
     .times = config::Times::required},
    {.names = "--source-file", .value = "sourceFile", .help = "The file whose contents need to be uploaded"},
};
constexpr config::Option kDownloadOptions[] = {
    {.names = "--destination-file",
     .value = "destinationFile",
     .help = "The file to store downloaded content"},
    kNameOptions[0],
    kNameOptions[1],
    kNameOptions[2],
    {.names = "--path",
     .value = "path",
     .help = "What functions upload stored, or a package (function://tenant/namespace/name@version), instead "
             "of a "
             "function's"},
    kNameOptions[3],
    {.names = "--transform-function", .help = "Download the transform Function of the connector"},
};
constexpr config::Option kTriggerOptions[] = {
    kNameOptions[0],
    kNameOptions[1],
    kNameOptions[2],
    kNameOptions[3],
    {.names = "--topic",
     .value = "topic",
     .help = "The specific topic name that the function consumes from that you want to inject the data to"},
    {.names = "--trigger-file",
     .value = "file",
     .help = "The path to the file that contains the data with which you want to trigger the function"},
    {.names = "--trigger-value",
     .value = "value",
     .help = "The value with which you want to trigger the function"},
};
constexpr config::Option kListOptions[] = {kNameOptions[2], kNameOptions[3]};

std::string path_of(const FunctionPlace& place) {
    return str_cat("/admin/v3/functions/", http::url_encode(place.tenant), '/', http::url_encode(place.ns),
                   '/', http::url_encode(place.name));
}

// Each gives what to print; the usage is wrong where it says so.
struct Outcome {
    Result<std::string> text;
    bool usage = false;
    Show show = Show::text;  // for an answer of the REST: how it is printed
};
Outcome wrong_usage(Error error) { return {std::unexpected(std::move(error)), true}; }

// What the REST answers is of no interest to whom it may print for: only that it was done.
Result<std::string> done(Result<std::string> answer, std::string_view text) {
    if (answer) *answer = text;
    return answer;
}

Outcome upload(Purpose purpose, const AdminClient& admin, const config::Arguments& arguments) {
    auto request = function_request_of(arguments, purpose);
    if (!request) return wrong_usage(std::move(request).error());
    http::MultipartBuilder body;
    body.add("functionConfig", "application/json", request->config_json);
    if (!request->package_path.empty()) {
        auto package = read_file(request->package_path);
        if (!package) return wrong_usage(std::move(package).error().context("the function's package"));
        const std::string file_name = std::filesystem::path(request->package_path).filename();
        body.add("data", "application/octet-stream", *package, file_name);
    }
    if (request->updates_auth_data)
        body.add("updateOptions", "application/json", R"({"updateAuthData":true})");
    if (!request->package_url.empty()) body.add("url", "text/plain", request->package_url);
    const std::string path = path_of({request->tenant, request->ns, request->name});
    http::ClientRequest sent{.method = purpose == Purpose::create ? "POST" : "PUT", .url = {}};
    sent.headers["Content-Type"] = body.content_type();
    sent.body = body.finish();
    auto response = admin.exchange(std::move(sent), path);
    if (!response) return {std::unexpected(response.error())};
    const std::string digest = response->headers["weft-package-digest"];
    auto answer = body_of(std::move(*response), path);
    if (answer && purpose == Purpose::update && !digest.empty())
        print_error(str_cat("package ", digest));  // aside: standard output is pulsar-admin's
    return {done(std::move(answer),
                 purpose == Purpose::create ? "Created successfully" : "Updated successfully")};
}
Outcome create(const AdminClient& admin, const config::Arguments& arguments) {
    return upload(Purpose::create, admin, arguments);
}
Outcome update(const AdminClient& admin, const config::Arguments& arguments) {
    return upload(Purpose::update, admin, arguments);
}

// Starts, stops or restarts all instances of a function, or one.
Outcome operate(std::string_view what, std::string_view text, const AdminClient& admin,
                const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    std::string path = path_of(*place);
    if (arguments.has("--instance-id")) str_append(path, '/', arguments.integer("--instance-id"));
    return {done(admin.ask("POST", str_cat(path, '/', what)), text)};
}
Outcome start(const AdminClient& admin, const config::Arguments& arguments) {
    return operate("start", "Started successfully", admin, arguments);
}
Outcome stop(const AdminClient& admin, const config::Arguments& arguments) {
    return operate("stop", "Stopped successfully", admin, arguments);
}
Outcome restart(const AdminClient& admin, const config::Arguments& arguments) {
    return operate("restart", "Restarted successfully", admin, arguments);
}

Outcome remove(const AdminClient& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    return {done(admin.ask("DELETE", path_of(*place)), "Deleted successfully")};
}

Outcome get(const AdminClient& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    const auto answer = admin.ask("GET", path_of(*place));
    return {answer, false, Show::gson};
}

Outcome list(const AdminClient& admin, const config::Arguments& arguments) {
    const std::string path =
        str_cat("/admin/v3/functions/", http::url_encode(arguments.value("--tenant").value_or("public")), '/',
                http::url_encode(arguments.value("--namespace").value_or("default")));
    return {admin.ask("GET", path), false, Show::lines};
}

Outcome look_at(std::string_view what, const AdminClient& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    std::string path = path_of(*place);
    if (arguments.has("--instance-id")) str_append(path, '/', arguments.integer("--instance-id"));
    const auto answer = admin.ask("GET", str_cat(path, '/', what));
    return {answer, false, Show::value};
}
Outcome status(const AdminClient& admin, const config::Arguments& arguments) {
    return look_at("status", admin, arguments);
}
Outcome stats(const AdminClient& admin, const config::Arguments& arguments) {
    return look_at("stats", admin, arguments);
}

Outcome upload_file(const AdminClient& admin, const config::Arguments& arguments) {
    const std::string file = arguments.text("--source-file");
    if (file.empty())
        return wrong_usage({ErrorCode::invalid_argument, "--source-file needs to be specified"});
    const auto content = read_file(file);
    if (!content) return {content};
    http::MultipartBuilder body;
    body.add("data", "application/octet-stream", *content, std::filesystem::path(file).filename().string());
    body.add("path", "text/plain", arguments.text("--path"));
    ProgressLine progress;
    progress.show(str_cat("sending ", content->size(), " bytes"));
    return {done(admin.send_multipart("POST", "/admin/v3/functions/upload", std::move(body)),
                 "Uploaded successfully")};
}

Outcome download_file(const AdminClient& admin, const config::Arguments& arguments) {
    const std::string file = arguments.text("--destination-file");
    std::string path =
        str_cat("/admin/v3/functions/download?path=", http::url_encode(arguments.text("--path")));
    if (!arguments.has("--path")) {
        const auto place = function_place_of(arguments);
        if (!place) return wrong_usage(place.error());
        path = str_cat(path_of(*place), "/download?transform-function=",
                       arguments.is_set("--transform-function") ? "true" : "false");
    }
    if (file.empty())
        return wrong_usage({ErrorCode::invalid_argument, "--destination-file needs to be specified"});
    ProgressLine progress;
    progress.show("receiving");
    auto content = admin.ask("GET", path);
    if (content) {
        const auto written = write_file(file, *content);
        if (!written) return {std::unexpected(written.error())};
    }
    return {done(std::move(content), "Downloaded successfully")};
}

Outcome trigger(const AdminClient& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    const auto value = arguments.value("--trigger-value"), file = arguments.value("--trigger-file");
    http::MultipartBuilder body;
    if (value) {
        body.add("data", "text/plain", *value);
    } else if (file) {
        const auto content = read_file(*file);
        if (!content) return {content};
        body.add("dataStream", "application/octet-stream", *content,
                 std::filesystem::path(*file).filename().string());
    } else {
        return wrong_usage({ErrorCode::invalid_argument,
                            "Either a trigger value or a trigger filepath needs to be specified"});
    }
    if (const auto topic = arguments.value("--topic")) body.add("topic", "text/plain", *topic);
    return {admin.send_multipart("POST", str_cat(path_of(*place), "/trigger"), std::move(body))};
}

template <Outcome (*kAct)(const AdminClient&, const config::Arguments&)>
int run(const Call& call) {
    const Outcome outcome = kAct(AdminClient(call), call.arguments);
    if (outcome.usage) return call.wrong_use(outcome.text.error().message);
    if (!outcome.text) return print_failure(outcome.text.error());
    if (outcome.show != Show::text) return print_answer(call, *outcome.text, outcome.show);
    if (!outcome.text->empty()) print(*outcome.text);
    return kDone;
}

}  // namespace

const Group& functions_group() {
    static const Entry kEntries[] = {
        {.word = "create",
         .summary = "Create a Pulsar Function in cluster mode (deploy it on a Pulsar cluster)",
         .options = function_options(Purpose::create),
         .run = run<create>},
        {.word = "delete",
         .summary = "Delete a Pulsar Function that is running on a Pulsar cluster",
         .options = kNameOptions,
         .run = run<remove>},
        {.word = "update",
         .summary = "Update a Pulsar Function that has been deployed to a Pulsar cluster",
         .options = function_options(Purpose::update),
         .run = run<update>},
        {.word = "get",
         .summary = "Fetch information about a Pulsar Function",
         .options = kNameOptions,
         .takes = Takes::shown,
         .run = run<get>},
        {.word = "restart",
         .summary = "Restart function instance",
         .options = kInstanceOptions,
         .run = run<restart>},
        {.word = "stop", .summary = "Stops function instance", .options = kInstanceOptions, .run = run<stop>},
        {.word = "start",
         .summary = "Starts a stopped function instance",
         .options = kInstanceOptions,
         .run = run<start>},
        {.word = "status",
         .alias = "getstatus",
         .summary = "Check the current status of a Pulsar Function",
         .options = kInstanceOptions,
         .takes = Takes::shown,
         .run = run<status>},
        {.word = "stats",
         .summary = "Get the current stats of a Pulsar Function",
         .options = kInstanceOptions,
         .takes = Takes::shown,
         .run = run<stats>},
        {.word = "trigger",
         .summary = "Trigger the specified Pulsar Function with a supplied value",
         .options = kTriggerOptions,
         .run = run<trigger>},
        {.word = "list",
         .summary = "List all Pulsar Functions running under a specific tenant and namespace",
         .options = kListOptions,
         .takes = Takes::shown,
         .run = run<list>},
        {.word = "upload",
         .summary = "Upload File Data to Pulsar",
         .options = kUploadOptions,
         .run = run<upload_file>},
        {.word = "download",
         .summary = "Download File Data from Pulsar",
         .options = kDownloadOptions,
         .run = run<download_file>},
        // Known to pulsar-admin, not served yet; the cure for each.
        {.word = "localrun", .unsupported = "use weft standalone and weft functions create"},
        {.word = "querystate", .unsupported = "there is no state yet"},
        {.word = "putstate", .unsupported = "there is no state yet"},
        {.word = "reload", .unsupported = "there are no built-in functions yet"},
        {.word = "available-functions", .unsupported = "there are no built-in functions yet"},
    };
    static const Group kGroup{
        .word = "functions",
        .summary =
            "Interface for managing Pulsar Functions (lightweight, Lambda-style compute processes that work "
            "with "
            "Pulsar)",
        .entries = kEntries,
        .examples =
            "  weft functions create --py exclaim.py --classname exclaim.Exclaim --inputs in --output out\n"
            "  weft functions status --name Exclaim\n"
            "  weft functions delete --name Exclaim\n",
        .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
