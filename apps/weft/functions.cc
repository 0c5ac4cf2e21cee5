// weft functions: what `pulsar-admin functions` does, over the same REST.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "commands.h"
#include "function_config.h"
#include "http/client.h"
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

constexpr auto kStartTime = 10s;

// The REST of one worker.
class Admin {
  public:
    Admin(const Globals& globals, const config::Arguments& arguments)
        : base_(globals.value(arguments, "--admin-url")), deadline_(Deadline::never()) {
        while (base_.ends_with('/')) base_.pop_back();
        std::int64_t seconds = globals.arguments.integer("--request-timeout");
        if (arguments.has("--request-timeout")) seconds = arguments.integer("--request-timeout");
        if (seconds > 0 && seconds < 1'000'000) deadline_ = Deadline::after(std::chrono::seconds(seconds));
    }

    Result<std::string> ask(std::string_view method, std::string_view path) const {
        return send({.method = std::string(method), .url = url_of(path)});
    }
    Result<std::string> send_multipart(std::string_view method, std::string_view path,
                                       http::MultipartBuilder body) const {
        http::ClientRequest request{.method = std::string(method), .url = url_of(path)};
        request.headers["Content-Type"] = body.content_type();
        request.body = body.finish();
        return send(request);
    }

  private:
    std::string url_of(std::string_view path) const { return str_cat(base_, "/admin/v3/functions/", path); }

    // A worker that has just been started answers 503 until it has read its topics: waits for it a little.
    Result<http::ClientResponse> fetch_patiently(const http::ClientRequest& request) const {
        const Deadline patience = deadline_.at_most(kStartTime);
        for (Duration pause = 20ms;; pause = std::min<Duration>(2 * pause, 500ms)) {
            WEFT_TRY(auto response, http::fetch(request, deadline_));
            if (response.status != 503 || patience.left() < pause) return response;
            std::this_thread::sleep_until(steady_now() + pause);
        }
    }

    Result<std::string> send(const http::ClientRequest& request) const {
        WEFT_TRY(auto response, fetch_patiently(request));
        if (response.status / 100 == 2) return std::move(response.body);
        const auto body = nlohmann::json::parse(response.body, nullptr, false);
        if (body.is_object() && body.contains("reason") && body["reason"].is_string())
            return fail(ErrorCode::internal, body["reason"].get<std::string>());
        return fail(ErrorCode::internal, "HTTP ", response.status, " from ", request.url, ": ",
                    response.body.substr(0, 500));
    }

    std::string base_;
    Deadline deadline_;
};

std::string path_of(const FunctionPlace& place) {
    return str_cat(http::url_encode(place.tenant), '/', http::url_encode(place.ns), '/',
                   http::url_encode(place.name));
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file.is_open() || file.bad()) return fail(ErrorCode::io, "can't read ", path);
    return content;
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

Outcome upload(Purpose purpose, const Admin& admin, const config::Arguments& arguments) {
    auto request = function_request_of(arguments, purpose);
    if (!request) return wrong_usage(std::move(request).error());
    http::MultipartBuilder body;
    body.add("functionConfig", "application/json", request->config_json);
    if (!request->package_path.empty()) {
        const auto package = read_file(request->package_path);
        if (!package) return {package};
        const std::string file_name = std::filesystem::path(request->package_path).filename();
        body.add("data", "application/octet-stream", *package, file_name);
    }
    const std::string path = path_of({request->tenant, request->ns, request->name});
    if (purpose == Purpose::create)
        return {done(admin.send_multipart("POST", path, std::move(body)), "Created successfully")};
    return {done(admin.send_multipart("PUT", path, std::move(body)), "Updated successfully")};
}
Outcome create(const Admin& admin, const config::Arguments& arguments) {
    return upload(Purpose::create, admin, arguments);
}
Outcome update(const Admin& admin, const config::Arguments& arguments) {
    return upload(Purpose::update, admin, arguments);
}

// Starts, stops or restarts all instances of a function, or one.
Outcome operate(std::string_view what, std::string_view text, const Admin& admin,
                const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    std::string path = path_of(*place);
    if (arguments.has("--instance-id")) str_append(path, '/', arguments.integer("--instance-id"));
    return {done(admin.ask("POST", str_cat(path, '/', what)), text)};
}
Outcome start(const Admin& admin, const config::Arguments& arguments) {
    return operate("start", "Started successfully", admin, arguments);
}
Outcome stop(const Admin& admin, const config::Arguments& arguments) {
    return operate("stop", "Stopped successfully", admin, arguments);
}
Outcome restart(const Admin& admin, const config::Arguments& arguments) {
    return operate("restart", "Restarted successfully", admin, arguments);
}

Outcome remove(const Admin& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    return {done(admin.ask("DELETE", path_of(*place)), "Deleted successfully")};
}

Outcome get(const Admin& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    const auto answer = admin.ask("GET", path_of(*place));
    return {answer ? laid_out(*answer, JsonStyle::gson) : answer};
}

