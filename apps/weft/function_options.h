#pragma once
// Options of the commands that run functions, and what becomes of them.

#include "config/options.h"
#include "containment/containment.h"

namespace weft::worker {
struct WorkerOptions;
}

namespace weft::app {

inline constexpr config::Option kPythonOption = {.names = "--python",
                                                 .value = "program",
                                                 .help = "The Python whose packages functions see.",
                                                 .fallback = "python3"};
inline constexpr config::Option kPythonRepositoryOption = {
    .names = "--python-dependency-repository",
    .value = "URL",
    .help =
        "Where pip looks for what Python packages require. Default: nowhere, they bring it or it is "
        "installed"};
inline constexpr config::Option kPythonExtraRepositoryOption = {
    .names = "--python-extra-dependency-repository", .value = "URL", .help = "A second one."};
inline constexpr config::Option kPulsarHomeOption = {
    .names = "--pulsar-home",
    .value = "directory",
    .help = "Apache Pulsar, unpacked: its java-instance.jar runs Java functions. Default: PULSAR_HOME"};
inline constexpr config::Option kFunctionRuntimeOption = {
    .names = "--function-runtime",
    .value = "kind",
    .help =
        "What runs an instance of a C++ function: a process of its own, or a thread of this one, which "
        "takes less memory and in which a crash of the function ends everything. Python functions are "
        "processes always.",
    .choices = "process|thread",
    .fallback = "process"};
inline constexpr config::Option kFunctionCallLimitOption = {
    .names = "--function-call-limit",
    .value = "seconds",
    .help =
        "A call of a function that lasts longer (and longer than the function's timeoutMs) hangs: the "
        "instance is killed and started again. 0: a call may last for ever.",
    .type = config::Type::integer,
    .fallback = "300"};

inline constexpr config::Option kContainmentOption = {
    .names = "--containment",
    .value = "level",
    .help =
        "What functions in processes of their own are kept from: basic (other functions' files, the "
        "worker's, "
        "private ones of the system; other processes; listening; see SECURITY.md), strict (and their names; "
        "runs "
        "nothing for which not all of it can be held; needs root) or none.",
    .fallback = "basic"};
inline constexpr config::Option kContainmentReadOption = {
    .names = "--containment-read",
    .value = "paths",
    .help = "Folders and files, with commas between, that contained functions may read besides."};
inline constexpr config::Option kContainmentWriteOption = {
    .names = "--containment-write",
    .value = "paths",
    .help = "Folders and files, with commas between, that contained functions may read and write besides."};

inline constexpr config::Option kInstanceUsersOption = {
    .names = "--instance-users",
    .value = "range",
    .help =
        "FIRST-LAST: ids of users that nobody has. Where this program runs as root, each contained instance "
        "in "
        "a process of its own runs as one of them (see SECURITY.md). none: as root.",
    .fallback = containment::kUsersDefault};

/// Takes those of these options that stand on the command line, or whose default is better than none.
Result<> take_function_options(const config::Arguments& arguments, worker::WorkerOptions& into);

}  // namespace weft::app
