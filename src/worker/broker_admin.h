#pragma once
// BrokerAdmin over the broker's admin REST, wherever that is.

#include <memory>
#include <string>

#include "security/client_security.h"
#include "worker/deps.h"

namespace weft::http {
class Router;
}

namespace weft::worker {

/// Asks the handlers of a router in this process, on the caller's thread: no socket, and no thread of the
/// HTTP server is waited for. `security`: its credentials only.
std::unique_ptr<BrokerAdmin> make_in_process_admin(const http::Router& router,
                                                   security::ClientSecurity security);
/// Asks http://host:port, or https.
std::unique_ptr<BrokerAdmin> make_http_admin(std::string web_url, security::ClientSecurity security);

}  // namespace weft::worker
