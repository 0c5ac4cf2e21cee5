// The part of FunctionsApi that several workers share: who there is, who leads, and what the leader does for
// the others.

#include <nlohmann/json.hpp>

#include "http/client.h"
#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "worker/detail/requests.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kLeaderNotReady = "Leader not yet ready. Please retry again";

std::string json_text(const ordered_json& json) {
    return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json worker_json(const Member& member) {
    return {{"workerId", member.worker_id}, {"workerHostname", member.host}, {"port", member.port}};
}

/// 307 to the same path at the leader of this plane; 503 while nobody leads or it is this worker itself.
FunctionsApi::Answer to_leader(const ControlPlane& plane, const std::string& own_id, const std::string& path,
                               Deadline deadline) {
    WEFT_TRY(const auto seen, plane.participants(deadline));
    const Member* const leader = seen.find(seen.leader);
    if (!leader || leader->worker_id == own_id) return fail(ErrorCode::unavailable, kLeaderNotReady);
    return redirect_to(*leader, path);
}

std::string drain_path(const std::string& worker) {
    return str_cat("/admin/v2/worker/leader/drain?workerId=", http::url_encode(worker));
}

const char* name_of(DrainStatus::State state) {
    switch (state) {
        case DrainStatus::State::running:
            return "RUNNING";
        case DrainStatus::State::done:
            return "SUCCESS";
        case DrainStatus::State::failed:
            break;
    }
    return "ERROR";
}

}  // namespace

FunctionsApi::Answer FunctionsApi::cluster(const http::Request& request) {
    WEFT_TRY(const auto seen, java_plane_.participants(request.deadline));
    auto workers = ordered_json::array();
    for (const auto& member : seen.members) workers.push_back(worker_json(member));
    return http::Response::json(json_text(workers));
}

FunctionsApi::Answer FunctionsApi::leader(const http::Request& request) {
    const auto seen = java_plane_.participants(request.deadline);
    const Member* const leader = seen ? seen->find(seen->leader) : nullptr;
    if (!leader) return fail(ErrorCode::internal, "Leader cannot be determined");
    return http::Response::json(json_text(worker_json(*leader)));
}

FunctionsApi::Answer FunctionsApi::leader_ready(const http::Request&) {
    if (!java_plane_.is_leader()) return fail(ErrorCode::unavailable, kLeaderNotReady);
    return http::Response::text("true");  // as Pulsar
}

/// A write that another worker has checked: what PUT .../functions/leader/... carries.
FunctionsApi::Answer FunctionsApi::write_for_other(const http::Request& request) {
    WEFT_TRY(const auto parts, http::parse_multipart(request));
    const http::Part* data = nullptr;
    bool removal = false;
    for (const auto& part : parts) {
        if (part.name == "functionMetaData") data = &part;
        if (part.name == "delete") removal = part.content == "true";
    }
    const auto meta = std::make_shared<::proto::FunctionMetaData>();
    const model::FunctionName name{request.param("tenant"), request.param("namespace"),
                                   request.param("name")};
    if (!data || !meta->ParseFromArray(data->content.data(), static_cast<int>(data->content.size())) ||
        model::name_of(meta->functiondetails()) != name) {
        return fail(ErrorCode::invalid_argument, "Corrupt Function MetaData (part functionMetaData = ",
                    data ? "it doesn't parse or is of another function" : "nothing",
                    ": send the function's metadata in Pulsar's protobuf form)");
    }
    const bool native = meta->functiondetails().runtime() == ::proto::FunctionDetails::NATIVE;
    ControlPlane& plane = native ? native_plane_ : java_plane_;
    if (!plane.is_leader()) return to_leader(plane, options_.worker_id, request.raw_path, request.deadline);
    WEFT_TRY_VOID(removal ? plane.remove(
                                meta, [this] { collect_packages(); }, request.deadline)
                          : plane.put(meta, request.deadline));
    return http::Response::no_content();
}

/// Which plane a request is for: Pulsar knows but one, and means both; `plane=native` is Weft's own.
bool FunctionsApi::is_for_native_plane(const http::Request& request) {
    const auto asked = request.query.find("plane");
    return asked != request.query.end() && asked->second == "native";
}

FunctionsApi::Answer FunctionsApi::rebalance(const http::Request& request) {
    const bool native = is_for_native_plane(request);
    ControlPlane& plane = native ? native_plane_ : java_plane_;
    if (!plane.is_leader())
        return to_leader(plane, options_.worker_id,
                         str_cat("/admin/v2/worker/rebalance", native ? "?plane=native" : ""),
                         request.deadline);
    WEFT_TRY_VOID(plane.rebalance(request.deadline));
    if (!native) (void)native_plane_.rebalance(request.deadline);  // fewer workers may share those
    return http::Response::no_content();
}

FunctionsApi::Answer FunctionsApi::drain(const http::Request& request) {
    const bool native = is_for_native_plane(request);
    ControlPlane& plane = native ? native_plane_ : java_plane_;
    const std::string worker = worker_in(request);
    if (!plane.is_leader()) {
        return to_leader(plane, options_.worker_id, drain_path(worker) + (native ? "&plane=native" : ""),
                         request.deadline);
    }
    WEFT_TRY_VOID(plane.drain(worker, request.deadline));
    if (!native) (void)native_plane_.drain(worker, request.deadline);  // a Java worker has none of those
    return http::Response::no_content();
}

FunctionsApi::Answer FunctionsApi::drain_status(const http::Request& request) {
    const std::string worker = worker_in(request);
    if (!java_plane_.is_leader())
        return to_leader(java_plane_, options_.worker_id, drain_path(worker), request.deadline);
    const auto status = java_plane_.drain_status(worker);
    const std::string unknown = str_cat("Worker ", worker, " not found in drain records");
    if (!status && worker == options_.worker_id)
        return http::Response::json(R"({"status":"NOT_RUN","lastError":""})");
    const ordered_json answer{{"status", status ? name_of(status->state) : "ERROR"},
                              {"lastError", status ? status->error : unknown}};
    return http::Response::json(json_text(answer));
}

/// The worker that has the instance now, and is ready to run it, asks for it.
FunctionsApi::Answer FunctionsApi::let_go(const http::Request& request) {
    const auto asked = request.query.find("instance");
    WEFT_TRY(const auto instance,
             model::parse_instance_key(asked == request.query.end() ? "" : asked->second));
    if (!runners_.let_go(instance, request.deadline.at_most(options_.let_go_patience))) {
        return fail(ErrorCode::conflict, "Instance ", asked->second, " runs here: ", options_.worker_id,
                    " has not read that it has moved, or can't end it");
    }
    return http::Response::no_content();
}

/// The worker that a request names; this one if it names none.
std::string FunctionsApi::worker_in(const http::Request& request) const {
    const auto asked = request.query.find("workerId");
    return asked == request.query.end() ? options_.worker_id : asked->second;
}

}  // namespace weft::worker
