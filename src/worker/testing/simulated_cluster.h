#pragma once
// SimulatedCluster: workers (their control planes, as they are) in one thread, on a SimulatedBroker, with
// SimulatedHands, for days of virtual time, while clients change functions, and what can go wrong does.
// ClusterChecks look at it after each event. Everything follows from the seed.
//
// While nothing is wrong, and the checks have found everything in place, a worker's look at the world changes
// nothing: time leaps to the next event then.

#include <deque>
#include <list>
#include <memory>
#include <string>

#include "model/function_details.h"
#include "worker/testing/cluster_checks.h"
#include "worker/testing/simulated_broker.h"
#include "worker/testing/simulated_hands.h"

namespace weft::worker::testing {

class SimulatedCluster {
  public:
    /// How often things happen to the whole cluster, on average, and how probable it is that an action fails.
    struct Rates {
        Duration change = 5min;  // of a function, by a client
        Duration kill = 2h, machine_lost = 12h, leave = 4h;
        Duration pause = 1h, cut = 2h, peers_cut = 4h, slow_link = 1h;
        Duration broker_restart = 6h, compaction = 1h, rebalance = 4h, drain = 4h;
        double append_lost = 0.005, append_stored_but_unknown = 0.005, answer_lost = 0.01;
        double sleeps_in_a_call = 0.0003;
        SimulatedHands::Odds hands{.start_fails = 0.03, .clean_up_fails = 0.03};
    };
    struct Figures {
        std::uint64_t requests = 0, confirmed = 0, steps = 0, rests = 0, leaders = 0;
        std::uint64_t kills = 0, leaves = 0, pauses = 0, sleeps_in_calls = 0, cuts = 0, expired = 0;
        std::uint64_t broker_restarts = 0, failed_appends = 0;
        Duration longest_overlap{}, longest_gap{};
    };

    SimulatedCluster(std::uint64_t seed, const Rates& rates);
    /// What was violated, with the tail of the trace; empty: nothing.
    std::string run(Duration length);
    const Figures& figures() const { return figures_; }

  private:
    struct Node;
    class Peers;

    void every(Duration mean, std::function<void()> what);
    void run_until(SteadyTime end);
    void step(Node& node);
    void look();
    void leap(SteadyTime end);
    bool in_trouble() const;
    bool is_well(const Node& node) const;
    void disturbed() {
        disturbed_at_ = clock_.now();
        rests_ = false;
        sizes_.reset();
    }
    std::vector<std::size_t> sizes() {
        return {broker_.size(names_.metadata), broker_.size(names_.assignments)};
    }
    Node& any() {
        return *std::next(nodes_.begin(), static_cast<std::ptrdiff_t>(dice_.below(nodes_.size())));
    }
    Node* asked();
    Node* find(const std::string& id);
    void start(Node& node);
    void end(Node& node, bool silently);
    void restart_later(Node& node, Duration least, Duration most);
    void freeze(Node& node);
    void thaw(Node& node);
    void find_out(Node& node);
    void sleep_in_a_call(const std::string& worker);
    void cut(Node& node);
    void heal(Node& node);
    void expire_later(Node& node);
    void reconnect_later(Node& node);
    void restart_broker();
    void slow_down(Node& node);
    void leave(Node& node);
    void request();
    void order();
    void stored(const std::string& writer, const std::string& topic, const Record& record);
    void repair();
    void wake(Node& node) { node.next_step = std::min(node.next_step, clock_.now() + 1ms); }
    template <class... Parts>
    void note(const Parts&... parts);

    struct Node {
        std::string id;
        std::unique_ptr<SimulatedHands> hands = nullptr;
        std::unique_ptr<WorkerPeers> peers = nullptr;
        std::unique_ptr<ControlPlane> plane = nullptr;  // null: dead
        SteadyTime next_step{}, well_since{};
        Duration backoff = 50ms;
        int calls = 0;  // under way in the plane: it can't end now
        bool paused = false, peers_cut = false, led = false;
        bool drained = false;                              // or somebody tried, and a leader may remember it
        std::uint64_t turn = 0;                            // counts what makes its timers void
        std::vector<std::function<void()>> requests = {};  // that reached it while it was paused
    };

