#pragma once
// From the words of a command line to the command that they mean, and the help of groups.

#include "command.h"

namespace weft::app {

/// Runs what the words ask for; gives the exit code.
int dispatch(const Face& face, Words words);

/// `weft --help`, `weft functions --help`, `weft functions create --help`.
std::string help_of(const Face& face);
std::string help_of(const Face& face, const Group& group);
std::string help_of(const Face& face, const Group& group, const Entry& entry);

}  // namespace weft::app
