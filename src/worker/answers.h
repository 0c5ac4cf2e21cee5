#pragma once
// The JSON of status and stats, as Pulsar's worker writes it (reference: FunctionStatus, FunctionStats).
// Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "model/function_details.h"

namespace proto {
class FunctionStatus;
class MetricsData;
}  // namespace proto

namespace weft::worker {

struct InstanceStatus {
    std::int32_t instance_id = 0;
    std::string worker_id;  // empty: not scheduled
    const ::proto::FunctionStatus* status = nullptr;
    std::string package_digest = {};  // that it runs; empty: it doesn't
};
struct InstanceMetrics {
    std::int32_t instance_id = 0;
    const ::proto::MetricsData* metrics = nullptr;
};

/// FunctionInstanceStatusData, or that of a source or a sink: nulls are left out.
std::string instance_status_json(const InstanceStatus& instance,
                                 model::ComponentType type = model::ComponentType::function);
std::string function_status_json(const std::vector<InstanceStatus>& instances,
                                 model::ComponentType type = model::ComponentType::function);
/// FunctionInstanceStatsData: nulls are kept; a latency or time of 0 is null.
std::string instance_stats_json(const ::proto::MetricsData& metrics);
/// An instance of which nothing is known.
struct SilentInstance {
    std::int32_t instance_id = 0;
    std::string worker_id, why;
};
/// Sums over the instances; the average of the averages; the latest invocation. Whose workers were `silent`
/// stands in a member of Weft's own, and in no sum.
std::string function_stats_json(const std::vector<InstanceMetrics>& instances,
                                const std::vector<SilentInstance>& silent = {});

/// ["a","b"] and {"worker":["t/n/f:0"]}.
std::string strings_json(const std::vector<std::string>& texts);

}  // namespace weft::worker
