#pragma once
// The Pulsar client of the commands produce and consume.

#include "command.h"
#include "observe/log.h"
#include "pulsar/client.h"

namespace weft::app {

inline pulsar::ClientOptions client_options(const Call& call) {
    observe::set_level(observe::Level::warn);  // a command says what it did, not how
    pulsar::ClientOptions options;
    options.service_url = call.value("--service-url");
    options.security = client_settings(call);
    return options;
}

}  // namespace weft::app
