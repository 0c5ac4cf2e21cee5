#pragma once
// SimulatedHands: the instances of one worker in virtual time. They take time to start and to stop, a start
// may fail, and they end when their worker shows no sign of life for the length of a lease. What is started,
// stopped and tried again is decided by plan_instances, as in FunctionRunner.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/function_runner.h"
#include "worker/function_tables.h"
#include "worker/testing/simulated_clock.h"

namespace weft::worker::testing {

class SimulatedHands final : public LocalInstances {
  public:
    struct Odds {
        double start_fails = 0, clean_up_fails = 0;
    };
    /// `changed`: what runs is not what it was.
    SimulatedHands(SimulatedClock& clock, Dice& dice, Odds odds, std::function<void()> changed)
        : clock_(clock), dice_(dice), odds_(odds), changed_(std::move(changed)) {}

    void want(const model::FunctionName& name, MetaPtr meta, std::set<std::int32_t> instances,
              Moves) override {
        Runner& runner = runners_[name];
        runner.meta = std::move(meta);
        runner.wanted = std::move(instances);
        work(name);
    }
    void retire(const model::FunctionName& name, MetaPtr, std::function<void()> done) override {
        Runner& runner = runners_[name];
        runner.meta = nullptr;
        runner.wanted.clear();
        runner.retirements.push_back(std::move(done));
        work(name);
    }

    /// The process stands still, and goes on: what was due meanwhile happens then.
    void freeze() { frozen_ = true; }
    void thaw() {
        frozen_ = false;
        for (auto& late : std::exchange(late_, {})) later(0ms, std::move(late));
    }
    /// Instances end, and none starts, until reinstate().
    void lapse() {
        held_ = false;
        for (auto& [name, runner] : runners_) {
            for (auto& [id, slot] : runner.slots) slot.alive = false;
        }
        changed_();
    }
    void reinstate() {
        held_ = true;
        for (auto& [name, runner] : runners_) {
            for (auto& [id, slot] : runner.slots) {
                if (slot.started) revive(name, id, slot.number);
            }
        }
    }
    bool held() const { return held_; }

    /// The keys of the instances that work.
    std::vector<std::string> alive() const {
        std::vector<std::string> keys;
        for (const auto& [name, runner] : runners_) {
            for (const auto& [id, slot] : runner.slots) {
                if (slot.alive) keys.push_back(name.instance_key(id));
            }
        }
        return keys;
    }

  private:
    struct Slot {
        std::string fingerprint;
        bool started = false;  // else its start failed
        bool alive = false;
        SteadyTime due{};
        Duration backoff = 250ms;
        std::uint64_t number = 0;
    };
    struct Runner {
        MetaPtr meta;
        std::set<std::int32_t> wanted;
        std::map<std::int32_t, Slot> slots;
        std::vector<std::function<void()>> retirements;
        bool working = false;
    };
    struct Starts {
        MetaPtr meta;
        std::string fingerprint;
        std::vector<std::int32_t> ids;
    };

    /// Unless the worker has died until then.
    void later(Duration delay, std::function<void()> what) {
        clock_.after(delay, [this, life = std::weak_ptr(life_), what = std::move(what)]() mutable {
            if (life.expired()) return;
            if (frozen_) {
                late_.push_back(std::move(what));
            } else {
                what();
            }
        });
    }

    void work(const model::FunctionName& name) {
        Runner& runner = runners_[name];
        if (runner.working) return;  // looks again when it is done
        RunnerState state;
        if (runner.retirements.empty() && runner.meta) {
            state.wanted = runner.wanted;
            state.wanted_fingerprint = program_fingerprint(*runner.meta);
        }
        for (const auto& [id, slot] : runner.slots)
            state.instances[id] = {slot.fingerprint, slot.started, clock_.now() >= slot.due, false};
        const RunnerPlan plan = plan_instances(state);
        if (plan.stop.empty() && plan.start.empty()) {
            if (!runner.retirements.empty()) clean_up(name);
            return;
        }
        runner.working = true;
        const Duration stopping = plan.stop.empty() ? 0ms : dice_.magnitude(5ms, 2s);
        later(stopping, [this, name, stops = plan.stop,
                         starts = Starts{runner.meta, state.wanted_fingerprint, plan.start}] {
            stop(runners_[name], stops);
            later(starts.ids.empty() ? 0ms : dice_.magnitude(10ms, 1s), [this, name, starts] {
                for (const auto id : starts.ids) start(name, id, starts);
                runners_[name].working = false;
                work(name);
            });
        });
    }
    void stop(Runner& runner, const std::vector<std::int32_t>& ids) {
        for (const auto id : ids) {
            const auto found = runner.slots.find(id);
            const bool waits = !found->second.started && runner.wanted.contains(id);
            if (waits && runner.retirements.empty()) continue;  // keeps its back-off
            runner.slots.erase(found);
        }
        changed_();
    }
    void start(const model::FunctionName& name, std::int32_t id, const Starts& starts) {
        Slot& slot = runners_[name].slots[id];
        slot.fingerprint = starts.fingerprint;
        slot.number = ++made_;
        slot.started = !dice_.chance(odds_.start_fails);
        slot.alive = slot.started && held_;
        if (!slot.started) {
            slot.due = clock_.now() + slot.backoff;
            later(slot.backoff, [this, name] { work(name); });
            slot.backoff = std::min<Duration>(slot.backoff * 2, 30s);
        }
        changed_();
    }
    /// A child that ended with the lease is started again.
    void revive(const model::FunctionName& name, std::int32_t id, std::uint64_t number) {
        later(dice_.magnitude(10ms, 500ms), [this, name, id, number] {
            auto& slots = runners_[name].slots;
            const auto found = slots.find(id);
            if (!held_ || found == slots.end() || found->second.number != number) return;
            found->second.alive = true;
            changed_();
        });
    }
    void clean_up(const model::FunctionName& name) {
        runners_[name].working = true;
        const bool fails = dice_.chance(odds_.clean_up_fails);
        later(fails ? 250ms : dice_.magnitude(1ms, 500ms), [this, name, fails] {
            Runner& runner = runners_[name];
            runner.working = false;
            if (fails) return clean_up(name);
            const auto done = std::move(runner.retirements.front());
            runner.retirements.erase(runner.retirements.begin());
            if (done) done();
            work(name);
        });
    }

    SimulatedClock& clock_;
    Dice& dice_;
    const Odds odds_;
    const std::function<void()> changed_;
    const std::shared_ptr<bool> life_ = std::make_shared<bool>();  // what is to happen later looks at it
    std::map<model::FunctionName, Runner> runners_;
    std::vector<std::function<void()>> late_;
    std::uint64_t made_ = 0;
    bool frozen_ = false, held_ = true;
};

}  // namespace weft::worker::testing
