#pragma once
// A namespace's stored policies, for the parts of the admin REST that show or change them.

#include <optional>
#include <string>

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {

/// "tenant/namespace" of the path.
std::string namespace_of(const http::Request& request);

/// The stored policies of the path's namespace, a JSON object; replies 404 by itself.
std::optional<json> policies_of(Engine& engine, const http::Request& request, const Reply& reply);

}  // namespace weft::broker
