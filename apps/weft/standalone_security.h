#pragma once
// TLS, authentication and authorization of a standalone, from standalone.conf or broker.conf.

#include <cstdint>
#include <memory>
#include <optional>

#include "broker/broker.h"
#include "config/settings.h"
#include "security/client_security.h"
#include "security/tls.h"

namespace weft::app {

struct StandaloneSecurity {
    std::shared_ptr<security::TlsServer> tls, web_tls;  // of the broker and the REST; null: no port speaks it
    std::optional<std::uint16_t> broker_port_tls, web_port_tls;
    broker::AccessOptions access;
    security::ClientSettings own;  // who the standalone's worker is
    bool own_over_tls = false;     // also where there is a plain port
    bool certificates_required = false;
};

/// Fails with the key, the value and the cure.
Result<StandaloneSecurity> standalone_security_of(const config::SettingsView& settings);

}  // namespace weft::app
