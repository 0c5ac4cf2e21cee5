// The part of FunctionsApi that answers as version 2 of Pulsar's functions REST did: in protobuf's JSON.

#include "model/details_json.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
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
    for (auto& status : statuses_of(found, request.deadline))
        *list.add_functionstatuslist() = std::move(status);
    return http::Response::json(model::to_protobuf_json(list));
}

FunctionsApi::Answer FunctionsApi::legacy_instance_status(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    WEFT_TRY(const auto id, instance_of(request, found));
    for (const auto& status : statuses_of(found, request.deadline)) {
        if (status.instanceid() == std::to_string(id))
            return http::Response::json(model::to_protobuf_json(status));
    }
    ::proto::FunctionStatus status;
    status.set_failureexception("Function has not been scheduled");
    status.set_instanceid(std::to_string(id));
    return http::Response::json(model::to_protobuf_json(status));
}

}  // namespace weft::worker
