#pragma once
// The Pulsar client of the commands produce and consume.

#include "commands.h"
#include "observe/log.h"
#include "pulsar/client.h"

namespace weft::app {

inline pulsar::ClientOptions client_options(const Globals& globals, const config::Arguments& arguments) {
    observe::set_level(observe::Level::warn);  // a command says what it did, not how
    pulsar::ClientOptions options;
    options.service_url = globals.value(arguments, "--service-url");
    return options;
}

}  // namespace weft::app
