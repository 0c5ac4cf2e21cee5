#pragma once
// What an update may change: Pulsar's rules and texts.

#include "model/function_config.h"

namespace weft::model {

/// The stored configuration with what the update may replace replaced. `invalid_argument` for what can't be
/// altered
/// ("Input Topics cannot be altered", ...). Members that Pulsar ignores in an update (py, go,
/// subscriptionPosition, skipToLatest, ...) are ignored.
Result<FunctionConfig> merge_update(const FunctionConfig& stored, const FunctionConfig& update);

}  // namespace weft::model
