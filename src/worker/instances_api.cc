// The part of FunctionsApi that asks instances and tells about workers.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/answers.h"
#include "worker/detail/gather.h"
#include "worker/detail/requests.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

void ask_status(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                ::proto::FunctionStatus& status, Deadline deadline) {
    if (const auto runner = runners.find(name)) runner->status(id, status, deadline);
}

std::string digest_running(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id) {
    const auto runner = runners.find(name);
    return runner ? runner->package_digest(id) : "";
}

}  // namespace

FunctionsApi::Answer FunctionsApi::restart(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    std::int32_t id = -1;
    if (request.params.contains("instanceId")) {
        const auto given = instance_of(request, found);
        if (!given || !assigned.contains(*given)) {
            return fail(ErrorCode::invalid_argument, name.full(), "/",
                        request.param("instanceId").substr(0, 200), " doesn't exist (instanceId: use 0 to ",
                        model::instances_of(found.meta->functiondetails()) - 1, ")");
        }
        id = *given;
    } else if (assigned.empty()) {
        return fail(ErrorCode::invalid_argument, name.full(), " has not been assigned yet");
    }
    if (const auto runner = runners_.find(name)) runner->restart(id);
    return http::Response::no_content();
}

/// Asked all at once: one that doesn't answer costs its own answer only.
std::vector<::proto::FunctionStatus> FunctionsApi::statuses_of(const Found& found, Deadline deadline) const {
    const auto name = model::name_of(found.meta->functiondetails());
    std::vector<::proto::FunctionStatus> statuses;
    std::vector<std::int32_t> ids;
    for (const auto& [id, instance] : found.plane->assignments_of(name)) {
        auto& status = statuses.emplace_back();
        status.set_workerid(instance.worker_id);
        ids.push_back(id);
    }
    deadline = deadline.at_most(options_.status_patience);
    gather(ids.size(), [&](std::size_t i) {
        const std::string worker = statuses[i].workerid();
        ask_status(runners_, name, ids[i], statuses[i], deadline);
        statuses[i].set_workerid(worker);
        statuses[i].set_instanceid(std::to_string(ids[i]));
    });
    return statuses;
}

FunctionsApi::Answer FunctionsApi::status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto statuses = statuses_of(found, request.deadline);
    std::vector<InstanceStatus> instances;
    for (const auto& status : statuses) {
        const auto id = static_cast<std::int32_t>(std::stol(status.instanceid()));
        instances.push_back({id, status.workerid(), &status, digest_running(runners_, name, id)});
    }
    return http::Response::json(function_status_json(instances, component_in(request)));
}

FunctionsApi::Answer FunctionsApi::instance_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    const auto instance = assigned.find(id);
    ::proto::FunctionStatus status;
    if (instance == assigned.end()) {
        status.set_failureexception(str_cat(kind_in(request), " has not been scheduled"));
        return http::Response::json(instance_status_json({id, "", &status}, component_in(request)));
    }
    ask_status(runners_, name, id, status, request.deadline.at_most(options_.status_patience));
    return http::Response::json(
        instance_status_json({id, instance->second.worker_id, &status, digest_running(runners_, name, id)},
                             component_in(request)));
}

FunctionsApi::Answer FunctionsApi::stats(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    std::vector<::proto::MetricsData> metrics(assigned.size());
    std::vector<InstanceMetrics> instances;
    for (const auto& [id, instance] : assigned) instances.push_back({id, &metrics[instances.size()]});
    gather(instances.size(), [&](std::size_t i) {
        ask_metrics(runners_, name, instances[i].instance_id, metrics[i], deadline);
    });
    return http::Response::json(function_stats_json(instances));
}

FunctionsApi::Answer FunctionsApi::instance_stats(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    ::proto::MetricsData metrics;
    ask_metrics(runners_, model::name_of(found.meta->functiondetails()), id, metrics,
                request.deadline.at_most(options_.status_patience));
    return http::Response::json(instance_stats_json(metrics));
}

// The worker.

FunctionsApi::Answer FunctionsApi::assignments(const http::Request&) {
    std::map<std::string, std::vector<std::string>> by_worker;
    for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
        for (const auto& assignment : plane->assignments()) {
            by_worker[assignment.worker_id].push_back(
                assignment.key.function.instance_key(assignment.key.instance_id));
        }
    }
    for (auto& [worker, keys] : by_worker) std::ranges::sort(keys);
    return http::Response::json(
        nlohmann::json(by_worker).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace weft::worker
