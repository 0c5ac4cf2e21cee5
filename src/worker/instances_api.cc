// The part of FunctionsApi that asks instances and tells about workers.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/answers.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

constexpr std::string_view kNotScheduled = "Function has not been scheduled";

void ask_status(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                ::proto::FunctionStatus& status, Deadline deadline) {
    if (const auto runner = runners.find(name)) runner->status(id, status, deadline);
}

std::string digest_running(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id) {
    const auto runner = runners.find(name);
    return runner ? runner->package_digest(id) : "";
}

/// What an instance that doesn't run has counted is not known: all zero.
void ask_metrics(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                 ::proto::MetricsData& metrics, Deadline deadline) {
    const auto runner = runners.find(name);
    if (runner && !runner->metrics(id, metrics, deadline)) metrics.Clear();
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

FunctionsApi::Answer FunctionsApi::status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    std::vector<::proto::FunctionStatus> statuses(assigned.size());
    std::vector<InstanceStatus> instances;
    for (const auto& [id, instance] : assigned) {
        auto& status = statuses[instances.size()];
        ask_status(runners_, name, id, status, deadline);
        instances.push_back({id, instance.worker_id, &status, digest_running(runners_, name, id)});
    }
    return http::Response::json(function_status_json(instances));
}

FunctionsApi::Answer FunctionsApi::instance_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    const auto instance = assigned.find(id);
    ::proto::FunctionStatus status;
    if (instance == assigned.end()) {
        status.set_failureexception(std::string(kNotScheduled));
        return http::Response::json(instance_status_json({id, "", &status}));
    }
    ask_status(runners_, name, id, status, request.deadline.at_most(options_.status_patience));
    return http::Response::json(
        instance_status_json({id, instance->second.worker_id, &status, digest_running(runners_, name, id)}));
}

FunctionsApi::Answer FunctionsApi::stats(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = model::name_of(found.meta->functiondetails());
    const auto assigned = found.plane->assignments_of(name);
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    std::vector<::proto::MetricsData> metrics(assigned.size());
    std::vector<InstanceMetrics> instances;
    for (const auto& [id, instance] : assigned) {
        auto& data = metrics[instances.size()];
        ask_metrics(runners_, name, id, data, deadline);
        instances.push_back({id, &data});
    }
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

std::string FunctionsApi::worker_json() const {
    nlohmann::ordered_json worker;
    worker["workerId"] = options_.worker_id;
    worker["workerHostname"] = options_.hostname;
    worker["port"] = options_.web_port;
    return worker.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

FunctionsApi::Answer FunctionsApi::cluster(const http::Request&) {
    return http::Response::json(str_cat("[", worker_json(), "]"));
}

FunctionsApi::Answer FunctionsApi::leader(const http::Request&) {
    if (!java_plane_.is_leader()) return fail(ErrorCode::internal, "Leader cannot be determined");
    return http::Response::json(worker_json());
}

FunctionsApi::Answer FunctionsApi::leader_ready(const http::Request&) {
    if (!java_plane_.is_leader() || !native_plane_.is_leader()) {
        return fail(ErrorCode::unavailable, "Leader not yet ready. Please retry again");
    }
    return http::Response::json("true");
}

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

FunctionsApi::Answer FunctionsApi::functions_metrics(const http::Request& request) {
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    auto all = nlohmann::ordered_json::array();
    for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
        for (const auto& assignment : plane->assignments()) {
            ::proto::MetricsData metrics;
            ask_metrics(runners_, assignment.key.function, assignment.key.instance_id, metrics, deadline);
            nlohmann::ordered_json entry;
            entry["name"] = assignment.key.function.instance_key(assignment.key.instance_id);
            entry["metrics"] = nlohmann::ordered_json::parse(instance_stats_json(metrics));
            all.push_back(std::move(entry));
        }
    }
    return http::Response::json(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace weft::worker
