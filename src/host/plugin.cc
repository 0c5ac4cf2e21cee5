// Finds and loads the hosts that are plug-ins.

#include <dlfcn.h>
#include <unistd.h>

#include <cstring>

#include "host/host.h"

namespace weft::host {

std::string plugin_directory() {
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size <= 0 || static_cast<std::size_t>(size) == sizeof path) return "/usr/lib/weft";
    std::string program(path, static_cast<std::size_t>(size));
    for (int up = 0; up < 2; ++up) {
        const auto slash = program.rfind('/');
        program.resize(slash == std::string::npos ? 0 : slash);
    }
    return program + "/lib/weft";
}

Result<std::unique_ptr<Host>> load_host_plugin(const std::string& directory, std::string_view name) {
    const std::string path = str_cat(directory, "/weft_host_", name, ".so");
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return fail(ErrorCode::not_supported, "can't load the ", name, " host, is it installed beside weft? ",
                    dlerror());
    }
    const auto* plugin = static_cast<const Plugin*>(dlsym(library, "weft_host_plugin"));
    if (plugin == nullptr || std::strcmp(plugin->build, kPluginBuild) != 0) {
        return fail(ErrorCode::not_supported, "the ", name, " host belongs to another build of weft: ", path);
    }
    return std::unique_ptr<Host>(plugin->create());
}

}  // namespace weft::host
