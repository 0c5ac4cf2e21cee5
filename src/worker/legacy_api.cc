// The part of FunctionsApi that answers as version 2 of Pulsar's functions REST did: in protobuf's JSON.

#include "model/details_json.h"
#include "wire/proto/Function.pb.h"
#include "worker/detail/reports.h"
#include "worker/detail/requests.h"
#include "worker/functions_api.h"

namespace weft::worker {

FunctionsApi::Answer FunctionsApi::legacy_get(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    return http::Response::json(model::to_protobuf_json(found.meta->functiondetails()));
}

FunctionsApi::Answer FunctionsApi::legacy_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    ::proto::FunctionStatusList list;
    for (auto& report : statuses_of(request, found))
        *list.add_functionstatuslist() = std::move(report.status);
    return http::Response::json(model::to_protobuf_json(list));
}

FunctionsApi::Answer FunctionsApi::legacy_instance_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    const auto assigned = found.plane->assignments_of(name_in(request));
    ::proto::FunctionStatus status;
    if (const auto instance = assigned.find(id); instance != assigned.end()) {
        WEFT_TRY(const auto elsewhere, to_owner(request, found, instance->second.worker_id));
        if (elsewhere) return *elsewhere;
        if (const auto runner = runners_.find(name_in(request)))
            runner->status(id, status, request.deadline.at_most(options_.status_patience));
        status.set_workerid(options_.worker_id);
    } else {
        status.set_failureexception("Function has not been scheduled");
    }
    status.set_instanceid(std::to_string(id));
    return http::Response::json(model::to_protobuf_json(status));
}

}  // namespace weft::worker
