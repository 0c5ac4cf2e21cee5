#pragma once
// What a broker without a functions worker answers on the worker's paths.

namespace weft::http {
class Router;
}

namespace weft::worker {

/// 409 with Pulsar's text, and 503 for packages.
void add_absent_worker_routes(http::Router& router);

}  // namespace weft::worker
