#pragma once
// A message as pulsar-client shows it.

#include <string>

#include "config/options.h"
#include "pulsar/client.h"

namespace weft::app {

/// Lines with the message; `arguments` have the flags --hex and --print-metadata.
std::string text_of(const pulsar::Message& message, const config::Arguments& arguments);

}  // namespace weft::app
