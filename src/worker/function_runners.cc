#include "worker/function_runners.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace weft::worker {
namespace {
constexpr std::size_t kRunnersStoppedAtOnce = 32;
}

void FunctionRunners::forget_done() {
    std::erase_if(runners_, [](const auto& entry) { return entry.second->is_done(); });
}

std::shared_ptr<FunctionRunner> FunctionRunners::at(const model::FunctionName& name) {
    auto& runner = runners_[name];
    if (!runner) runner = std::make_shared<FunctionRunner>(name, context_);
    return runner;
}

void FunctionRunners::want(const model::FunctionName& name, MetaPtr meta, std::set<std::int32_t> instances,
                           Moves moves) {
    const std::lock_guard lock(mutex_);
    if (!meta) forget_done();
    if (instances.empty() && !runners_.contains(name)) return;
    at(name)->want(std::move(meta), std::move(instances), std::move(moves));
}

void FunctionRunners::retire(const model::FunctionName& name, MetaPtr meta, std::function<void()> done) {
    const std::lock_guard lock(mutex_);
    forget_done();
    at(name)->retire(std::move(meta), std::move(done));
}

std::shared_ptr<FunctionRunner> FunctionRunners::find(const model::FunctionName& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = runners_.find(name);
    return found == runners_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<FunctionRunner>> FunctionRunners::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<FunctionRunner>> runners;
    for (const auto& [name, runner] : runners_) runners.push_back(runner);
    return runners;
}

bool FunctionRunners::wait_settled(Deadline deadline) const {
    return std::ranges::all_of(all(), [&](const auto& runner) { return runner->wait_settled(deadline); });
}

bool FunctionRunners::let_go(const model::InstanceKey& instance, Deadline deadline) const {
    const auto runner = find(instance.function);
    return !runner || runner->let_go(instance.instance_id, deadline);
}

void FunctionRunners::end_leaving() {
    for (const auto& runner : all()) runner->end_leaving();
}

bool FunctionRunners::wait_until_left(Deadline deadline) const {
    return std::ranges::all_of(all(), [&](const auto& runner) { return runner->wait_until_left(deadline); });
}

void FunctionRunners::shut_down(Deadline deadline) {
    const auto all = this->all();
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min(all.size(), kRunnersStoppedAtOnce); ++i) {
        threads.emplace_back([&] {
            for (std::size_t at = next++; at < all.size(); at = next++) all[at]->shut_down(deadline);
        });
    }
}

}  // namespace weft::worker
