#pragma once
// All commands of the program.

#include "command.h"

namespace weft::app {

const Face& weft_face();
/// What the program is when it is called by that name: "pulsar-admin", "pulsar-client", "pulsar", or any
/// other for itself.
const Face& face_called(std::string_view program);

}  // namespace weft::app
