#pragma once
// weft read.

#include "command.h"

namespace weft::app {

Entry read_command();

}  // namespace weft::app
