#include "worker/absent_worker.h"

#include <string>

#include "http/server.h"

namespace weft::worker {

void add_absent_worker_routes(http::Router& router) {
    const auto always = [](int status, std::string_view reason) -> http::Handler {
        return [answer = http::Response::error(status, reason)](const http::Request&) { return answer; };
    };
    const auto absent =
        always(409, "Pulsar Function Worker is not enabled, probably functionsWorkerEnabled is set to false");
    const auto no_packages = always(503, "Package Management Service is not enabled in the broker.");
    for (const auto method : {"GET", "POST", "PUT", "DELETE"}) {
        for (const auto path :
             {"/admin/v3/functions", "/admin/v3/sources", "/admin/v3/source", "/admin/v3/sinks",
              "/admin/v3/sink", "/admin/v2/functions", "/admin/functions", "/admin/v2/worker",
              "/admin/worker", "/admin/v2/worker-stats", "/admin/worker-stats"})
            router.add(method, std::string(path) + "/{rest...}", absent);
        router.add(method, "/admin/v3/packages/{rest...}", no_packages);
    }
}

}  // namespace weft::worker
