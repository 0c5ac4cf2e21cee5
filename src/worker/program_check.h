#pragma once
// Is an uploaded file a program that Weft can run? Looked at before it is stored, so that the answer comes at
// create.

#include <string_view>

#include "base/result.h"
#include "model/function_config.h"

namespace weft::worker {

/// `invalid_argument` with the cure if the bytes can't be a function of this language on this machine.
Result<> check_program(model::Runtime runtime, std::string_view file_name, std::string_view bytes);

}  // namespace weft::worker
