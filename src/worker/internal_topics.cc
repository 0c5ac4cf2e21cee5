#include "worker/internal_topics.h"

#include <google/protobuf/io/coded_stream.h>

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

// An Assignment is taken apart by hand, and put together so: its one large part is the function's metadata,
// the same in each instance's assignment. Field numbers of Assignment and Instance.
constexpr std::uint32_t kInstance = 1, kWorkerId = 2;
constexpr std::uint32_t kFunctionMetaData = 1, kInstanceId = 2;
constexpr std::uint32_t kNumber = 0, kBytes = 2;  // wire types

void put_number(std::string& out, std::uint64_t value) {
    std::uint8_t bytes[10];
    const auto* const end = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, bytes);
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(end - bytes));
}

void put_bytes(std::string& out, std::uint32_t field, std::string_view value) {
    put_number(out, field << 3 | kBytes);
    put_number(out, value.size());
    out += value;
}

/// Hands each field to `take`: its number and the bytes or number it holds. False: malformed.
template <class Take>
bool walk_fields(std::string_view message, const Take& take) {
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()),
                                              static_cast<int>(message.size()));
    while (const std::uint32_t tag = in.ReadTag()) {
        std::uint64_t number = 0;
        std::uint32_t size = 0;
        std::string_view bytes;
        switch (tag & 7) {
            case kNumber:
                if (!in.ReadVarint64(&number)) return false;
                break;
            case kBytes:
                if (!in.ReadVarint32(&size) || size > message.size() || !in.Skip(static_cast<int>(size)))
                    return false;
                bytes = message.substr(static_cast<std::size_t>(in.CurrentPosition()) - size, size);
                break;
            case 1:
                if (!in.Skip(8)) return false;
                break;
            case 5:
                if (!in.Skip(4)) return false;
                break;
            default:
                return false;
        }
        take(tag >> 3, tag & 7, bytes, number);
    }
    return in.ConsumedEntireMessage();
}

/// The same metadata as of the assignment before, most of the time: then it is shared, and not read again.
MetaPtr shared_metadata(std::string_view bytes) {
    static thread_local std::string last_bytes;
    static thread_local MetaPtr last;
    if (last && last_bytes == bytes) return last;
    const auto meta = std::make_shared<::proto::FunctionMetaData>();
    if (!meta->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
    last_bytes = bytes;
    last = meta;
    return meta;
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
    std::string instance;
    put_bytes(instance, kFunctionMetaData, bytes_of(meta));
    if (instance_id != 0) {
        put_number(instance, kInstanceId << 3 | kNumber);
        put_number(instance, static_cast<std::uint64_t>(static_cast<std::int64_t>(instance_id)));
    }
    std::string assignment;
    put_bytes(assignment, kInstance, instance);
    if (!worker_id.empty()) put_bytes(assignment, kWorkerId, worker_id);
    return {model::name_of(meta.functiondetails()).instance_key(instance_id), std::move(assignment), {}};
}

Record assignment_removal(const model::FunctionName& function, std::int32_t instance_id) {
    return {function.instance_key(instance_id), "", {}};
}

Result<AssignmentEvent> read_assignment(const Record& record) {
    if (record.payload.empty()) {
        WEFT_TRY(auto key, model::parse_instance_key(record.key));
        return AssignmentEvent{std::move(key), "", nullptr};
    }
    std::string_view instance, metadata;
    std::string worker_id;
    std::int32_t instance_id = 0;
    const bool read =
        walk_fields(record.payload,
                    [&](std::uint32_t field, std::uint32_t type, std::string_view bytes, std::uint64_t) {
                        if (field == kInstance && type == kBytes) instance = bytes;
                        if (field == kWorkerId && type == kBytes) worker_id = bytes;
                    }) &&
        walk_fields(instance, [&](std::uint32_t field, std::uint32_t type, std::string_view bytes,
                                  std::uint64_t number) {
            if (field == kFunctionMetaData && type == kBytes) metadata = bytes;
            if (field == kInstanceId && type == kNumber) instance_id = static_cast<std::int32_t>(number);
        });
    MetaPtr meta = read ? shared_metadata(metadata) : nullptr;
    if (!meta) return fail(ErrorCode::corrupt, "The assignment of ", record.key, " doesn't parse");
    if (worker_id.empty() || !has_name(*meta)) {
        return fail(ErrorCode::corrupt, "The assignment of ", record.key, " lacks a worker or a function");
    }
    model::InstanceKey key{model::name_of(meta->functiondetails()), instance_id};
    return AssignmentEvent{std::move(key), std::move(worker_id), std::move(meta)};
}

}  // namespace weft::worker
