#pragma once
// Who may do what over a worker's REST, from functions_worker.yml.

#include "config/settings.h"
#include "worker/rest_guard.h"

namespace weft::app {

/// Fails with the key, the value and the cure.
Result<worker::RestAccess> worker_access_of(const config::SettingsView& settings);

}  // namespace weft::app
