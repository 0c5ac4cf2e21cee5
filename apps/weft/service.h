#pragma once
// Commands that serve until they are told to end: `weft standalone`, `weft worker`.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "command.h"

namespace weft::worker {
class Worker;
}

namespace weft::app {

/// What serves. Its destructor stops it in order.
class Service {
  public:
    virtual ~Service() = default;
    /// Whether it does what it is there for; asked again until it does.
    virtual bool ready() const { return true; }
    /// "ready URL...", for whoever started us.
    virtual std::string ready_line() const = 0;
};

/// Starts it, says on standard output and to the service manager when it is ready, and stops it at SIGTERM or
/// SIGINT. The exit code.
int serve(const Call& call, const std::function<Result<std::unique_ptr<Service>>()>& start);

/// Drains the functions. Ends the process if threads of functions do not end: they run on in memory that
/// would be taken down.
void stop_worker(worker::Worker& worker);

Result<std::uint16_t> port_of(const config::Arguments& arguments, std::string_view name);
/// What to do about a port that could not be taken.
std::unexpected<Error> listen_error(Error error, std::string_view option, std::uint16_t port);
bool is_loopback(std::string_view bind);
/// Without authentication whoever reaches the ports may do everything, also run code.
void warn_of_strangers(std::string_view bind, std::string_view ports);

inline constexpr config::Option kLogLevelOption = {.names = "--log-level",
                                                   .value = "level",
                                                   .help = "Logs go to standard error.",
                                                   .choices = "debug|info|warn|error|off",
                                                   .fallback = "info"};

}  // namespace weft::app
