#include "runtime/instance_control.h"

#include "runtime/grpc_call.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

template <class Answer>
Result<> ask(std::uint16_t port, std::string_view method, Answer& answer, Deadline deadline) {
    // All methods take google.protobuf.Empty.
    auto bytes = grpc_call(port, str_cat("/proto.InstanceControl/", method), "", deadline);
    if (!bytes) return std::unexpected(std::move(bytes).error().context(method));
    if (!answer.ParseFromString(*bytes))
        return fail(ErrorCode::corrupt, method, ": the answer does not parse");
    return {};
}

}  // namespace

Result<> InstanceControl::health_check(Deadline deadline) const {
    ::proto::HealthCheckResult result;
    WEFT_TRY_VOID(ask(port_, "HealthCheck", result, deadline));
    if (!result.success()) return fail(ErrorCode::unavailable, "the instance says that it is not healthy");
    return {};
}

Result<> InstanceControl::function_status(::proto::FunctionStatus& status, Deadline deadline) const {
    return ask(port_, "GetFunctionStatus", status, deadline);
}

Result<> InstanceControl::metrics(::proto::MetricsData& metrics, Deadline deadline) const {
    return ask(port_, "GetMetrics", metrics, deadline);
}

}  // namespace weft::runtime
