#pragma once
// What instances say of themselves, wherever they run; and the reading of what another worker wrote of its
// own.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/function_details.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::worker {

/// An instance whose worker didn't answer doesn't run as far as is known: status.failureException says who
/// was silent.
struct StatusReport {
    std::int32_t instance_id = 0;
    std::string worker_id;
    ::proto::FunctionStatus status = {};
    std::string package_digest = {};  // that it runs; empty: it doesn't, or nobody knows
};

struct StatsReport {
    std::int32_t instance_id = 0;
    std::string worker_id;
    ::proto::MetricsData metrics = {};
    std::string silence = {};  // why nothing is known; empty: it was told
};

/// The inverse of answers.h for one instance. What is missing, null or of another type is left at zero.
void read_instance_status(const nlohmann::json& told, model::ComponentType type, StatusReport& report);
void read_instance_stats(const nlohmann::json& told, StatsReport& report);

}  // namespace weft::worker
