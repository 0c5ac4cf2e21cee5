#include "worker/admissions.h"

#include "observe/log.h"

namespace weft::worker {
namespace {
constexpr Duration kPatience = 10s;  // for one attempt to find out
constexpr Duration kAgain = 100ms;
}  // namespace

void Admissions::ask(model::InstanceKey instance, std::function<void()> admit, std::function<void()> lost) {
    const std::lock_guard lock(mutex_);
    std::string key = instance.function.instance_key(instance.instance_id);
    waiting_.insert_or_assign(std::move(key),
                              Waiting{std::move(instance), std::move(admit), std::move(lost)});
    if (!std::exchange(working_, true)) pool_.post([this] { find_out(); });
}

void Admissions::find_out() {
    std::map<std::string, Waiting> asked;
    {
        const std::lock_guard lock(mutex_);
        asked.swap(waiting_);
    }
    const auto sure = plane_.make_sure(Deadline::after(kPatience));
    if (sure) {
        for (const auto& [key, waiting] : asked) {
            if (plane_.has_instance(waiting.instance)) {
                waiting.admit();
            } else {
                observe::Logger("worker", key).info("another worker has it: it doesn't subscribe again");
                waiting.lost();
            }
        }
        asked.clear();
    }
    const std::lock_guard lock(mutex_);
    waiting_.merge(asked);
    working_ = !waiting_.empty();
    if (working_) pool_.post([this] { find_out(); }, sure ? Duration::zero() : kAgain);
}

}  // namespace weft::worker
