#pragma once
// How many requests and connections a REST port takes, from either of Pulsar's configuration files.

#include "config/settings.h"
#include "http/server.h"

namespace weft::app {

/// What isn't given stays as it is in `into`. Fails with the key, the value and the cure.
Result<> take_http_limits(const config::SettingsView& settings, http::ServerOptions& into);

}  // namespace weft::app