    const Rates rates_;
    SimulatedClock clock_;
    Dice dice_;
    ClusterChecks checks_{clock_};
    SimulatedBroker broker_;
    const TopicNames names_ = TopicNames::of_java_workers("public/functions");
    std::list<Node> nodes_;
    std::deque<std::string> trace_;
    Figures figures_;
    std::uint64_t created_ = 0, changes_ = 0;
    SteadyTime disturbed_at_{}, ordered_at_{};
    std::optional<std::vector<std::size_t>> sizes_;  // of the topics, when rest began
    bool rests_ = false, owners_changed_ = true, ends_ = false, asleep_in_a_call_ = false;
};

/// Their REST, as one worker reaches it.
class SimulatedCluster::Peers final : public WorkerPeers {
  public:
    Peers(SimulatedCluster& cluster, Node& from) : cluster_(cluster), from_(from) {}
    Result<> write(const worker::Member& to, MetadataChange change, const ::proto::FunctionMetaData& meta,
                   Deadline deadline) override {
        const auto copy = std::make_shared<::proto::FunctionMetaData>(meta);
        return reach(to, [change, copy, deadline](ControlPlane& plane) -> Result<> {
            if (!plane.is_leader()) return fail(ErrorCode::unavailable, "not the leader");
            return change == MetadataChange::update ? plane.put(copy, deadline)
                                                    : plane.remove(copy, {}, deadline);
        });
    }
    Result<std::string> ask(const worker::Member& to, std::string_view, const std::string& path,
                            Deadline deadline) override {
        if (path == "/version") return sign_of_life(to);
        WEFT_TRY_VOID(reach(to, [path, deadline, &cluster = cluster_](ControlPlane& plane) {
            cluster.ordered_at_ = cluster.clock_.now();  // who asked may have slept meanwhile
            const auto worker = path.find("workerId=");
            return worker == path.npos ? plane.rebalance(deadline)
                                       : plane.drain(path.substr(worker + 9), deadline);
        }));
        return "";
    }
    Result<std::string> package(const worker::Member&, const std::string&, Deadline) override {
        return fail(ErrorCode::unavailable, "there are none");
    }
    Result<std::string> package_of(const worker::Member&, const model::FunctionName&, Deadline) override {
        return fail(ErrorCode::unavailable, "there are none");
    }

