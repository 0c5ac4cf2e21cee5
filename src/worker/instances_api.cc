// The part of FunctionsApi that asks instances and tells about workers.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "http/client.h"
#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/answers.h"
#include "worker/detail/gather.h"
#include "worker/detail/reports.h"
#include "worker/detail/requests.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

constexpr std::string_view kLocalOnly = "?instances=local";  // what asks_this_worker_only() looks for

void ask_status(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id,
                ::proto::FunctionStatus& status, Deadline deadline) {
    if (const auto runner = runners.find(name)) runner->status(id, status, deadline);
}

/// Where a function stands in Pulsar's REST, whatever version was asked.
std::string path_of(const http::Request& request) {
    return str_cat("/admin/v3/", component_word(request), "s/", http::url_encode(request.param("tenant")),
                   '/', http::url_encode(request.param("namespace")), '/',
                   http::url_encode(request.param("name")));
}

std::string silent(const std::string& worker, const Error& error) {
    return str_cat("Worker ", worker, " did not answer: ", error.message);
}
std::string absent(const std::string& worker) {
    return str_cat("Worker ", worker, " is not in the cluster: its instances go to another one in a moment");
}

std::string digest_running(const FunctionRunners& runners, const model::FunctionName& name, std::int32_t id) {
    const auto runner = runners.find(name);
    return runner ? runner->package_digest(id) : "";
}

}  // namespace

/// What to ask of the owners of a function's instances, and what to do with the answers; several at once.
struct FunctionsApi::Asked {
    const char* what;    // "status": a path, and what the element of an instance is called
    const char* member;  // there
    InstanceAssignments assigned;
    std::function<void(std::size_t at, std::int32_t id)> here;
    std::function<void(std::size_t at, const nlohmann::json&)> told;
    std::function<void(std::size_t at, std::string why)> silent;

    std::int32_t id_at(std::size_t at) const {
        return std::next(assigned.begin(), std::ptrdiff_t(at))->first;
    }
};

/// A worker that asks gets its answer before it has had enough of waiting.
Duration FunctionsApi::patience_with(const http::Request& request) const {
    return asks_this_worker_only(request) ? options_.status_patience * 4 / 5 : options_.status_patience;
}

/// All at once, of each other worker by one: whoever doesn't answer costs its own answers only.
void FunctionsApi::ask_owners(const http::Request& request, const Found& found, const Asked& asked) const {
    const Deadline deadline = request.deadline.at_most(patience_with(request));
    std::vector<std::pair<std::size_t, std::int32_t>> here;
    std::map<std::string, std::vector<std::size_t>> by_worker;
    std::size_t at = 0;
    for (const auto& [id, instance] : asked.assigned) {
        if (instance.worker_id == options_.worker_id) {
            here.emplace_back(at, id);
        } else {
            by_worker[instance.worker_id].push_back(at);
        }
        ++at;
    }
    const std::vector others(by_worker.begin(), by_worker.end());
    const auto seen = others.empty() ? Participants{} : found.plane->participants(deadline);
    gather(others.size() + here.size(), [&](std::size_t i) {
        if (i >= others.size())
            return asked.here(here[i - others.size()].first, here[i - others.size()].second);
        const auto& [worker, which] = others[i];
        const Member* const member = seen ? seen->find(worker) : nullptr;
        if (member && options_.peers) return ask_worker(request, *member, which, asked, deadline);
        const std::string why = seen ? absent(worker) : silent(worker, seen.error());
        for (const auto each : which) asked.silent(each, why);
    });
}

/// Weft's workers tell of all their instances at once, Pulsar's own of one.
void FunctionsApi::ask_worker(const http::Request& request, const Member& worker,
                              const std::vector<std::size_t>& which, const Asked& asked,
                              Deadline deadline) const {
    const std::string function = path_of(request);
    if (worker.is_weft) {
        const auto text =
            options_.peers->ask(worker, "GET", str_cat(function, '/', asked.what, kLocalOnly), deadline);
        const auto answer =
            text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json(nlohmann::json::object());
        std::map<std::int64_t, const nlohmann::json*> told;
        if (answer.is_object() && answer.contains("instances") && answer["instances"].is_array()) {
            for (const auto& each : answer["instances"]) {
                if (each.is_object() && each.contains(asked.member) && each.contains("instanceId") &&
                    each["instanceId"].is_number_integer())
                    told[each["instanceId"].get<std::int64_t>()] = &each[asked.member];
            }
        }
        for (const auto at : which) {
            const auto one = told.find(asked.id_at(at));
            if (one != told.end()) {
                asked.told(at, *one->second);
            } else {
                asked.silent(at, text ? str_cat("Worker ", worker.worker_id, " doesn't have it yet")
                                      : silent(worker.worker_id, text.error()));
            }
        }
        return;
    }
    std::optional<std::string> given_up;
    for (const auto at : which) {
        if (given_up) {
            asked.silent(at, *given_up);
            continue;
        }
        const auto text = options_.peers->ask(
            worker, "GET", str_cat(function, '/', asked.id_at(at), '/', asked.what), deadline);
        if (text) {
            asked.told(at, nlohmann::json::parse(*text, nullptr, false));
        } else {
            if (deadline.passed() || text.error().message.starts_with(worker.url()))
                given_up = silent(worker.worker_id, text.error());
            asked.silent(at, silent(worker.worker_id, text.error()));
        }
    }
}

