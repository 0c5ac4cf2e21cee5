#pragma once
// The manual from the tables of commands: pages for man(1), and docs/command-line.md.

#include <map>
#include <string>

#include "command.h"

namespace weft::app {

/// File name ("weft-topics.1") to text: a page for the program, for each group and each command alone.
std::map<std::string, std::string> manual_pages(const Face& face);
/// All commands in one document.
std::string manual_markdown(const Face& face);

}  // namespace weft::app
