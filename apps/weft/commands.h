#pragma once
// The commands of the `weft` program. Each takes the words behind its name and returns the exit code.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"

namespace weft::app {

using Words = std::span<const std::string>;

/// Where the cluster is; each command takes these options too, and then they win.
inline constexpr config::Option kGlobalOptions[] = {
    {.names = "--admin-url",
     .value = "serviceUrl",
     .help = "Admin Service URL to which to connect.",
     .fallback = "http://localhost:8080"},
    {.names = "--url, --service-url",
     .value = "serviceURL",
     .help = "Broker URL to which to connect.",
     .fallback = "pulsar://localhost:6650"},
    {.names = "--request-timeout",
     .value = "requestTimeout",
     .help = "Request time out in seconds of the admin commands.",
     .type = config::Type::integer,
     .fallback = "300"},
};

/// What stood before the command's name.
struct Globals {
    config::Arguments arguments;

    /// The value in the command's own arguments, else the one before the command's name, else the default.
    std::string value(const config::Arguments& command, std::string_view name) const {
        return command.has(name) ? command.text(name) : arguments.text(name);
    }
};

int run_standalone(Words words);
int run_functions(const Globals& globals, Words words);
int run_produce(const Globals& globals, Words words);
int run_consume(const Globals& globals, Words words);

/// Writes a line to standard output, or standard error.
void print(std::string_view line);
void print_error(std::string_view line);
/// Writes what is wrong with a command line, and where help is.
void print_usage_error(const config::Command& command, const Error& error);

}  // namespace weft::app
