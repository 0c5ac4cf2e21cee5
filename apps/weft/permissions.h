#pragma once
// What `weft namespaces` and `weft topics` have in common: who may do what.

#include <string>

#include "command.h"

namespace weft::app {

inline constexpr config::Option kGrantedRole = {.names = "--role",
                                                .value = "role",
                                                .help = "Client role to which grant permissions",
                                                .times = config::Times::required};
inline constexpr config::Option kRevokedRole = {.names = "--role",
                                                .value = "role",
                                                .help = "Client role to which revoke permissions",
                                                .times = config::Times::required};
inline constexpr config::Option kGrantOptions[] = {
    kGrantedRole,
    {.names = "--actions",
     .value = "actions",
     .help = "Actions to be granted (produce,consume,sources,sinks,functions,packages)",
     .times = config::Times::required}};
inline constexpr config::Option kRevokeOptions[] = {kRevokedRole};

/// What --actions names, as a list in JSON. The error is one of use.
Result<std::string> granted_actions(const Call& call);

}  // namespace weft::app
