#include "worker/function_tables.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "worker/function_credentials.h"

namespace weft::worker {
bool MetadataTable::apply(const MetadataEvent& event) {
    const auto name = model::name_of(event.meta->functiondetails());
    const auto found = functions_.find(name);
    if (found != functions_.end()) {
        const auto& known = *found->second;
        // Versions count within a life of the function. The removal in between may have been missed.
        const bool later_life =
            event.change == MetadataChange::update && event.meta->createtime() > known.createtime();
        if (!later_life && known.version() >= event.meta->version()) return false;
    }
    if (event.change == MetadataChange::update) {
        functions_.insert_or_assign(name, event.meta);
        return true;
    }
    if (found == functions_.end()) return false;
    functions_.erase(found);
    return true;
}

Result<> MetadataTable::check_current(MetadataChange change, const ::proto::FunctionMetaData& next) const {
    const auto name = model::name_of(next.functiondetails());
    const MetaPtr known = find(name);
    if (!known && change == MetadataChange::remove) {
        return fail(ErrorCode::not_found, "Function ", name.name, " doesn't exist");
    }
    const bool first = change == MetadataChange::update && next.version() == 0;
    const bool same_life = known ? known->createtime() == next.createtime() : first;
    if (!same_life || (known && known->version() >= next.version())) {
        return fail(ErrorCode::invalid_argument, change == MetadataChange::update ? "Update" : "Delete",
                    " request ignored because it is out of date. Please try again.");
    }
    return {};
}

MetaPtr MetadataTable::find(const model::FunctionName& name) const {
    const auto found = functions_.find(name);
    return found == functions_.end() ? nullptr : found->second;
}

std::uint64_t weight_of(const ::proto::FunctionMetaData& meta) {
    constexpr double kThousandths = 1000, kGibibyte = 1ULL << 30U;
    const auto& resources = meta.functiondetails().resources();
    const double cpu = resources.cpu() > 0 ? resources.cpu() : 1;
    const double ram = resources.ram() > 0 ? static_cast<double>(resources.ram()) / kGibibyte : 1;
    return static_cast<std::uint64_t>(std::clamp(std::max(cpu, ram) * kThousandths, 1.0, double{kWeightMax}));
}

void AssignmentTable::apply(const AssignmentEvent& event) {
    InstanceAssignments& instances = functions_[event.key.function];
    const auto found = instances.find(event.key.instance_id);
    if (found != instances.end()) {
        const auto held = held_by_worker_.find(found->second.worker_id);
        held->second.weight -= weight_of(*found->second.meta);
        if (--held->second.instances == 0) held_by_worker_.erase(held);
        instances.erase(found);
    }
    if (!event.worker_id.empty()) {
        instances[event.key.instance_id] = {event.worker_id, event.meta};
        Held& held = held_by_worker_[event.worker_id];
        ++held.instances;
        held.weight += weight_of(*event.meta);
    }
    if (instances.empty()) functions_.erase(event.key.function);
}

const InstanceAssignments& AssignmentTable::of(const model::FunctionName& name) const {
    static const InstanceAssignments kNone;
    const auto found = functions_.find(name);
    return found == functions_.end() ? kNone : found->second;
}

std::set<std::int32_t> instances_to_run(const MetaPtr& meta, const InstanceAssignments& assigned,
                                        const std::string& worker_id) {
    std::set<std::int32_t> ids;
    if (!meta) return ids;
    for (const auto& [id, instance] : assigned) {
        const bool is_mine = instance.worker_id == worker_id;
        const bool this_life = instance.meta && instance.meta->createtime() == meta->createtime();
        const bool is_one =
            id < model::instances_of(meta->functiondetails());  // its removal may have been missed
        if (is_mine && this_life && is_one && model::should_run(*meta, id)) ids.insert(id);
    }
    return ids;
}

std::string program_fingerprint(const ::proto::FunctionMetaData& meta) {
    std::string bytes = str_cat(meta.createtime(), "\n", meta.packagelocation().packagepath(), "\n");
    if (const std::string id = credential_id(meta); !id.empty()) str_append(bytes, "credential ", id, "\n");
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // maps in the order of their keys
    meta.functiondetails().SerializeToCodedStream(&coded);
    coded.Trim();
    return bytes;
}

}  // namespace weft::worker
