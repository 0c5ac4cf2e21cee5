#pragma once
// Where Java functions find their JVM and Apache Pulsar's java-instance.jar.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// What an operator has said of it; what is empty is looked for.
struct JavaOptions {
    std::string pulsar_home;         // an unpacked distribution of Apache Pulsar
    std::string java_home;           // else the java on the PATH
    std::string instance_jar;        // else instances/java-instance.jar of pulsar_home
    std::string class_path;          // else lib beside the jar's folder
    std::string extra_dependencies;  // else instances/deps of pulsar_home, if it is there
    std::vector<std::string> arguments;
};

/// Ours, beside java-instance.jar on the instance's class path: gives a function its secrets.
inline constexpr std::string_view kSecretsClass = "weft.StandardInputSecrets";
std::string secrets_jar();
/// Whether it is there. `not_supported`: this Weft was built without a JDK.
Result<> check_secrets_jar();

/// Looks whether everything is there. `invalid_argument` says what is missing and what to do.
Result<JavaSettings> find_java(const JavaOptions& options);

}  // namespace weft::runtime
