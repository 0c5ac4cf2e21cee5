#pragma once
// Finds CPython for the Python host and loads both, in the order they need: libpython for everyone
// (RTLD_GLOBAL, as Python's own extension modules expect), then the plug-in `weft_host_python.so`.

#include <memory>
#include <string>
#include <vector>

#include "host/host.h"

namespace weft::host {

/// Where a Python's library may be, best first, and which standard library goes with it.
struct PythonLibrary {
    std::string path;     // of libpython3.11.so.1.0
    bool belongs = true;  // it is the interpreter's own: its standard library fits too
};

/// The path of an interpreter given by name ("python3"), as PATH has it; a path stays as it is; empty: none
/// found.
std::string find_interpreter(const std::string& python);

/// `python` is the path of an interpreter, maybe a virtual environment's; empty: the system's.
std::vector<PythonLibrary> python_libraries(const std::string& python);

/// The folders of an interpreter: its virtual environment's, and those of the Python behind it. Never "/".
std::vector<std::string> python_folders(const std::string& python);

/// Loads libpython and the plug-in. The host still has to be opened.
Result<std::unique_ptr<Host>> make_python_host(const std::string& python);

}  // namespace weft::host
