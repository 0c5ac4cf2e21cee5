#pragma once
// Is a function's configuration one that can run? The checks and their texts are those of Pulsar's worker, in
// its order.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/function_config.h"

namespace weft::model {

/// Fills what Pulsar's worker fills before it checks: name, tenant, namespace, parallelism,
/// maxPendingAsyncRequests, forwardSourceMessageProperty, and the runtime from jar, py, go or native.
void infer_missing(FunctionConfig& config);

/// Pulsar's own checks: what its worker would refuse is refused with its words (`invalid_argument`).
Result<> validate(const FunctionConfig& config);
/// What Pulsar would take and Weft doesn't serve yet: names the field, the value and the cure
/// (`invalid_argument`).
Result<> refuse_unsupported(const FunctionConfig& config);
/// The fields that refuse_unsupported() looks at, as spelled in fields.def.
std::vector<std::string_view> fields_checked_for_support();

/// Every input topic or pattern, from all members that can name one; may repeat.
std::vector<std::string> all_inputs(const FunctionConfig& config);

}  // namespace weft::model
