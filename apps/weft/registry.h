#pragma once
// All commands of the program.

#include "command.h"

namespace weft::app {

const Face& weft_face();

}  // namespace weft::app