  private:
    bool can_reach(const Node& node) const {
        const auto cut = [this](const Node& at) { return at.peers_cut || cluster_.broker_.is_cut(at.id); };
        return node.plane && !cut(node) && !cut(from_);
    }
    Result<std::string> sign_of_life(const worker::Member& to) const {
        const Node& node = *cluster_.find(to.worker_id);
        if (can_reach(node) && !node.paused) return "";
        return fail(ErrorCode::unavailable, to.url(), ": nobody listens");
    }
    Result<> reach(const worker::Member& to, const std::function<Result<>(ControlPlane&)>& what) {
        Node* const node = cluster_.find(to.worker_id);
        if (!can_reach(*node)) return fail(ErrorCode::unavailable, "nobody listens");
        if (node->paused) {  // it has it in its socket
            if (cluster_.dice_.chance(0.5))
                node->requests.emplace_back([node, what] { (void)what(*node->plane); });
            return fail(ErrorCode::unknown_outcome, "no answer");
        }
        ++node->calls;
        auto done = what(*node->plane);
        --node->calls;
        if (cluster_.dice_.chance(cluster_.rates_.answer_lost))
            return fail(ErrorCode::unknown_outcome, "no answer");
        return done;
    }
    SimulatedCluster& cluster_;
    Node& from_;
};

template <class... Parts>
void SimulatedCluster::note(const Parts&... parts) {
    const auto ms = clock_.now().time_since_epoch() / 1ms;
    trace_.push_back(str_cat(ms / 3'600'000, "h ", ms / 60'000 % 60, "m ", ms / 1000 % 60, "s ", ms % 1000,
                             "ms: ", parts...));
    if (trace_.size() > 60) trace_.pop_front();
}

inline SimulatedCluster::SimulatedCluster(std::uint64_t seed, const Rates& rates)
    : rates_(rates),
      dice_(seed),
      broker_(
          clock_, dice_,
          dice_.chance(0.5) ? SimulatedBroker::Failover::by_arrival : SimulatedBroker::Failover::by_name) {
    broker_.lost = rates_.append_lost;
    broker_.stored_but_unknown = rates_.append_stored_but_unknown;
    broker_.hooks.called = [this](const std::string& worker) { sleep_in_a_call(worker); };
    broker_.hooks.arrived = [this](const std::string& worker) {
        Node& node = *find(worker);
        if (node.plane && !node.plane->is_leader()) wake(node);  // a leader knows what it wrote
    };
    broker_.hooks.changed = [this](const std::string& worker) { wake(*find(worker)); };
    broker_.hooks.stored = [this](const std::string& writer, const std::string& topic, const Record& record) {
        stored(writer, topic, record);
    };
    broker_.hooks.failed = [this](const std::string& worker, const std::string& what) {
        ++figures_.failed_appends;
        note(worker, ' ', what);
        wake(*find(worker));
        disturbed();
    };
    const std::size_t count = 2 + dice_.below(4);
    for (std::size_t i = 0; i < count; ++i) {
        nodes_.push_back({.id = std::string(1, static_cast<char>('a' + i))});
        start(nodes_.back());
    }
    every(rates_.change, [this] { request(); });
    every(rates_.kill, [this] { end(any(), false); });
    every(rates_.machine_lost, [this] { end(any(), true); });
    every(rates_.leave, [this] { leave(any()); });
    every(rates_.pause, [this] {
        Node& node = any();
        if (!node.plane || node.paused) return;
        ++figures_.pauses;
        freeze(node);
        clock_.after(dice_.magnitude(100ms, 5min), [this, &node, turn = node.turn] {
            if (node.turn == turn) thaw(node);
        });
    });
    every(rates_.cut, [this] { cut(any()); });
    every(rates_.peers_cut, [this] {
        Node& node = any();
        node.peers_cut = true;
        clock_.after(dice_.magnitude(1s, 10min), [&node] { node.peers_cut = false; });
    });
    every(rates_.slow_link, [this] { slow_down(any()); });
    every(rates_.broker_restart, [this] { restart_broker(); });
    every(rates_.compaction, [this] { broker_.compact(names_.assignments); });
    every(rates_.rebalance, [this] { order(); });
    every(rates_.drain, [this] { order(); });
}

inline void SimulatedCluster::every(Duration mean, std::function<void()> what) {
    clock_.after(dice_.exponential(mean), [this, mean, what = std::move(what)] {
        if (ends_) return;
        what();
        every(mean, what);
    });
}

inline std::string SimulatedCluster::run(Duration length) {
    run_until(SteadyTime{} + length);
    ends_ = true;
    repair();
    run_until(clock_.now() + 5min);
    if (!rests_) checks_.violated("it does not come to rest");
    figures_.longest_overlap = checks_.longest_overlap();
    figures_.longest_gap = checks_.longest_gap();
    if (checks_.violation().empty()) return "";
    std::string text = checks_.violation();
    for (const auto& line : trace_) str_append(text, "\n  ", line);
    return text;
}

inline void SimulatedCluster::run_until(SteadyTime until) {
    while (checks_.violation().empty()) {
        if (rests_) leap(until);
        Node* first = nullptr;
        for (Node& node : nodes_) {
            const bool steps = node.plane && !node.paused;
            if (steps && (!first || node.next_step < first->next_step)) first = &node;
        }
        const SteadyTime step_at = first ? first->next_step : SimulatedClock::kNever;
        if (std::min(step_at, clock_.next()) > until) break;
        if (step_at <= clock_.next()) {
            step(*first);
        } else {
            clock_.run_next();
        }
        look();
    }
    clock_.advance(until);
}

/// Nothing happens until the next event: workers would look at what they know.
inline void SimulatedCluster::leap(SteadyTime until) {
    const SteadyTime to = std::min(until, clock_.next());
    for (Node& node : nodes_) node.next_step = std::max(node.next_step, to + 1ms);
}

/// What the plane's thread does, with its pauses.
inline void SimulatedCluster::step(Node& node) {
    clock_.advance(node.next_step);
    node.next_step = SimulatedClock::kNever;  // what wakes it meanwhile makes that earlier
    ++node.calls;
    const bool up = node.plane->step(Deadline::never()).has_value();
    --node.calls;
    ++figures_.steps;
    const bool leads = node.plane->is_leader();
    if (leads && !node.led) {
        ++figures_.leaders;
        note(node.id, " leads");
    }
    node.led = leads;
    const Duration pause = !up ? node.backoff : leads ? Duration(500ms) : Duration(5s);
    node.backoff = up ? Duration(50ms) : std::min<Duration>(node.backoff * 2, 5s);
    node.next_step = std::min(node.next_step, clock_.now() + pause);
}

inline void SimulatedCluster::look() {
    if (std::exchange(owners_changed_, false)) {
        ClusterChecks::Owners owners;
        for (const Node& node : nodes_) {
            if (!node.plane || broker_.is_cut(node.id) || broker_.is_down()) continue;  // it gets nothing
            for (auto& key : node.hands->alive()) owners[std::move(key)].insert(node.id);
        }
        checks_.run_now(std::move(owners));
    }
    checks_.look();
    if (in_trouble()) disturbed();
    const Duration calm = clock_.now() - disturbed_at_;
    if (rests_ || calm <= ClusterChecks::kBound * 2 / 3) return;
    if (!sizes_) sizes_ = sizes();
    if (calm <= ClusterChecks::kBound) return;
    std::map<std::string, const ControlPlane*> workers;
    for (const Node& node : nodes_) {
        if (is_well(node)) workers.emplace(node.id, node.plane.get());
    }
    checks_.at_rest(workers);
    if (*sizes_ != sizes()) checks_.violated("something is written although nothing has happened");
    ++figures_.rests;
    rests_ = true;
}

inline bool SimulatedCluster::is_well(const Node& node) const {
    return node.plane && !node.paused && broker_.reaches(node.id);
}

/// Something is on its way that may change what has to run where.
inline bool SimulatedCluster::in_trouble() const {
    bool one_is_well = false;
    for (const Node& node : nodes_) {
        if (!node.plane) continue;
        one_is_well = one_is_well || is_well(node);
        const bool away = node.paused || broker_.is_cut(node.id);
        if (away == broker_.has_session(node.id)) return true;  // the broker doesn't know yet, or the worker
        if (!away && !node.hands->held()) return true;
    }
    return !one_is_well || broker_.is_down() || broker_.believes_in_the_dead();
}

inline SimulatedCluster::Node* SimulatedCluster::find(const std::string& id) {
    const auto found = std::ranges::find(nodes_, id, &Node::id);
    return found == nodes_.end() ? nullptr : &*found;
}

/// The worker that a client turns to.
inline SimulatedCluster::Node* SimulatedCluster::asked() {
    Node& node = any();
    return node.plane && !node.paused && node.plane->initialized() ? &node : nullptr;
}

// Workers come and go.

inline void SimulatedCluster::start(Node& node) {
    SimulatedBroker::Face& face = broker_.face(node.id);
    broker_.open_session(node.id);
    PlaneOptions options;
    options.label = node.id;
    options.topics = names_;
    options.worker_id = node.id;
    options.participant = node.id + ":host:1";
    options.tenant = "public";
    options.ns = "functions";
    options.leader_patience = 0s;
    options.now = [this] { return clock_.now(); };
    node.hands =
        std::make_unique<SimulatedHands>(clock_, dice_, rates_.hands, [this] { owners_changed_ = true; });
    node.peers = std::make_unique<Peers>(*this, node);
    node.plane = std::make_unique<ControlPlane>(std::move(options), face, face, *node.peers, *node.hands);
    node.next_step = node.well_since = clock_.now();
    node.backoff = 50ms;
    node.led = false;
    note(node.id, " starts");
    disturbed();
    if (broker_.is_cut(node.id)) expire_later(node);
}

/// The process ends; its connections too, unless the machine is lost with it, or its network was before.
inline void SimulatedCluster::end(Node& node, bool silently) {
    if (!node.plane || node.calls > 0) return;
    ++figures_.kills;
    note(node.id, silently ? " is lost with its machine" : " is killed");
    disturbed();
    if (silently || broker_.is_cut(node.id)) {
        clock_.after(dice_.between(30s, 60s), [this, ghost = broker_.abandon(node.id)] {
            broker_.expire(ghost);
            disturbed();
        });
    }
    ++node.turn;
    node.paused = false;
    node.requests.clear();
    node.plane.reset();
    node.hands.reset();
    owners_changed_ = true;
    restart_later(node, 1s, 10min);
}

inline void SimulatedCluster::restart_later(Node& node, Duration least, Duration most) {
    const Duration away =
        ends_ ? least : dice_.magnitude(least, most);  // who leaves at the end is repaired, too
    clock_.after(away, [this, &node] {
        if (!node.plane) start(node);
    });
}

/// Hands over, and ends.
inline void SimulatedCluster::leave(Node& node) {
    if (!node.plane || node.paused || node.calls > 0) return;
    ++figures_.leaves;
    note(node.id, " leaves");
    node.drained = true;
    disturbed();
    ++node.calls;
    node.plane->hand_over(Deadline::after(0s));
    --node.calls;
    clock_.after(3s, [this, &node] { end(node, false); });
}

/// SIGSTOP: the broker finds out at its keep-alive, the instances when the lease ends.
inline void SimulatedCluster::freeze(Node& node) {
    note(node.id, " stands still");
    disturbed();
    node.paused = true;
    node.hands->freeze();
    ++node.turn;
    clock_.after(1500ms, [&node, turn = node.turn] {
        if (node.turn == turn) node.hands->lapse();
    });
    expire_later(node);
}

inline void SimulatedCluster::thaw(Node& node) {
    note(node.id, " goes on");
    disturbed();
    ++node.turn;
    node.paused = false;
    node.hands->thaw();
    for (auto& late : std::exchange(node.requests, {})) {
        clock_.after(1ms, [&node, turn = node.turn, late = std::move(late)] {
            if (node.turn == turn) late();
        });
    }
    if (broker_.is_cut(node.id)) {
        expire_later(node);  // the timer of the cut is void
    } else {
        reconnect_later(node);
    }
    find_out(node);
    wake(node);
}

/// It slept for longer than the lease: reads what is still its own first (Running::find_out_what_is_ours).
inline void SimulatedCluster::find_out(Node& node) {
    if (node.hands->held()) return;
    clock_.after(dice_.between(0ms, 250ms), [this, &node, turn = node.turn] {
        if (node.turn != turn) return;
        if (node.calls > 0) return find_out(node);
        ++node.calls;
        const bool knows = node.plane->catch_up(Deadline::never()).has_value();
        --node.calls;
        if (node.turn != turn) return;  // it slept again in there
        if (!knows) return find_out(node);
        clock_.after(dice_.magnitude(10ms, 2s), [this, &node, turn] {
            if (node.turn != turn) return;
            node.hands->reinstate();
            disturbed();
        });
    });
}

/// The whole process stands still while it calls the broker; the world goes on.
inline void SimulatedCluster::sleep_in_a_call(const std::string& worker) {
    if (asleep_in_a_call_ || ends_ || !dice_.chance(rates_.sleeps_in_a_call)) return;
    Node& node = *find(worker);
    if (node.paused || node.calls == 0) return;
    asleep_in_a_call_ = true;
    ++figures_.sleeps_in_calls;
    freeze(node);
    run_until(clock_.now() + dice_.magnitude(100ms, 3min));
    thaw(node);
    if (dice_.chance(0.5) && !broker_.is_cut(worker)) broker_.reconnect(worker);
    asleep_in_a_call_ = false;
}

// The network, the broker.

inline void SimulatedCluster::cut(Node& node) {
    if (!node.plane || broker_.is_cut(node.id)) return;
    ++figures_.cuts;
    note(node.id, " is cut off");
    disturbed();
    broker_.cut(node.id);
    owners_changed_ = true;
    expire_later(node);
    clock_.after(dice_.magnitude(500ms, 10min), [this, &node] { heal(node); });
}

inline void SimulatedCluster::heal(Node& node) {
    if (!broker_.is_cut(node.id)) return;
    note(node.id, " is connected again");
    disturbed();
    broker_.heal(node.id);
    node.well_since = clock_.now();
    owners_changed_ = true;
    reconnect_later(node);
}

inline void SimulatedCluster::expire_later(Node& node) {
    if (!broker_.has_session(node.id)) return;
    clock_.after(dice_.between(30s, 60s), [this, &node, turn = node.turn] {
        const bool away = node.plane && (node.paused || broker_.is_cut(node.id));
        if (node.turn != turn || !away) return;
        ++figures_.expired;
        note("the broker misses ", node.id);
        broker_.expire(node.id);
        disturbed();
    });
}

inline void SimulatedCluster::reconnect_later(Node& node) {
    node.well_since = clock_.now();
    clock_.after(dice_.magnitude(20ms, 2s), [this, &node] {
        if (!node.plane || node.paused || broker_.has_session(node.id)) return;
        broker_.reconnect(node.id);
        node.well_since = clock_.now();
        disturbed();
    });
}

inline void SimulatedCluster::restart_broker() {
    if (broker_.is_down()) return;
    ++figures_.broker_restarts;
    note("the broker goes down");
    disturbed();
    broker_.go_down();
    owners_changed_ = true;
    clock_.after(dice_.magnitude(500ms, 1min), [this] {
        note("the broker is up");
        disturbed();
        broker_.come_up();
        owners_changed_ = true;
        for (Node& node : nodes_) reconnect_later(node);
    });
}

inline void SimulatedCluster::slow_down(Node& node) {
    broker_.set_delay(node.id, dice_.magnitude(5ms, 2s));
    clock_.after(dice_.magnitude(10s, 30min), [this, &node] { broker_.set_delay(node.id, 2ms); });
}

/// Everything that is broken is whole again.
inline void SimulatedCluster::repair() {
    for (Node& node : nodes_) {
        node.peers_cut = false;
        heal(node);
        if (node.paused) thaw(node);
        if (!node.plane) start(node);
    }
}

// Clients.

inline void SimulatedCluster::request() {
    Node* const node = asked();
    if (!node) return;
    const std::string name = str_cat('f', dice_.below(8));
    const MetaPtr known = node->plane->find({"t", "n", name});
    auto next = known ? std::make_shared<::proto::FunctionMetaData>(*known)
                      : std::make_shared<::proto::FunctionMetaData>();
    auto& details = *next->mutable_functiondetails();
    const auto parallelism = [this] { return static_cast<std::int32_t>(1 + dice_.below(4)); };
    MetadataChange change = MetadataChange::update;
    bool is_unique = true;  // no other request says the same
    const std::size_t what = known ? dice_.below(4) : 4;
    if (what < 3) next->set_version(known->version() + 1);
    if (what != 3) details.set_userconfig(str_cat(++changes_));
    if (what == 0) {
        change = MetadataChange::remove;
        is_unique = false;
    } else if (what == 1) {
        details.set_parallelism(parallelism());
    } else if (what == 3) {
        is_unique = false;
        const bool stops = dice_.chance(0.3);
        model::change_state(*next, -1, stops ? model::StateChange::stop : model::StateChange::start);
    } else if (what == 4) {
        details.set_tenant("t");
        details.set_namespace_("n");
        details.set_name(name);
        details.set_runtime(::proto::FunctionDetails::PYTHON);
        details.set_parallelism(parallelism());
        next->set_createtime(++created_);
    }
    ++figures_.requests;
    disturbed();
    const Deadline now = Deadline::after(0s);
    ++node->calls;
    const auto done =
        change == MetadataChange::remove ? node->plane->remove(next, {}, now) : node->plane->put(next, now);
    --node->calls;
    owners_changed_ = true;  // what is wanted has
    disturbed();
    note("request to ", node->id, ": ", name, " version ", next->version(),
         change == MetadataChange::remove ? " removed: " : ": ", done ? "done" : done.error().message);
    if (done) {
        ++figures_.confirmed;
        checks_.confirmed(*next, change);
    } else if (is_unique && done.error().code != ErrorCode::unknown_outcome) {
        checks_.refused(*next, change);
    }
}

/// A rebalance or a drain.
inline void SimulatedCluster::order() {
    Node* const node = asked();
    if (!node) return;
    ordered_at_ = clock_.now();
    disturbed();
    const Deadline now = Deadline::after(0s);
    ++node->calls;
    if (dice_.chance(0.5)) {
        const auto done = node->plane->rebalance(now);
        note("rebalance by ", node->id, ": ", done ? "done" : done.error().message);
    } else {
        Node& leaver = any();
        const std::string& worker = leaver.id;
        leaver.drained = true;
        const bool leads = node->plane->is_leader();
        const auto done = node->plane->drain(worker, now);
        note("drain of ", worker, " by ", node->id, ": ", done ? "done" : done.error().message);
        const auto status = node->plane->drain_status(worker);
        const bool is_new = done || done.error().code == ErrorCode::unknown_outcome ||
                            done.error().code == ErrorCode::conflict;  // else there was none, or an old one
        if (leads && is_new && status && status->state == DrainStatus::State::done) checks_.drained(worker);
    }
    --node->calls;
    ordered_at_ = clock_.now();
    disturbed();
}

inline void SimulatedCluster::stored(const std::string& writer, const std::string& topic,
                                     const Record& record) {
    if (topic == names_.metadata) return checks_.metadata_stored(record);
    const std::string from = checks_.assignment_stored(record);
    const Node* const node = from.empty() ? nullptr : find(from);
    if (!node) return;
    note(writer, " takes ", record.key, " from ", from);
    constexpr Duration kLongAgo = 90s;
    const bool well = is_well(*node) && !node->drained && clock_.now() - node->well_since > kLongAgo;
    if (well && clock_.now() - ordered_at_ > kLongAgo)
        checks_.violated(str_cat(writer, " takes ", record.key, " from ", from, ", which is well"));
}

}  // namespace weft::worker::testing
