#include "runtime/java_runtime.h"

#include <unistd.h>

#include <filesystem>

#include "host/host.h"
#include "host/python/python_library.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
    std::error_code no;
    return fs::is_regular_file(path, no);
}
bool is_folder(const fs::path& path) {
    std::error_code no;
    return fs::is_directory(path, no);
}

std::unexpected<Error> missing(const auto&... parts) {
    return fail(ErrorCode::invalid_argument, "runtime = JAVA can't be run by this worker: ", parts...);
}

Result<std::string> find_jvm(const std::string& java_home) {
    const std::string program =
        java_home.empty() ? host::find_interpreter("java") : (fs::path(java_home) / "bin/java").string();
    if (program.empty())
        return missing("there is no java on the PATH: install a JDK or JRE 17, or set JAVA_HOME");
    if (access(program.c_str(), X_OK) != 0)
        return missing("JAVA_HOME = ", java_home, " has no bin/java: set it to a JDK or JRE 17");
    return program;
}

}  // namespace

std::string secrets_jar() {
    const fs::path installed = fs::path(host::plugin_directory()).parent_path().parent_path();
    return (installed / "share/weft/weft-secrets.jar").string();
}

Result<> check_secrets_jar() {
    if (is_file(secrets_jar())) return {};
    return fail(ErrorCode::not_supported,
                "secrets of a Java function can't be given to it by this worker: there is no file ",
                secrets_jar(), ": build weft where there is a JDK, or leave secrets out");
}

Result<JavaSettings> find_java(const JavaOptions& options) {
    JavaSettings found;
    found.arguments = options.arguments;
    found.instance_jar = options.instance_jar;
    if (found.instance_jar.empty()) {
        if (options.pulsar_home.empty()) {
            return missing(
                "there is no java-instance.jar: unpack Apache Pulsar and start with --pulsar-home DIRECTORY "
                "(or PULSAR_HOME), or give functionRuntimeFactoryConfigs.javaInstanceJarLocation");
        }
        found.instance_jar = (fs::path(options.pulsar_home) / "instances/java-instance.jar").string();
    }
    if (!is_file(found.instance_jar)) {
        return missing("there is no file ", found.instance_jar,
                       ": name Apache Pulsar's java-instance.jar (javaInstanceJarLocation), or the folder of "
                       "its distribution (--pulsar-home)");
    }
    found.class_path = options.class_path;
    if (found.class_path.empty()) {
        const fs::path library = fs::path(found.instance_jar).parent_path().parent_path() / "lib";
        if (!is_folder(library)) {
            return missing("there is no folder ", library.string(),
                           " with Apache Pulsar's jars: name it with "
                           "functionRuntimeFactoryConfigs.functionInstanceClassPath (DIRECTORY/*)");
        }
        found.class_path = (library / "*").string();
    }
    found.extra_dependencies = options.extra_dependencies;
    const fs::path shipped = fs::path(options.pulsar_home) / "instances/deps";
    if (found.extra_dependencies.empty() && !options.pulsar_home.empty() && is_folder(shipped))
        found.extra_dependencies = shipped.string();
    WEFT_TRY(found.program, find_jvm(options.java_home));
    return found;
}

}  // namespace weft::runtime
