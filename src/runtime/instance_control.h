#pragma once
// InstanceControl: asks an instance of Pulsar's own SDKs (java-instance.jar, the Go SDK) by the gRPC service
// of that name.

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"

namespace proto {
class FunctionStatus;
class MetricsData;
}  // namespace proto

namespace weft::runtime {

/// Any thread. Each call has a connection of its own; there is no state. What fails is told as grpc_call()
/// does.
class InstanceControl final {
  public:
    explicit InstanceControl(std::uint16_t port) : port_(port) {}

    /// Tells the instance that its worker is there; it ends by itself when it hears nothing for long.
    Result<> health_check(Deadline deadline) const;
    Result<> function_status(::proto::FunctionStatus& status, Deadline deadline) const;
    Result<> metrics(::proto::MetricsData& metrics, Deadline deadline) const;

  private:
    std::uint16_t port_;
};

}  // namespace weft::runtime
