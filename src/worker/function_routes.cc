// Which path is answered by what: the rows of the route table.

#include "observe/metrics_page.h"
#include "worker/functions_api.h"
#include "worker/route_table.h"

namespace weft::worker {
namespace {

constexpr std::string_view kNotInitialized =
    "Function worker service is not done initializing. Please try again in a little while.";
constexpr std::string_view kUpload = "data:file! path:text!";
constexpr std::string_view kWhose = "instances";  // `local`: between workers

using Api = std::function<FunctionsApi*()>;
using Method = FunctionsApi::Answer (FunctionsApi::*)(const http::Request&);

/// Answers by `ask(api, request)` once the worker is initialized.
template <class Ask>
http::Handler when_ready(const Api& api, Ask ask) {
    return [api, ask](const http::Request& request) {
        FunctionsApi* const ready = api();
        if (!ready || !ready->wait_until_initialized()) return http::Response::error(503, kNotInitialized);
        auto answer = ask(*ready, request);
        return answer ? std::move(*answer) : http::Response::error(answer.error());
    };
}

http::Handler by(const Api& api, Method method) {
    return when_ready(api, [method](FunctionsApi& ready, const http::Request& request) {
        return (ready.*method)(request);
    });
}

http::Handler by_packages(const Api& api, PackagesApi::Answer (PackagesApi::*method)(const http::Request&)) {
    return when_ready(api, [method](FunctionsApi& ready, const http::Request& request) {
        return (ready.packages().*method)(request);
    });
}

http::Handler always(http::Response response) {
    return [response = std::move(response)](const http::Request&) { return response; };
}
http::Handler empty_list() { return always(http::Response::json("[]")); }

http::Handler refuse(std::string what) {
    return always(http::Response::error(501, what + " not supported by Weft yet"));
}

/// What functions, sources and sinks have in common.
void add_component(RouteTable& table, const Api& api, const std::string& prefix, Rule rule,
                   std::string_view form) {
    const std::string one = prefix + "/{tenant}/{namespace}/{name}", instance = one + "/{instanceId}";
    table.add("POST", one, rule, {.summary = "Register", .form = form, .status = 204},
              by(api, &FunctionsApi::create));
    table.add("PUT", one, rule, {.summary = "Update", .form = form, .status = 204},
              by(api, &FunctionsApi::update));
    table.add("DELETE", one, rule, {.summary = "Stop and forget", .status = 204},
              by(api, &FunctionsApi::remove));
    table.add("GET", one, rule, {.summary = "The configuration"}, by(api, &FunctionsApi::get));
    table.add("GET", prefix + "/{tenant}/{namespace}", rule, {.summary = "The names in a namespace"},
              by(api, &FunctionsApi::list));
    table.add("GET", one + "/status", rule, {.summary = "The status of all instances", .query = kWhose},
              by(api, &FunctionsApi::status));
    table.add("GET", instance + "/status", rule, {.summary = "The status of one instance"},
              by(api, &FunctionsApi::instance_status));
    for (const auto& whose : {one, instance}) {
        table.add("POST", whose + "/start", rule, {.summary = "Start what is stopped", .status = 204},
                  by(api, &FunctionsApi::start));
        table.add("POST", whose + "/stop", rule, {.summary = "Stop, and stay stopped", .status = 204},
                  by(api, &FunctionsApi::stop));
        table.add("POST", whose + "/restart", rule,
                  {.summary = "Stop and start again",
                   .query = whose == one ? kWhose : std::string_view(),
                   .status = 204},
                  by(api, &FunctionsApi::restart));
    }
}

void add_functions(RouteTable& table, const Api& api) {
    const std::string all = "/admin/v3/functions", one = all + "/{tenant}/{namespace}/{name}";
    add_component(table, api, all, Rule::functions,
                  "functionConfig:json! data:file url:text updateOptions:json");
    table.add("GET", one + "/stats", Rule::functions,
              {.summary = "What all instances have counted", .query = kWhose}, by(api, &FunctionsApi::stats));
    table.add("GET", one + "/{instanceId}/stats", Rule::functions,
              {.summary = "What one instance has counted"}, by(api, &FunctionsApi::instance_stats));
    table.add("POST", one + "/trigger", Rule::functions,
              {.summary = "Send one message through the function",
               .form = "data:text dataStream:file topic:text",
               .answer = "text/plain"},
              by(api, &FunctionsApi::trigger));
    table.add("GET", one + "/download", Rule::functions,
              {.summary = "The package", .query = "transform-function", .answer = "application/octet-stream"},
              by(api, &FunctionsApi::download));
    table.add("GET", one + "/state/{key}", Rule::functions, {.summary = "A value of the state"},
              refuse("Function state is"));
    table.add("POST", one + "/state/{key}", Rule::functions,
              {.summary = "Set a value of the state", .form = "state:json!", .status = 204},
              refuse("Function state is"));
    table.add("GET", all + "/connectors", Rule::known, {.summary = "Built-in connectors: none"},
              empty_list());
    table.add("GET", all + "/builtins", Rule::super_user, {.summary = "Built-in functions: none"},
              empty_list());
    table.add("POST", all + "/builtins/reload", Rule::super_user,
              {.summary = "Look for built-in functions again: there are none", .status = 204},
              always(http::Response::no_content()));
    table.add("PUT", all + "/leader/{tenant}/{namespace}/{name}", Rule::super_user,
              {.summary = "Between workers: a write for the leader",
               .form = "functionMetaData:file! delete:text!",
               .status = 204},
              by(api, &FunctionsApi::write_for_other));
    table.add("POST", all + "/upload", Rule::super_user,
              {.summary = "Keep a package", .form = kUpload, .status = 204},
              by_packages(api, &PackagesApi::upload_path));
    table.add(
        "GET", all + "/download", Rule::uploaded,
        {.summary = "A package that was uploaded", .query = "path!", .answer = "application/octet-stream"},
        by_packages(api, &PackagesApi::download_path));
}

void add_connectors(RouteTable& table, const Api& api) {
    for (const std::string what : {"source", "sink"}) {
        for (const auto& prefix : {"/admin/v3/" + what + "s", "/admin/v3/" + what}) {
            add_component(table, api, prefix, what == "source" ? Rule::sources : Rule::sinks,
                          what == "source" ? "sourceConfig:json! data:file url:text updateOptions:json"
                                           : "sinkConfig:json! data:file url:text updateOptions:json");
            const std::string builtin = prefix + "/builtin" + what + "s";
            table.add("GET", builtin, Rule::known, {.summary = "Built-in connectors: none"}, empty_list());
            table.add("GET", builtin + "/{name}/configdefinition", Rule::known,
                      {.summary = "The fields of a built-in connector's configuration"},
                      always(http::Response::error(404, str_cat("builtin ", what, " does not exist"))));
            table.add("POST", prefix + (what == "source" ? "/reloadBuiltInSources" : "/reloadBuiltInSinks"),
                      Rule::super_user,
                      {.summary = "Look for built-in connectors again: there are none", .status = 204},
                      always(http::Response::no_content()));
        }
    }
}

/// Version 2 of the functions REST: every success is 200.
http::Handler legacy(http::Handler handler) {
    return [handler = std::move(handler)](const http::Request& request) {
        auto response = handler(request);
        if (response.status == 204) response.status = 200;
        return response;
    };
}

void add_legacy_functions(RouteTable& table, const Api& api) {
    constexpr std::string_view kForm = "functionDetails:json! data:file url:text";
    for (const std::string prefix : {"/admin/v2/functions", "/admin/functions"}) {
        const std::string one = prefix + "/{tenant}/{namespace}/{name}", instance = one + "/{instanceId}";
        const auto add = [&](std::string_view method, const std::string& pattern, RouteNote note,
                             Method answer) {
            table.add(method, pattern, Rule::functions, note, legacy(by(api, answer)));
        };
        add("POST", one, {.summary = "Register (version 2)", .form = kForm}, &FunctionsApi::create);
        add("PUT", one, {.summary = "Update (version 2)", .form = kForm}, &FunctionsApi::update);
        add("DELETE", one, {.summary = "Stop and forget (version 2)"}, &FunctionsApi::remove);
        add("GET", one, {.summary = "The details (version 2)"}, &FunctionsApi::legacy_get);
        add("GET", prefix + "/{tenant}/{namespace}", {.summary = "The names in a namespace (version 2)"},
            &FunctionsApi::list);
        add("GET", one + "/status", {.summary = "The status of all instances (version 2)"},
            &FunctionsApi::legacy_status);
        add("GET", instance + "/status", {.summary = "The status of one instance (version 2)"},
            &FunctionsApi::legacy_instance_status);
        add("POST", one + "/trigger",
            {.summary = "Send one message through the function (version 2)",
             .form = "data:text dataStream:file topic:text",
             .answer = "text/plain"},
            &FunctionsApi::trigger);
        for (const auto& whose : {one, instance}) {
            add("POST", whose + "/stop", {.summary = "Stop (version 2)"}, &FunctionsApi::stop);
            add("POST", whose + "/restart", {.summary = "Stop and start again (version 2)"},
                &FunctionsApi::restart);
        }
        table.add("GET", one + "/state/{key}", Rule::functions,
                  {.summary = "A value of the state (version 2)"}, refuse("Function state is"));
        table.add("GET", prefix + "/connectors", Rule::known, {.summary = "Built-in connectors: none"},
                  empty_list());
        table.add("POST", prefix + "/upload", Rule::super_user,
                  {.summary = "Keep a package (version 2)", .form = kUpload},
                  legacy(by_packages(api, &PackagesApi::upload_path)));
        table.add("GET", prefix + "/download", Rule::uploaded,
                  {.summary = "A package that was uploaded (version 2)",
                   .query = "path!",
                   .answer = "application/octet-stream"},
                  by_packages(api, &PackagesApi::download_path));
    }
}

void add_worker(RouteTable& table, const Api& api) {
    for (const std::string prefix : {"/admin/v2", "/admin"}) {
        const std::string worker = prefix + "/worker";
        table.add("GET", worker + "/cluster", Rule::super_user, {.summary = "The workers"},
                  by(api, &FunctionsApi::cluster));
        table.add("GET", worker + "/cluster/leader", Rule::super_user, {.summary = "The worker that leads"},
                  by(api, &FunctionsApi::leader));
        table.add("GET", worker + "/cluster/leader/ready", Rule::known,
                  {.summary = "Whether this worker leads and takes writes", .answer = "text/plain"},
                  by(api, &FunctionsApi::leader_ready));
        table.add("GET", worker + "/assignments", Rule::super_user,
                  {.summary = "Which worker has which instances"}, by(api, &FunctionsApi::assignments));
        table.add("GET", worker + "/connectors", Rule::super_user, {.summary = "Built-in connectors: none"},
                  empty_list());
        table.add("PUT", worker + "/rebalance", Rule::super_user,
                  {.summary = "Spread the instances anew", .status = 204}, by(api, &FunctionsApi::rebalance));
        table.add("PUT", worker + "/drain", Rule::super_user,
                  {.summary = "Move all instances off this worker", .status = 204},
                  by(api, &FunctionsApi::drain));
        table.add("PUT", worker + "/leader/drain", Rule::super_user,
                  {.summary = "Move all instances off a worker", .query = "workerId", .status = 204},
                  by(api, &FunctionsApi::drain));
        table.add("PUT", worker + "/let-go", Rule::super_user,
                  {.summary = "Between workers: end an instance that has moved to who asks",
                   .query = "instance!",
                   .status = 204},
                  by(api, &FunctionsApi::let_go));
        table.add("PUT", worker + "/function-credentials", Rule::super_user,
                  {.summary = "Encrypt what is stored of functions' credentials with the newest key"},
                  by(api, &FunctionsApi::encrypt_credentials));
        table.add("GET", worker + "/drain", Rule::super_user,
                  {.summary = "How far the draining of this worker is"},
                  by(api, &FunctionsApi::drain_status));
        table.add("GET", worker + "/leader/drain", Rule::super_user,
                  {.summary = "How far the draining of a worker is", .query = "workerId"},
                  by(api, &FunctionsApi::drain_status));
        table.add("GET", prefix + "/worker-stats/metrics", Rule::super_user,
                  {.summary = "Metrics of the JVM: none"}, empty_list());
        table.add("GET", prefix + "/worker-stats/functionsmetrics", Rule::super_user,
                  {.summary = "What the instances on this worker have counted"},
                  by(api, &FunctionsApi::functions_metrics));
    }
}

/// Served once the worker has read its topics: before that it doesn't know which packages are used.
void add_packages(RouteTable& table, const Api& api) {
    const std::string place = "/admin/v3/packages/{type}/{tenant}/{namespace}";
    const std::string package = place + "/{name}", version = package + "/{version}";
    table.add("GET", place, Rule::packages, {.summary = "The packages of a namespace"},
              by_packages(api, &PackagesApi::list));
    table.add("GET", package, Rule::packages, {.summary = "The versions of a package"},
              by_packages(api, &PackagesApi::list_versions));
    table.add("GET", version, Rule::packages, {.summary = "A package", .answer = "application/octet-stream"},
              by_packages(api, &PackagesApi::download));
    table.add("POST", version, Rule::packages,
              {.summary = "Upload", .form = "metadata:json! file:file!", .status = 204},
              by_packages(api, &PackagesApi::upload));
    table.add("DELETE", version, Rule::packages, {.summary = "Delete", .status = 204},
              by_packages(api, &PackagesApi::remove));
    table.add("GET", version + "/metadata", Rule::packages, {.summary = "What is known of a package"},
              by_packages(api, &PackagesApi::get_metadata));
    table.add("PUT", version + "/metadata", Rule::packages,
              {.summary = "Change what is known of a package", .json_body = true, .status = 204},
              by_packages(api, &PackagesApi::update_metadata));
}

http::Handler guarded(RestGuard* guard, Rule rule, http::Handler handler) {
    if (!guard) return handler;
    return [guard, rule, handler = std::move(handler)](const http::Request& request) {
        auto refused = guard->refusal(rule, request);
        return refused ? std::move(*refused) : handler(request);
    };
}

/// The page of the broker in this process, if there is one, with the worker's behind it.
http::Handler metrics_page(const Api& api, http::Handler of_broker) {
    return [api, of_broker = std::move(of_broker)](const http::Request& request) {
        http::Response page{200, std::string(observe::kMetricsContentType), "", {}};
        if (of_broker) page = of_broker(request);
        FunctionsApi* const ready = api();
        if (ready && page.status == 200) page.body += ready->metrics_text(request.deadline);
        page.content_type = observe::kMetricsContentType;
        return page;
    };
}

void add_root(RouteTable& table, const Api& api, http::Handler broker_metrics) {
    table.add("GET", "/initialized", Rule::page, {.summary = "Whether the worker serves"},
              [api](const http::Request&) {
                  FunctionsApi* const ready = api();
                  return ready && ready->initialized() ? http::Response::json("true")
                                                       : http::Response{503, "", "", {}};
              });
    table.add("GET", "/version", Rule::page, {.summary = "The version of Weft"},
              always(http::Response::json(R"({"version":")" WEFT_VERSION R"("})")));
    table.add("GET", "/metrics", Rule::page, {.summary = "Metrics for Prometheus", .answer = "text/plain"},
              metrics_page(api, std::move(broker_metrics)));
}

}  // namespace

void add_function_routes(http::Router& router, std::function<FunctionsApi*()> api, RestGuard* guard) {
    RouteTable table;
    add_functions(table, api);
    add_packages(table, api);
    add_connectors(table, api);
    add_legacy_functions(table, api);
    add_worker(table, api);
    add_root(table, api, router.take("GET", "/metrics"));
    const auto document = std::make_shared<std::string>();
    table.add("GET", "/admin/openapi.json", Rule::known, {.summary = "This document"},
              [document](const http::Request&) { return http::Response::json(*document); });
    *document = openapi_json(table.rows(), WEFT_VERSION);
    for (const auto& row : table.rows())
        router.add(row.method, row.pattern, guarded(guard, row.rule, row.handler));
}

}  // namespace weft::worker
