// Which path is answered by what.

#include "worker/functions_api.h"

namespace weft::worker {
namespace {

constexpr std::string_view kNotInitialized =
    "Function worker service is not done initializing. Please try again in a little while.";
constexpr std::string_view kFunctions = "/admin/v3/functions";
constexpr std::string_view kFunction = "/admin/v3/functions/{tenant}/{namespace}/{name}";
constexpr std::string_view kInstance = "/admin/v3/functions/{tenant}/{namespace}/{name}/{instanceId}";

using Api = std::function<FunctionsApi*()>;
using Method = FunctionsApi::Answer (FunctionsApi::*)(const http::Request&);

/// Answers by a method of the API once the worker is initialized.
http::Handler by(const Api& api, Method method) {
    return [api, method](const http::Request& request) {
        FunctionsApi* const ready = api();
        if (!ready || !ready->wait_until_initialized()) return http::Response::error(503, kNotInitialized);
        auto answer = (ready->*method)(request);
        return answer ? std::move(*answer) : http::Response::error(answer.error());
    };
}

http::Handler always(http::Response response) {
    return [response = std::move(response)](const http::Request&) { return response; };
}

http::Handler refuse(std::string what) {
    return always(http::Response::error(501, what + " not supported by Weft yet"));
}

void refuse_everything(http::Router& router, std::string_view pattern, const std::string& what) {
    for (const auto method : {"GET", "POST", "PUT", "DELETE"}) router.add(method, pattern, refuse(what));
}

void add_functions(http::Router& router, const Api& api) {
    router.add("POST", kFunction, by(api, &FunctionsApi::create));
    router.add("PUT", kFunction, by(api, &FunctionsApi::update));
    router.add("DELETE", kFunction, by(api, &FunctionsApi::remove));
    router.add("GET", kFunction, by(api, &FunctionsApi::get));
    router.add("GET", str_cat(kFunctions, "/{tenant}/{namespace}"), by(api, &FunctionsApi::list));
    router.add("GET", str_cat(kFunction, "/status"), by(api, &FunctionsApi::status));
    router.add("GET", str_cat(kInstance, "/status"), by(api, &FunctionsApi::instance_status));
    router.add("GET", str_cat(kFunction, "/stats"), by(api, &FunctionsApi::stats));
    router.add("GET", str_cat(kInstance, "/stats"), by(api, &FunctionsApi::instance_stats));
    for (const auto whose : {kFunction, kInstance}) {
        router.add("POST", str_cat(whose, "/start"), by(api, &FunctionsApi::start));
        router.add("POST", str_cat(whose, "/stop"), by(api, &FunctionsApi::stop));
        router.add("POST", str_cat(whose, "/restart"), by(api, &FunctionsApi::restart));
    }
    const auto none = http::Response::json("[]");
    router.add("GET", str_cat(kFunctions, "/connectors"), always(none));
    router.add("GET", str_cat(kFunctions, "/builtins"), always(none));
    router.add("POST", str_cat(kFunctions, "/builtins/reload"), refuse("Built-in functions are"));
    router.add("POST", str_cat(kFunction, "/trigger"), by(api, &FunctionsApi::trigger));
    router.add("GET", str_cat(kFunction, "/state/{key}"), refuse("Function state is"));
    router.add("POST", str_cat(kFunction, "/state/{key}"), refuse("Function state is"));
    router.add("GET", str_cat(kFunction, "/download"), by(api, &FunctionsApi::download));
    router.add("PUT", str_cat(kFunctions, "/leader/{rest...}"), refuse("Writing through another worker is"));
}

void add_connectors(http::Router& router) {
    const auto none = http::Response::json("[]");
    for (const std::string what : {"source", "sink"}) {
        const std::string text = what == "source" ? "Sources are" : "Sinks are";
        for (const auto& path : {str_cat("/admin/v3/", what, "s"), str_cat("/admin/v3/", what)}) {
            router.add("GET", str_cat(path, "/{tenant}/{namespace}"), always(none));
            router.add("GET", str_cat(path, "/builtin", what, "s"), always(none));
            refuse_everything(router, str_cat(path, "/{rest...}"), text);
        }
    }
}

void add_worker(http::Router& router, const Api& api) {
    const auto too_few = http::Response::error(400, "Too few workers (need at least 2)");
    for (const std::string prefix : {"/admin/v2", "/admin"}) {
        const std::string worker = prefix + "/worker";
        router.add("GET", worker + "/cluster", by(api, &FunctionsApi::cluster));
        router.add("GET", worker + "/cluster/leader", by(api, &FunctionsApi::leader));
        router.add("GET", worker + "/cluster/leader/ready", by(api, &FunctionsApi::leader_ready));
        router.add("GET", worker + "/assignments", by(api, &FunctionsApi::assignments));
        router.add("GET", worker + "/connectors", always(http::Response::json("[]")));
        for (const auto path : {"/rebalance", "/drain", "/leader/drain"})
            router.add("PUT", worker + path, always(too_few));
        router.add("GET", prefix + "/worker-stats/metrics", always(http::Response::json("[]")));
        router.add("GET", prefix + "/worker-stats/functionsmetrics",
                   by(api, &FunctionsApi::functions_metrics));
        refuse_everything(router, prefix + "/functions/{rest...}", "Version 2 of the functions REST API is");
    }
}

/// Served once the worker has read its topics: before that it doesn't know which packages are used.
void add_packages(http::Router& router, const Api& api) {
    using PackagesMethod = PackagesApi::Answer (PackagesApi::*)(const http::Request&);
    const auto by_packages = [&api](PackagesMethod method) -> http::Handler {
        return [api, method](const http::Request& request) {
            FunctionsApi* const ready = api();
            if (!ready || !ready->wait_until_initialized())
                return http::Response::error(503, kNotInitialized);
            auto answer = (ready->packages().*method)(request);
            return answer ? std::move(*answer) : http::Response::error(answer.error());
        };
    };
    const std::string place = "/admin/v3/packages/{type}/{tenant}/{namespace}";
    const std::string package = place + "/{name}", version = package + "/{version}";
    router.add("GET", place, by_packages(&PackagesApi::list));
    router.add("GET", package, by_packages(&PackagesApi::list_versions));
    router.add("GET", version, by_packages(&PackagesApi::download));
    router.add("POST", version, by_packages(&PackagesApi::upload));
    router.add("DELETE", version, by_packages(&PackagesApi::remove));
    router.add("GET", version + "/metadata", by_packages(&PackagesApi::get_metadata));
    router.add("PUT", version + "/metadata", by_packages(&PackagesApi::update_metadata));
    router.add("POST", str_cat(kFunctions, "/upload"), by_packages(&PackagesApi::upload_path));
    router.add("GET", str_cat(kFunctions, "/download"), by_packages(&PackagesApi::download_path));
}

}  // namespace

void add_function_routes(http::Router& router, std::function<FunctionsApi*()> api) {
    add_functions(router, api);
    add_packages(router, api);
    add_connectors(router);
    add_worker(router, api);
    router.add("GET", "/initialized", [api](const http::Request&) {
        FunctionsApi* const ready = api();
        return ready && ready->initialized() ? http::Response::json("true") : http::Response{503, "", "", {}};
    });
    router.add("GET", "/version", always(http::Response::json(R"({"version":")" WEFT_VERSION R"("})")));
}

}  // namespace weft::worker
