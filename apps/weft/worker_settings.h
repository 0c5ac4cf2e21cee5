#pragma once
// functions_worker.yml, the environment and the command line, as what a worker is started with.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "http/server.h"
#include "security/tls.h"
#include "worker/worker.h"

namespace weft::config {
class Arguments;
}

namespace weft::app {

struct WorkerStart {
    worker::WorkerOptions options;
    std::string service_url = "pulsar://localhost:6650", web_url = "http://localhost:8080";  // the broker's
    std::string bind;
    std::optional<std::uint16_t> port = 6750;  // none: https only
    std::uint16_t port_tls = 6751;
    security::TlsFiles tls_files;                // of tls
    bool tls_required = false;                   // clients must show a certificate
    std::shared_ptr<security::TlsServer> tls{};  // null: no https
    http::ServerOptions http = {.threads = 8};   // but for addresses and ports

    /// That others are told.
    std::uint16_t told_port() const { return tls ? port_tls : port.value_or(0); }
};

/// The file (none: an empty one) with PF_ variables of the environment over it.
Result<config::Settings> read_worker_settings(const std::string& path);
/// Fails with all that is refused. Options of the command line stand over the settings.
Result<WorkerStart> worker_start_of(const config::Settings& settings, const config::Arguments& arguments);

/// The same for the worker of a `weft standalone`: what is the broker's (ports, names, folders) is left as it
/// is.
Result<worker::WorkerOptions> worker_beside_broker(const config::Settings& settings,
                                                   const config::Arguments& arguments);
/// What of the settings is refused, a line each; nothing: all can be used.
Result<> check_refused(config::KeyTable table, const config::Settings& settings);

/// What a worker with this start uses, as functions_worker.yml; where each value comes from behind it.
std::string effective_config(const WorkerStart& start, const config::Settings& settings);
/// Says once what has no effect.
void log_findings(const std::vector<config::Finding>& findings);

}  // namespace weft::app