/// 307 to the worker that runs the instance; nothing: it is this one.
Result<std::optional<http::Response>> FunctionsApi::to_owner(const http::Request& request, const Found& found,
                                                             const std::string& worker) const {
    if (worker == options_.worker_id) return std::nullopt;
    WEFT_TRY(const auto seen, found.plane->participants(request.deadline));
    const Member* const owner = seen.find(worker);
    if (!owner) return fail(ErrorCode::unavailable, absent(worker));
    return redirect_to(*owner, request.raw_path);
}

FunctionsApi::Answer FunctionsApi::restart(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto name = name_in(request);
    const auto assigned = found.plane->assignments_of(name);
    if (!request.params.contains("instanceId")) {
        if (assigned.empty())
            return fail(ErrorCode::invalid_argument, name.full(), " has not been assigned yet");
        WEFT_TRY_VOID(restart_all(request, found));
        return http::Response::no_content();
    }
    const auto given = instance_of(request, found);
    const auto instance = given ? assigned.find(*given) : assigned.end();
    if (instance == assigned.end()) {
        return fail(ErrorCode::invalid_argument, name.full(), "/", request.param("instanceId").substr(0, 200),
                    " doesn't exist (instanceId: use 0 to ",
                    model::instances_of(found.meta->functiondetails()) - 1, ")");
    }
    WEFT_TRY(const auto elsewhere, to_owner(request, found, instance->second.worker_id));
    if (elsewhere) return *elsewhere;
    if (const auto runner = runners_.find(name)) runner->restart(*given);
    return http::Response::no_content();
}

/// Those here, and those of the other workers by their help. Whoever doesn't answer is named.
Result<> FunctionsApi::restart_all(const http::Request& request, const Found& found) {
    const auto name = name_in(request);
    std::map<std::string, std::vector<std::int32_t>> by_worker;
    for (const auto& [id, instance] : found.plane->assignments_of(name))
        by_worker[instance.worker_id].push_back(id);
    by_worker.erase(options_.worker_id);
    if (const auto runner = runners_.find(name)) runner->restart(-1);
    if (by_worker.empty() || asks_this_worker_only(request)) return {};
    const Deadline deadline = request.deadline.at_most(options_.status_patience);
    const auto seen = found.plane->participants(deadline);
    const std::vector others(by_worker.begin(), by_worker.end());
    std::vector<std::string> troubles(others.size());
    gather(others.size(), [&](std::size_t i) {
        const auto& [worker, ids] = others[i];
        const Member* const member = seen ? seen->find(worker) : nullptr;
        if (!member || !options_.peers) {
            troubles[i] = seen ? absent(worker) : silent(worker, seen.error());
            return;
        }
        std::vector<std::string> paths;
        if (member->is_weft) paths.push_back(str_cat(path_of(request), "/restart", kLocalOnly));
        for (const auto id : ids) {
            if (!member->is_weft) paths.push_back(str_cat(path_of(request), '/', id, "/restart"));
        }
        for (const auto& path : paths) {
            const auto done = options_.peers->ask(*member, "POST", path, deadline);
            if (!done) troubles[i] = silent(worker, done.error());
        }
    });
    std::string all;
    for (const auto& trouble : troubles) str_append(all, all.empty() || trouble.empty() ? "" : "; ", trouble);
    if (!all.empty()) return fail(ErrorCode::io, "Not all instances were restarted: ", all);
    return {};
}

