#pragma once
// SchemaInfo into PulsarApi's Schema.

#include "base/result.h"
#include "pulsar/client.h"

namespace pulsar::proto {
class Schema;
}

namespace weft::pulsar::detail {

/// Fills `out`; false: there is nothing to send (BYTES, NONE); `invalid_argument` for a type that Pulsar
/// doesn't have.
Result<bool> put_schema(const SchemaInfo& info, ::pulsar::proto::Schema& out);

}  // namespace weft::pulsar::detail
