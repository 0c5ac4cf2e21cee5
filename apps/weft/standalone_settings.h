#pragma once
// standalone.conf or broker.conf, functions_worker.yml, the environment and the command line, as what a
// standalone is started with.

#include <filesystem>
#include <optional>

#include "broker/broker.h"
#include "config/options.h"
#include "standalone_security.h"
#include "store/store.h"
#include "worker/worker.h"

namespace weft::app {

struct StandaloneStart {
    std::filesystem::path data_dir;
    store::Durability durability = store::Durability::sync;
    broker::BrokerOptions broker;
    StandaloneSecurity security;
    std::optional<std::uint16_t> web_port = 0;    // none: there is no plain port
    http::ServerOptions http = {.threads = 16};   // but for addresses and ports
    std::optional<worker::WorkerOptions> worker;  // none: the broker alone
};

/// Fails with all that is refused; says once what has no effect. Options stand over the files.
Result<StandaloneStart> standalone_start_of(const config::Arguments& arguments);

}  // namespace weft::app