/// The instances that the request asks for.
InstanceAssignments FunctionsApi::assigned_in(const http::Request& request, const Found& found) const {
    InstanceAssignments assigned = found.plane->assignments_of(name_in(request));
    if (asks_this_worker_only(request))
        std::erase_if(assigned, [&](const auto& e) { return e.second.worker_id != options_.worker_id; });
    return assigned;
}

std::vector<StatusReport> FunctionsApi::statuses_of(const http::Request& request, const Found& found) const {
    const auto name = name_in(request);
    const Deadline deadline = request.deadline.at_most(patience_with(request));
    InstanceAssignments assigned = assigned_in(request, found);
    std::vector<StatusReport> reports;
    for (const auto& [id, instance] : assigned) reports.push_back({id, instance.worker_id});
    const auto type = model::component_of(found.meta->functiondetails());
    ask_owners(request, found,
               {.what = "status",
                .member = "status",
                .assigned = std::move(assigned),
                .here =
                    [&](std::size_t at, std::int32_t id) {
                        ask_status(runners_, name, id, reports[at].status, deadline);
                        reports[at].package_digest = digest_running(runners_, name, id);
                    },
                .told = [&](std::size_t at,
                            const nlohmann::json& data) { read_instance_status(data, type, reports[at]); },
                .silent = [&](std::size_t at,
                              std::string why) { reports[at].status.set_failureexception(std::move(why)); }});
    for (auto& report : reports) {
        report.status.set_workerid(report.worker_id);
        report.status.set_instanceid(std::to_string(report.instance_id));
    }
    return reports;
}

std::vector<StatsReport> FunctionsApi::stats_of(const http::Request& request, const Found& found) const {
    const auto name = name_in(request);
    const Deadline deadline = request.deadline.at_most(patience_with(request));
    InstanceAssignments assigned = assigned_in(request, found);
    std::vector<StatsReport> reports;
    for (const auto& [id, instance] : assigned) reports.push_back({id, instance.worker_id});
    ask_owners(
        request, found,
        {.what = "stats",
         .member = "metrics",
         .assigned = std::move(assigned),
         .here = [&](std::size_t at,
                     std::int32_t id) { ask_metrics(runners_, name, id, reports[at].metrics, deadline); },
         .told = [&](std::size_t at, const nlohmann::json& data) { read_instance_stats(data, reports[at]); },
         .silent = [&](std::size_t at, std::string why) { reports[at].silence = std::move(why); }});
    return reports;
}

FunctionsApi::Answer FunctionsApi::status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto reports = statuses_of(request, found);
    std::vector<InstanceStatus> instances;
    for (const auto& report : reports)
        instances.push_back({report.instance_id, report.worker_id, &report.status, report.package_digest});
    return http::Response::json(function_status_json(instances, component_in(request)));
}

FunctionsApi::Answer FunctionsApi::instance_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    const auto name = name_in(request);
    const auto assigned = found.plane->assignments_of(name);
    const auto instance = assigned.find(id);
    ::proto::FunctionStatus status;
    if (instance == assigned.end()) {
        status.set_failureexception(str_cat(kind_in(request), " has not been scheduled"));
        return http::Response::json(instance_status_json({id, "", &status}, component_in(request)));
    }
    WEFT_TRY(const auto elsewhere, to_owner(request, found, instance->second.worker_id));
    if (elsewhere) return *elsewhere;
    ask_status(runners_, name, id, status, request.deadline.at_most(options_.status_patience));
    return http::Response::json(instance_status_json(
        {id, options_.worker_id, &status, digest_running(runners_, name, id)}, component_in(request)));
}

FunctionsApi::Answer FunctionsApi::stats(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto reports = stats_of(request, found);
    std::vector<InstanceMetrics> instances;
    std::vector<SilentInstance> silent;
    for (const auto& report : reports) {
        if (report.silence.empty()) {
            instances.push_back({report.instance_id, &report.metrics});
        } else {
            silent.push_back({report.instance_id, report.worker_id, report.silence});
        }
    }
    return http::Response::json(function_stats_json(instances, silent));
}

FunctionsApi::Answer FunctionsApi::instance_stats(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    const auto name = name_in(request);
    const auto assigned = found.plane->assignments_of(name);
    if (const auto instance = assigned.find(id); instance != assigned.end()) {
        WEFT_TRY(const auto elsewhere, to_owner(request, found, instance->second.worker_id));
        if (elsewhere) return *elsewhere;
    }
    ::proto::MetricsData metrics;
    ask_metrics(runners_, name, id, metrics, request.deadline.at_most(options_.status_patience));
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
