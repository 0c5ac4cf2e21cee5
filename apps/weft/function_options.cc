#include "function_options.h"

#include <cstdlib>
#include <ranges>

#include "worker/worker.h"

namespace weft::app {

namespace {
constexpr std::int64_t kCallLimitSecondsMax = 30LL * 24 * 3600;

Result<> take_paths(const config::Arguments& arguments, std::string_view option,
                    std::vector<std::string>& into) {
    if (!arguments.has(option)) return {};
    const std::string given = arguments.text(option);
    for (const auto part : std::views::split(given, ',')) {
        const std::string_view path(part);
        if (path.starts_with('/')) {
            into.emplace_back(path);
            continue;
        }
        return fail(ErrorCode::invalid_argument, option, ' ', given,
                    ": give absolute paths with commas between");
    }
    return {};
}

Result<> take_containment(const config::Arguments& arguments, containment::Settings& into) {
    const std::string level = arguments.text("--containment");
    auto known = containment::level_of(level);
    if (!known) return std::unexpected(std::move(known).error().context("--containment"));
    into.level = *known;
    auto users = containment::user_range_of(arguments.text("--instance-users"));
    if (!users) return std::unexpected(std::move(users).error().context("--instance-users"));
    into.users = *users;
    WEFT_TRY_VOID(take_paths(arguments, "--containment-read", into.readable));
    return take_paths(arguments, "--containment-write", into.writable);
}
}  // namespace

Result<> take_function_options(const config::Arguments& arguments, worker::WorkerOptions& into) {
    into.python = arguments.text("--python");
    if (arguments.has("--python-dependency-repository"))
        into.python_dependency_repository = arguments.text("--python-dependency-repository");
    if (arguments.has("--python-extra-dependency-repository"))
        into.python_extra_dependency_repository = arguments.text("--python-extra-dependency-repository");
    const auto variable = [](const char* name) -> std::string {
        const char* const value = std::getenv(name);
        return value == nullptr ? "" : value;
    };
    into.java.pulsar_home =
        arguments.has("--pulsar-home") ? arguments.text("--pulsar-home") : variable("PULSAR_HOME");
    into.java.java_home = variable("JAVA_HOME");
    if (arguments.has("--function-runtime")) {
        into.function_runtime = arguments.text("--function-runtime") == "thread"
                                    ? worker::FunctionRuntime::thread
                                    : worker::FunctionRuntime::process;
    }
    const std::int64_t call_limit = arguments.integer("--function-call-limit");
    if (call_limit < 0 || call_limit > kCallLimitSecondsMax) {
        return fail(ErrorCode::invalid_argument, "--function-call-limit ", call_limit, ": it is from 1 to ",
                    kCallLimitSecondsMax, " seconds, or 0 for none");
    }
    into.call_limit = std::chrono::seconds(call_limit);
    return take_containment(arguments, into.containment);
}

}  // namespace weft::app
