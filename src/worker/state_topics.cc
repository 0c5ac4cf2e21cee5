#include "worker/state_topics.h"

#include "model/function_details.h"
#include "wire/proto/Function.pb.h"
#include "worker/internal_topics.h"

namespace weft::worker {
namespace {

std::optional<TopicSubject> subject_of_metadata(std::optional<std::string_view> key,
                                                std::string_view payload) {
    const auto event = read_metadata({std::string(key.value_or("")), std::string(payload), {}});
    if (!event || !*event) return std::nullopt;
    const auto& meta = *(*event)->meta;
    const auto name = model::name_of(meta.functiondetails());
    return TopicSubject{name.full(), (*event)->change == MetadataChange::remove, meta.version()};
}

}  // namespace

std::vector<StateTopic> state_topics(std::string_view functions_namespace, const TopicWords& words) {
    std::vector<StateTopic> topics;
    for (const auto& names : {TopicNames::of_java_workers(functions_namespace, words),
                              TopicNames::of_weft_workers(functions_namespace, words)}) {
        topics.push_back({names.metadata, subject_of_metadata});
        topics.push_back({names.assignments, {}});
    }
    return topics;
}

}  // namespace weft::worker
