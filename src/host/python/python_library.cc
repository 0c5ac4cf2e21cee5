#include "host/python/python_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::host {
namespace {

namespace fs = std::filesystem;
constexpr const char* kLibrary = "libpython3.11.so.1.0";

/// `home` of a virtual environment's pyvenv.cfg: the folder of the interpreter it was made from; else empty.
fs::path home_of_environment(const fs::path& python) {
    std::ifstream config(python.parent_path().parent_path() / "pyvenv.cfg");
    for (std::string line; std::getline(config, line);) {
        const auto equals = line.find('=');
        if (equals == std::string::npos || !line.starts_with("home")) continue;
        const auto begin = line.find_first_not_of(" \t", equals + 1);
        if (begin != std::string::npos) return line.substr(begin);
    }
    return {};
}

}  // namespace

std::string find_interpreter(const std::string& python) {
    if (python.empty() || python.find('/') != std::string::npos) return python;
    const char* path = std::getenv("PATH");
    const std::string_view folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    for (std::size_t begin = 0; begin <= folders.size();) {
        const std::size_t end = std::min(folders.find(':', begin), folders.size());
        const std::string candidate = str_cat(folders.substr(begin, end - begin), "/", python);
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
        begin = end + 1;
    }
    return "";
}

std::vector<PythonLibrary> python_libraries(const std::string& python) {
    std::vector<PythonLibrary> found;
    std::error_code ignored;
    fs::path bin = home_of_environment(python);
    if (bin.empty()) bin = fs::canonical(python, ignored).parent_path();
    if (!bin.empty()) {
        for (const char* folder : {"lib", "lib/x86_64-linux-gnu", "lib64", "lib/aarch64-linux-gnu"}) {
            const fs::path library = bin.parent_path() / folder / kLibrary;
            if (fs::exists(library, ignored)) found.push_back({library.string(), true});
        }
    }
    found.push_back({kLibrary, python.empty()});  // the loader's own search
    return found;
}

std::vector<std::string> python_folders(const std::string& python) {
    const fs::path program = find_interpreter(python);
    std::vector<std::string> found;
    const auto add = [&found](const fs::path& folder) {
        if (folder.has_relative_path()) found.push_back(folder.string());
    };
    std::error_code ignored;
    if (const fs::path home = home_of_environment(program); !home.empty()) {
        add(program.parent_path().parent_path());
        add(fs::canonical(home, ignored).parent_path());
    }
    add(fs::canonical(program, ignored).parent_path().parent_path());
    return found;
}

Result<std::unique_ptr<Host>> make_python_host(const std::string& python) {
    std::string problems;
    for (const PythonLibrary& library : python_libraries(find_interpreter(python))) {
        if (dlopen(library.path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
            str_append(problems, problems.empty() ? "" : "; ", dlerror());
            continue;
        }
        return load_host_plugin(plugin_directory(), "python");
    }
    return fail(ErrorCode::not_supported,
                "Python functions need CPython 3.11's shared library (Debian: libpython3.11): ", problems);
}

}  // namespace weft::host
