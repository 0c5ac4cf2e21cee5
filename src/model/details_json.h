#pragma once
// Other JSON of FunctionDetails: protobuf's own, which version 2 of the functions REST speaks, and the
// configurations of sources and sinks.

#include <string>
#include <string_view>

#include "model/function_config.h"

namespace google::protobuf {
class Message;
}
namespace proto {
class FunctionDetails;
}

namespace weft::model {

/// protobuf's JSON, members that have their defaults left out, over several lines as Java writes it.
std::string to_protobuf_json(const google::protobuf::Message& message);
/// The configuration that FunctionDetails in protobuf's JSON stand for. `invalid_argument` says what is
/// wrong.
Result<FunctionConfig> function_config_from_details_json(std::string_view text);

/// SourceConfig or SinkConfig, as the GET endpoints show it; works on any details.
std::string connector_config_json(const ::proto::FunctionDetails& details);

}  // namespace weft::model