Outcome list(const Admin& admin, const config::Arguments& arguments) {
    const std::string place = str_cat(http::url_encode(arguments.value("--tenant").value_or("public")), '/',
                                      http::url_encode(arguments.value("--namespace").value_or("default")));
    const auto answer = admin.ask("GET", place);
    if (!answer) return {answer};
    const auto names = nlohmann::json::parse(*answer, nullptr, false);
    if (!names.is_array())
        return {fail(ErrorCode::corrupt, "the answer is not a list: ", answer->substr(0, 200))};
    std::string out;
    for (const auto& name : names)
        str_append(out, out.empty() ? "" : "\n", name.is_string() ? name.get<std::string>() : name.dump());
    return {out};
}

Outcome look_at(std::string_view what, const Admin& admin, const config::Arguments& arguments) {
    const auto place = function_place_of(arguments);
    if (!place) return wrong_usage(place.error());
    std::string path = path_of(*place);
    if (arguments.has("--instance-id")) str_append(path, '/', arguments.integer("--instance-id"));
    const auto answer = admin.ask("GET", str_cat(path, '/', what));
    return {answer ? laid_out(*answer, JsonStyle::jackson) : answer};
}
Outcome status(const Admin& admin, const config::Arguments& arguments) {
    return look_at("status", admin, arguments);
}
Outcome stats(const Admin& admin, const config::Arguments& arguments) {
    return look_at("stats", admin, arguments);
}

struct Action {
    std::string_view word, alias;
    std::string_view name, summary;
    std::span<const config::Option> options;
    Outcome (*run)(const Admin&, const config::Arguments&);
};

std::span<const Action> actions() {
    static const Action kActions[] = {
        {"create", "", "weft functions create",
         "Create a Pulsar Function in cluster mode (deploy it on a Pulsar cluster)", function_options(),
         create},
        {"delete", "", "weft functions delete",
         "Delete a Pulsar Function that is running on a Pulsar cluster", kNameOptions, remove},
        {"update", "", "weft functions update",
         "Update a Pulsar Function that has been deployed to a Pulsar cluster", function_options(), update},
        {"get", "", "weft functions get", "Fetch information about a Pulsar Function", kNameOptions, get},
        {"restart", "", "weft functions restart", "Restart function instance", kInstanceOptions, restart},
        {"stop", "", "weft functions stop", "Stops function instance", kInstanceOptions, stop},
        {"start", "", "weft functions start", "Starts a stopped function instance", kInstanceOptions, start},
        {"status", "getstatus", "weft functions status", "Check the current status of a Pulsar Function",
         kInstanceOptions, status},
        {"stats", "", "weft functions stats", "Get the current stats of a Pulsar Function", kInstanceOptions,
         stats},
        {"list", "", "weft functions list",
         "List all Pulsar Functions running under a specific tenant and namespace", kListOptions, list},
    };
    return kActions;
}

// Known to pulsar-admin, not served yet; the cure for each.
constexpr std::pair<std::string_view, std::string_view> kNotYet[] = {
    {"localrun", "use weft standalone and weft functions create"},
    {"querystate", "there is no state yet"},
    {"putstate", "there is no state yet"},
    {"trigger", "use weft produce on the input topic"},
    {"upload", "give the file to functions create"},
    {"download", "keep the file that was given to functions create"},
    {"reload", "there are no built-in functions yet"},
    {"available-functions", "there are no built-in functions yet"},
};

void print_help() {
    std::string help =
        "Usage: weft functions COMMAND\nInterface for managing Pulsar Functions (lightweight, Lambda-style "
        "compute processes that work with Pulsar)\nCommands:";
    for (const Action& action : actions()) {
        std::string words = str_cat("\n  ", action.word, action.alias.empty() ? "" : ", ", action.alias);
        words.resize(std::max<std::size_t>(words.size(), 22), ' ');
        str_append(help, words, action.summary);
    }
    print(help);
}

int run_action(const Action& action, const Globals& globals, Words words) {
    const config::Command command{
        .name = action.name, .summary = action.summary, .options = action.options, .global = kGlobalOptions};
    const auto arguments = config::parse(command, words);
    if (!arguments) return print_usage_error(command, arguments.error()), 1;
    if (arguments->help_wanted()) return print(config::help_of(command)), 0;
    const Outcome outcome = action.run(Admin(globals, *arguments), *arguments);
    if (outcome.text) {
        if (!outcome.text->empty()) print(*outcome.text);
        return 0;
    }
    const std::string& message = outcome.text.error().message;
    if (outcome.usage) {
        print_usage_error(command, outcome.text.error());
    } else {
        print_error(str_cat(message, "\n\nReason: ", message));
    }
    return 1;
}

}  // namespace

int run_functions(const Globals& globals, Words words) {
    if (words.empty()) return print_error("Missing required subcommand"), print_help(), 1;
    const std::string& word = words.front();
    if (word == "-h" || word == "--help") return print_help(), 0;
    std::vector<std::string> known;
    for (const Action& action : actions()) {
        if (word == action.word || (!action.alias.empty() && word == action.alias))
            return run_action(action, globals, words.subspan(1));
        known.emplace_back(action.word);
    }
    for (const auto& [name, cure] : kNotYet) {
        if (word == name)
            return print_error(str_cat("functions ", name, " is not supported by Weft yet; ", cure)), 1;
    }
    const auto near = config::nearest(word, known);
    print_error(str_cat("Unmatched argument: '", word, "'",
                        near ? str_cat("\nDid you mean: functions ", *near, "?") : ""));
    return 1;
}

}  // namespace weft::app
