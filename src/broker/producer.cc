#include "broker/producer.h"

#include <algorithm>
#include <utility>

namespace weft::broker {

std::string_view name_of(AccessMode mode) {
    switch (mode) {
        case AccessMode::shared:
            return "Shared";
        case AccessMode::exclusive:
            return "Exclusive";
        case AccessMode::wait_for_exclusive:
            return "WaitForExclusive";
        case AccessMode::exclusive_with_fencing:
            return "ExclusiveWithFencing";
    }
    return "Shared";
}

Answer<ProducerSet::Admission> ProducerSet::add(const Ptr& producer, std::string_view topic) {
    Admission admission;
    const auto same = by_name_.find(producer->name);
    if (same != by_name_.end()) {
        const auto old = same->second;
        const bool successor =
            old->sink == producer->sink && old->id == producer->id && old->epoch < producer->epoch;
        if (!successor) {
            return refuse(ServerError::producer_busy, "Producer with name '", producer->name,
                          "' is already connected to topic '", topic, "'");
        }
        by_name_.erase(same);
        if (exclusive_ == old) exclusive_ = nullptr;
        admission.put_out.push_back(old);
    }
    if (producer->access == AccessMode::shared) {
        if (exclusive_ != nullptr || !waiting_.empty()) {
            return refuse(ServerError::producer_busy, "Topic has an existing exclusive producer: ",
                          exclusive_ == nullptr ? waiting_.front()->name : exclusive_->name);
        }
        producer->topic_epoch = epoch;
    } else if (auto admitted = admit_exclusive(producer, admission); !admitted) {
        return std::unexpected(admitted.error());
    }
    if (!producer->waiting) by_name_.emplace(producer->name, producer);
    return admission;
}

Answer<> ProducerSet::admit_exclusive(const Ptr& producer, Admission& admission) {
    // First of all: who was overtaken changes nothing any more, whatever it asks for. (In Pulsar a fencing
    // one throws its successor out before it is refused, and a waiting one gets another turn with its old
    // epoch.)
    if (producer->topic_epoch && *producer->topic_epoch < epoch.value_or(0)) {
        return refuse(ServerError::producer_fenced,
                      "Topic epoch has already moved. Current epoch: ", epoch.value_or(0),
                      ", Producer epoch: ", *producer->topic_epoch);
    }
    const bool taken = exclusive_ != nullptr || !waiting_.empty();
    switch (producer->access) {
        case AccessMode::wait_for_exclusive:
            if (taken || !by_name_.empty()) {
                producer->waiting = true;
                waiting_.push_back(producer);
                return {};
            }
            break;
        case AccessMode::exclusive_with_fencing:
            for (const auto& [name, other] : by_name_) admission.put_out.push_back(other);
            for (const auto& other : waiting_) admission.put_out.push_back(other);
            by_name_.clear();
            waiting_.clear();
            exclusive_ = nullptr;
            break;
        default:
            if (taken) {
                return refuse(ServerError::producer_fenced, "Topic has an existing exclusive producer: ",
                              exclusive_ == nullptr ? waiting_.front()->name : exclusive_->name);
            }
            if (!by_name_.empty())
                return refuse(ServerError::producer_fenced, "Topic has existing shared producers");
    }
    take_exclusive(producer, admission);
    return {};
}

void ProducerSet::take_exclusive(const Ptr& producer, Admission& admission) {
    exclusive_ = producer;
    const auto before = epoch;
    if (producer->topic_epoch) {
        epoch = producer->topic_epoch;
    } else {
        epoch = epoch ? *epoch + 1 : 0;
    }
    producer->topic_epoch = epoch;
    admission.epoch_changed = epoch != before;
}

std::vector<ProducerSet::Ptr> ProducerSet::take_all() {
    auto all = std::exchange(waiting_, {});
    for (const auto& [name, producer] : std::exchange(by_name_, {})) all.push_back(producer);
    exclusive_ = nullptr;
    return all;
}

ProducerSet::Ptr ProducerSet::remove(const Producer& producer) {
    std::erase_if(waiting_, [&](const Ptr& waiting) { return waiting.get() == &producer; });
    const auto it = by_name_.find(producer.name);
    if (it != by_name_.end() && it->second.get() == &producer) {
        if (exclusive_ == it->second) exclusive_ = nullptr;
        by_name_.erase(it);
    }
    if (exclusive_ != nullptr || !by_name_.empty() || waiting_.empty()) return nullptr;
    const auto next = waiting_.front();
    waiting_.erase(waiting_.begin());
    next->waiting = false;
    next->topic_epoch.reset();
    Admission admission;
    take_exclusive(next, admission);
    by_name_.emplace(next->name, next);
    return next;
}

}  // namespace weft::broker
