#pragma once
// The command lines of instances that are programs of Pulsar's own SDKs: what its worker calls them with.
// Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// Where the instance listens.
struct InstancePorts {
    std::uint16_t control = 0;  // InstanceControl
    std::uint16_t metrics = 0;
};

/// An instance that has heard no health check for three times this long ends by itself.
inline constexpr Duration kHealthCheckExpected = 30s;

/// The program and its arguments. `not_supported` for a language whose functions are no such programs.
Result<std::vector<std::string>> program_command(const InstanceSpec& spec, InstancePorts ports);

/// What the program reads on its standard input: a Java function's secrets, which its command line only names
/// (kSecretsClass reads them). How many there are, then names and secrets in turn, in UTF-8, each behind its
/// length; numbers have four bytes, the highest first. Empty: it reads nothing.
Result<std::string> program_input(const InstanceSpec& spec);

/// Text at blanks that do not stand within double quotes (runtimeFlags); the quotes stay.
std::vector<std::string> split_flags(std::string_view text);

}  // namespace weft::runtime
