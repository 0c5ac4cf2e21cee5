#pragma once
// Is an uploaded file a program that Weft can run? Looked at before it is stored, so that the answer comes at
// create.

#include <string_view>

#include "base/result.h"
#include "model/function_config.h"

namespace weft::worker {

/// `invalid_argument` with the cure if the bytes can't be a function of this language on this machine.
/// `class_name`: of a Java function, which must be in the jar.
Result<> check_program(model::Runtime runtime, std::string_view file_name, std::string_view bytes,
                       std::string_view class_name = "");

/// For a program that came without a name.
std::string default_file_name(model::Runtime runtime);

/// The file name of a program that came by a package's name: `uploaded_as` if that says what it is (.py,
/// .zip, .whl, .jar, .so), else made of the package's name and what its bytes look like.
std::string program_file_name(std::string_view package_name, std::string_view uploaded_as,
                              std::string_view bytes);

}  // namespace weft::worker
