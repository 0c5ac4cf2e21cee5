#include "permissions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "admin_command.h"

namespace weft::app {

namespace {

constexpr std::string_view kActions[] = {"produce", "consume", "functions", "sources", "sinks", "packages"};

}  // namespace

Result<std::string> granted_actions(const Call& call) {
    const auto actions = split_list(call.arguments.text("--actions"));
    for (const std::string& action : actions) {
        if (std::ranges::find(kActions, action) != std::end(kActions)) continue;
        return fail(ErrorCode::invalid_argument, "Illegal auth action '", action,
                    "'. Possible values: [produce, consume, functions, sources, sinks, packages]");
    }
    return nlohmann::ordered_json(actions).dump();
}

}  // namespace weft::app
