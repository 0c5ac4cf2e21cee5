#include "worker/internal_topics.h"

#include <random>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/Request.pb.h"

namespace weft::worker {
namespace {

/// A random id in the form of a version 4 UUID; nothing but uniqueness depends on it.
std::string random_uuid() {
    static thread_local std::mt19937_64 random{std::random_device{}()};
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string id = "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx";
    for (char& c : id) {
        if (c == 'x') c = kHex[random() & 15U];
    }
    return id;
}

std::string bytes_of(const google::protobuf::Message& message) {
    std::string bytes;
    message.SerializeToString(&bytes);  // fails only for missing proto2 fields
    return bytes;
}

TopicNames names_with(std::string_view functions_namespace, std::string_view prefix,
                      const TopicWords& words) {
    const auto full = [&](std::string_view local) {
        return str_cat("persistent://", functions_namespace, "/", prefix, local);
    };
    return {full(words.metadata), full(words.assignments), full(words.coordinate)};
}

bool has_name(const ::proto::FunctionMetaData& meta) {
    const auto& details = meta.functiondetails();
    return !details.tenant().empty() && !details.namespace_().empty() && !details.name().empty();
}

Result<std::optional<MetadataEvent>> read_keyed_metadata(const Record& record) {
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    if (!meta->ParseFromString(record.payload))
        return fail(ErrorCode::corrupt, "Metadata of ", record.key, " doesn't parse");
    if (!record.payload.empty()) {
        if (!has_name(*meta))
            return fail(ErrorCode::corrupt, "Metadata of ", record.key, " names no function");
        return MetadataEvent{MetadataChange::update, std::move(meta)};
    }
    WEFT_TRY(const auto name, model::parse_function_name(record.key));
    auto& details = *meta->mutable_functiondetails();
    details.set_tenant(name.tenant);
    details.set_namespace_(name.ns);
    details.set_name(name.name);
    meta->set_version(~0ULL);  // the removal itself carries no version: it always counts
    return MetadataEvent{MetadataChange::remove, std::move(meta)};
}

}  // namespace

TopicNames TopicNames::of_java_workers(std::string_view functions_namespace, const TopicWords& words) {
    return names_with(functions_namespace, "", words);
}
TopicNames TopicNames::of_weft_workers(std::string_view functions_namespace, const TopicWords& words) {
    return names_with(functions_namespace, "weft-", words);
}

Record metadata_record(MetadataChange change, const ::proto::FunctionMetaData& meta,
                       const std::string& worker_id) {
    ::proto::ServiceRequest request;
    request.set_servicerequesttype(change == MetadataChange::update ? ::proto::ServiceRequest::UPDATE
                                                                    : ::proto::ServiceRequest::DELETE);
    request.set_requestid(random_uuid());
    *request.mutable_functionmetadata() = meta;
    request.set_workerid(worker_id);
    return {"", bytes_of(request), {{"version", str_cat(meta.version())}}};
}

Result<std::optional<MetadataEvent>> read_metadata(const Record& record) {
    if (!record.key.empty()) return read_keyed_metadata(record);
    ::proto::ServiceRequest request;
    if (!request.ParseFromString(record.payload))
        return fail(ErrorCode::corrupt, "A metadata message doesn't parse");
    const auto type = request.servicerequesttype();
    if (type != ::proto::ServiceRequest::UPDATE && type != ::proto::ServiceRequest::DELETE)
        return std::nullopt;
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    meta->Swap(request.mutable_functionmetadata());
    if (!has_name(*meta)) return fail(ErrorCode::corrupt, "A metadata message names no function");
    return MetadataEvent{
        type == ::proto::ServiceRequest::UPDATE ? MetadataChange::update : MetadataChange::remove,
        std::move(meta)};
}

Record assignment_record(const ::proto::FunctionMetaData& meta, std::int32_t instance_id,
                         const std::string& worker_id) {
    ::proto::Assignment assignment;
    *assignment.mutable_instance()->mutable_functionmetadata() = meta;
    assignment.mutable_instance()->set_instanceid(instance_id);
    assignment.set_workerid(worker_id);
    return {model::name_of(meta.functiondetails()).instance_key(instance_id), bytes_of(assignment), {}};
}

Record assignment_removal(const model::FunctionName& function, std::int32_t instance_id) {
    return {function.instance_key(instance_id), "", {}};
}

Result<AssignmentEvent> read_assignment(const Record& record) {
    if (record.payload.empty()) {
        WEFT_TRY(auto key, model::parse_instance_key(record.key));
        return AssignmentEvent{std::move(key), "", nullptr};
    }
    ::proto::Assignment assignment;
    if (!assignment.ParseFromString(record.payload)) {
        return fail(ErrorCode::corrupt, "The assignment of ", record.key, " doesn't parse");
    }
    if (assignment.workerid().empty() || !has_name(assignment.instance().functionmetadata())) {
        return fail(ErrorCode::corrupt, "The assignment of ", record.key, " lacks a worker or a function");
    }
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    meta->Swap(assignment.mutable_instance()->mutable_functionmetadata());
    model::InstanceKey key{model::name_of(meta->functiondetails()), assignment.instance().instanceid()};
    return AssignmentEvent{std::move(key), assignment.workerid(), std::move(meta)};
}

}  // namespace weft::worker
