#pragma once
// FunctionName: tenant, namespace and name of a function, and the texts made of them.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::model {

struct FunctionName {
    std::string tenant;
    std::string ns;  // the namespace's own name, without the tenant
    std::string name;

    auto operator<=>(const FunctionName&) const = default;

    /// "tenant/namespace/name": the key of compacted metadata, and the default subscription.
    std::string full() const;
    /// "tenant/namespace/name:instance": the key of an assignment.
    std::string instance_key(std::int32_t instance_id) const;
};

/// The longest tenant, namespace or function name that is taken, in bytes (it becomes a folder's name).
inline constexpr std::size_t kNameBytesMax = 80;

/// Takes "tenant/namespace/name"; `invalid_argument` otherwise.
Result<FunctionName> parse_function_name(std::string_view text);

struct InstanceKey {
    FunctionName function;
    std::int32_t instance_id = 0;
};
/// Takes "tenant/namespace/name:instance" (the last colon counts).
Result<InstanceKey> parse_instance_key(std::string_view text);

/// Whether a name can be served: not empty, at most kNameBytesMax, UTF-8, no slash, no control character, not
/// "." or "..". `what` names it in the text ("Function name").
Result<> check_name(std::string_view what, std::string_view name);

}  // namespace weft::model
