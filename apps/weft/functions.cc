// weft functions: what `pulsar-admin functions` does, over the same REST.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "admin_client.h"
#include "commands.h"
#include "function_config.h"
#include "json_text.h"

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
constexpr config::Option kListOptions[] = {kNameOptions[2], kNameOptions[3]};

std::string path_of(const FunctionPlace& place) {
    return str_cat("/admin/v3/functions/", http::url_encode(place.tenant), '/', http::url_encode(place.ns),
                   '/', http::url_encode(place.name));
}

// Each gives what to print; the usage is wrong where it says so.
struct Outcome {
    Result<std::string> text;
    bool usage = false;
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
    const std::string path = path_of({request->tenant, request->ns, request->name});
    if (purpose == Purpose::create)
        return {done(admin.send_multipart("POST", path, std::move(body)), "Created successfully")};
    return {done(admin.send_multipart("PUT", path, std::move(body)), "Updated successfully")};
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
    return {answer ? laid_out(*answer, JsonStyle::gson) : answer};
}

Outcome list(const AdminClient& admin, const config::Arguments& arguments) {
    const std::string path =
        str_cat("/admin/v3/functions/", http::url_encode(arguments.value("--tenant").value_or("public")), '/',
                http::url_encode(arguments.value("--namespace").value_or("default")));
    const auto answer = admin.ask("GET", path);
    if (!answer) return {answer};
    const auto names = nlohmann::json::parse(*answer, nullptr, false);
    if (!names.is_array())
        return {fail(ErrorCode::corrupt, "the answer is not a list: ", answer->substr(0, 200))};
    std::string out;
    for (const auto& name : names)
        str_append(out, out.empty() ? "" : "\n", name.is_string() ? name.get<std::string>() : name.dump());
    return {out};
}

Outcome look_at(std::string_view what, const AdminClient& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    std::string path = path_of(*place);
    if (arguments.has("--instance-id")) str_append(path, '/', arguments.integer("--instance-id"));
    const auto answer = admin.ask("GET", str_cat(path, '/', what));
    return {answer ? laid_out(*answer, JsonStyle::jackson) : answer};
}
Outcome status(const AdminClient& admin, const config::Arguments& arguments) {
    return look_at("status", admin, arguments);
}
Outcome stats(const AdminClient& admin, const config::Arguments& arguments) {
    return look_at("stats", admin, arguments);
}

template <Outcome (*kAct)(const AdminClient&, const config::Arguments&)>
int run(const Call& call) {
    const Outcome outcome = kAct(AdminClient(call), call.arguments);
    if (outcome.usage) return call.wrong_use(outcome.text.error().message);
    if (!outcome.text) return print_failure(outcome.text.error());
    if (!outcome.text->empty()) print(*outcome.text);
    return kDone;
}

}  // namespace

const Group& functions_group() {
    static const Entry kEntries[] = {
        {.word = "create",
         .summary = "Create a Pulsar Function in cluster mode (deploy it on a Pulsar cluster)",
         .options = function_options(),
         .run = run<create>},
        {.word = "delete",
         .summary = "Delete a Pulsar Function that is running on a Pulsar cluster",
         .options = kNameOptions,
         .run = run<remove>},
        {.word = "update",
         .summary = "Update a Pulsar Function that has been deployed to a Pulsar cluster",
         .options = function_options(),
         .run = run<update>},
        {.word = "get",
         .summary = "Fetch information about a Pulsar Function",
         .options = kNameOptions,
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
         .run = run<status>},
        {.word = "stats",
         .summary = "Get the current stats of a Pulsar Function",
         .options = kInstanceOptions,
         .run = run<stats>},
        {.word = "list",
         .summary = "List all Pulsar Functions running under a specific tenant and namespace",
         .options = kListOptions,
         .run = run<list>},
        // Known to pulsar-admin, not served yet; the cure for each.
        {.word = "localrun", .unsupported = "use weft standalone and weft functions create"},
        {.word = "querystate", .unsupported = "there is no state yet"},
        {.word = "putstate", .unsupported = "there is no state yet"},
        {.word = "trigger", .unsupported = "use weft produce on the input topic"},
        {.word = "upload", .unsupported = "give the file to functions create"},
        {.word = "download", .unsupported = "keep the file that was given to functions create"},
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
