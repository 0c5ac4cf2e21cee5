#pragma once
// SimulatedBroker: the internal topics as workers see them over a network, in virtual time. Each worker has a
// link that may be slow or cut, and a session: what it is (its producers, its consumer) the broker believes
// until it misses the worker. A session that ended comes back with another standing: its consumer as the last
// of the subscription, its exclusive producer only if nobody else has had the topic meanwhile.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/deps.h"
#include "worker/testing/simulated_clock.h"

namespace weft::worker::testing {

class SimulatedBroker {
  public:
    /// What the simulation is told; set before the first worker comes.
    struct Hooks {
        std::function<void(const std::string& worker)>
            called;  // it calls the broker: it may fall asleep here
        std::function<void(const std::string& worker)> arrived;  // records, for it to read
        std::function<void(const std::string& worker)> changed;  // who leads, as it is told
        std::function<void(const std::string& worker, const std::string& topic, const Record& record)> stored;
        std::function<void(const std::string& worker, const std::string& what)> failed;  // an append
    };
    enum class Failover : std::uint8_t { by_arrival, by_name };  // who of the subscription is active

    SimulatedBroker(SimulatedClock& clock, Dice& dice, Failover failover)
        : clock_(clock), dice_(dice), failover_(failover) {}
    Hooks hooks;
    double lost = 0, stored_but_unknown = 0;  // how probable it is for an append

    /// The broker as one worker reaches it; lives as long as this.
    class Face;
    Face& face(const std::string& worker);

    // Links and sessions.
    void cut(const std::string& worker) { links_.at(worker).cut = true; }
    void heal(const std::string& worker);
    void set_delay(const std::string& worker, Duration delay) { links_.at(worker).delay = delay; }
    /// The broker misses the worker: its consumers and producers are no more.
    void expire(const std::string& worker);
    /// The worker's client is back: with a new session.
    void reconnect(const std::string& worker);
    /// Its process is gone without a word; what the broker knows of it goes on under another name until that
    /// expires. Before the process's objects end.
    std::string abandon(const std::string& worker);
    /// A new process.
    void open_session(const std::string& worker);
    bool is_cut(const std::string& worker) const { return links_.at(worker).cut; }
    bool has_session(const std::string& worker) const { return links_.at(worker).session; }
    /// Whether the worker gets through.
    bool reaches(const std::string& worker) const {
        const Link& link = links_.at(worker);
        return !down_ && !link.cut && link.session;
    }
    /// Whether the broker believes in something that is no more.
    bool believes_in_the_dead() const;
    void go_down();
    void come_up() { down_ = false; }
    bool is_down() const { return down_; }

    /// Replaces what stands in the topic, for a process that begins to read it, by the latest of each key.
    /// Who has known more reads on in the whole: it has to see removals.
    void compact(const std::string& topic);
    std::size_t size(const std::string& topic) { return topics_[topic].log.size(); }
    Participants participants(const std::string& topic) const;

  private:
    class Reader;
    class Writer;
    class Member;
    struct Link {
        bool cut = false, session = true;
        Duration delay = 2ms;
    };
    struct Owner {  // of a topic's exclusive access
        std::string worker;
        Writer* writer;  // null: the worker has let it go, which the broker doesn't know
    };
    struct Seat {  // in a subscription
        std::string worker, participant;
        Member* member;      // null: as above
        std::uint64_t life;  // the number of its member
    };
    struct Topic {
        std::vector<Record> log;
        std::size_t horizon = 0;             // compacted up to here
        std::vector<std::size_t> compacted;  // what of that stays
        std::uint64_t epoch = 0;             // how many have had exclusive access
        std::optional<Owner> owner;
        std::vector<Seat> seats;  // in the order of arrival
    };

    const Seat* active(const Topic& topic) const;
    void lose_session(Member& member);
    void tell(Member& member);
    void tell_members(const std::string& topic);
    void deliver(Reader& reader);
    void settle(const std::string& worker);

    SimulatedClock& clock_;
    Dice& dice_;
    const Failover failover_;
    std::map<std::string, Topic> topics_;
    std::map<std::string, Link> links_;
    std::map<std::string, std::unique_ptr<Face>> faces_;
    std::map<std::uint64_t, Reader*> readers_;  // by their number
    std::map<std::uint64_t, Writer*> writers_;
    std::map<std::uint64_t, Member*> members_;
    std::uint64_t made_ = 0;
    bool down_ = false;
};

class SimulatedBroker::Reader final : public TopicReader {
  public:
    enum class Begin : std::uint8_t { compacted, whole };
    Reader(SimulatedBroker& broker, std::string worker_id, std::string topic_name, wire::MessageId after,
           Begin begin, std::function<void()> tell)
        : worker(std::move(worker_id)),
          topic(std::move(topic_name)),
          arrived(std::move(tell)),
          number(++broker.made_),
          broker_(broker),
          position_(after) {
        const Topic& from = broker_.topics_[topic];
        if (after != wire::MessageId::earliest()) {
            next_ = after.entry + 1;
        } else if (begin == Begin::compacted) {
            first_ = from.compacted;
            next_ = from.horizon;
        }
        broker_.readers_.emplace(number, this);
    }
    ~Reader() override { broker_.readers_.erase(number); }
    Result<> take_arrived(const Take& take, Deadline) override {
        read(take);
        return {};
    }
    Result<> catch_up(const Take& take, Deadline) override {
        broker_.hooks.called(worker);
        if (!broker_.reaches(worker)) return fail(ErrorCode::unavailable, "no broker");
        there = broker_.topics_[topic].log.size();
        read(take);
        return {};
    }
    wire::MessageId position() const override { return position_; }

    const std::string worker, topic;
    const std::function<void()> arrived;
    const std::uint64_t number;
    std::size_t there = 0;  // how much of the topic has come to the worker

  private:
    void read(const Take& take) {
        const auto& log = broker_.topics_[topic].log;
        for (const std::size_t at : first_) hand_over(log, at, take);
        first_.clear();
        for (; next_ < there; ++next_) hand_over(log, next_, take);
    }
    void hand_over(const std::vector<Record>& log, std::size_t at, const Take& take) {
        position_ = {7, at, -1, -1};
        take(log[at]);
    }
    SimulatedBroker& broker_;
    wire::MessageId position_;
    std::vector<std::size_t> first_;  // compacted entries
    std::size_t next_ = 0;
};

class SimulatedBroker::Writer final : public TopicWriter {
  public:
    Writer(SimulatedBroker& broker, std::string worker_id, std::string topic_name)
        : worker(std::move(worker_id)),
          topic(std::move(topic_name)),
          number(++broker.made_),
          epoch(++broker.topics_[topic].epoch),
          broker_(broker) {
        broker_.topics_[topic].owner = {worker, this};
        broker_.writers_.emplace(number, this);
    }
    ~Writer() override {
        broker_.writers_.erase(number);
        auto& owner = broker_.topics_[topic].owner;
        if (!owner || owner->writer != this) return;
        owner->writer = nullptr;
        if (broker_.reaches(worker)) owner.reset();
    }
    Result<> append(std::span<const Record> records, Deadline) override {
        broker_.hooks.called(worker);
        Topic& mine = broker_.topics_[topic];
        if (!broker_.reaches(worker)) return unknown("unreachable");
        if (!mine.owner || mine.owner->writer != this) {
            broker_.hooks.failed(worker, "is fenced");
            return fail(ErrorCode::conflict, "fenced");
        }
        if (broker_.dice_.chance(broker_.lost)) return unknown("lost");
        const bool tells = !broker_.dice_.chance(broker_.stored_but_unknown);
        for (const Record& record : records) {
            mine.log.push_back(record);
            broker_.hooks.stored(worker, topic, record);
        }
        for (const auto& [key, reader] : broker_.readers_) {
            if (reader->topic == topic) broker_.deliver(*reader);
        }
        broker_.hooks.called(worker);  // stored, and the worker sleeps before it hears of it
        if (!tells || !broker_.reaches(worker)) return unknown("stored, no receipt");
        return {};
    }
    const std::string worker, topic;
    const std::uint64_t number, epoch;

  private:
    std::unexpected<Error> unknown(const char* what) {
        broker_.hooks.failed(worker, str_cat("writes to ", topic.substr(topic.rfind('/') + 1), ": ", what));
        return fail(ErrorCode::unknown_outcome, "no receipt");
    }
    SimulatedBroker& broker_;
};

class SimulatedBroker::Member final : public Membership {
  public:
    Member(SimulatedBroker& broker, std::string worker_id, std::string topic_name,
           std::string participant_name, std::function<void()> tell)
        : worker(std::move(worker_id)),
          topic(std::move(topic_name)),
          participant(std::move(participant_name)),
          changed(std::move(tell)),
          number(++broker.made_),
          broker_(broker) {
        broker_.members_.emplace(number, this);
    }
    ~Member() override {
        broker_.members_.erase(number);
        auto& seats = broker_.topics_[topic].seats;
        for (Seat& seat : seats) {
            if (seat.member == this) seat.member = nullptr;
        }
        if (!broker_.reaches(worker)) return;
        std::erase_if(seats, [this](const Seat& seat) { return seat.worker == worker && !seat.member; });
        broker_.tell_members(topic);
    }
    bool is_leader() const override { return told_active.value_or(false); }

    const std::string worker, topic, participant;
    const std::function<void()> changed;
    const std::uint64_t number;
    std::optional<bool> told_active;  // what the broker has said last in this session

  private:
    SimulatedBroker& broker_;
};

class SimulatedBroker::Face final : public InternalTopics, public BrokerAdmin {
  public:
    Face(SimulatedBroker& broker, std::string worker) : broker_(broker), worker_(std::move(worker)) {}

    Result<std::unique_ptr<TopicReader>> open_reader(const std::string& topic, const std::string&,
                                                     ReaderStart start, std::function<void()> arrived,
                                                     Deadline) override {
        WEFT_TRY_VOID(reach());
        const auto begin = start.compacted ? Reader::Begin::compacted : Reader::Begin::whole;
        return std::make_unique<Reader>(broker_, worker_, topic, start.after, begin, std::move(arrived));
    }
    Result<std::unique_ptr<TopicWriter>> open_writer(const std::string& topic, const std::string&,
                                                     Deadline) override {
        WEFT_TRY_VOID(reach());
        if (broker_.topics_[topic].owner) return fail(ErrorCode::conflict, "producer is busy");
        return std::make_unique<Writer>(broker_, worker_, topic);
    }
    Result<std::unique_ptr<Membership>> join(const std::string& topic, const std::string& participant,
                                             std::function<void()> changed, Deadline) override {
        WEFT_TRY_VOID(reach());
        auto member = std::make_unique<Member>(broker_, worker_, topic, participant, std::move(changed));
        broker_.topics_[topic].seats.push_back({worker_, participant, member.get(), member->number});
        const Seat* const active = broker_.active(broker_.topics_[topic]);
        member->told_active = active && active->member == member.get();
        broker_.tell_members(topic);
        return member;
    }
    Result<Participants> participants(const std::string& topic, Deadline) override {
        WEFT_TRY_VOID(reach());
        return broker_.participants(topic);
    }
    Result<bool> tenant_exists(const std::string&, Deadline) override { return true; }
    Result<bool> namespace_exists(const std::string&, const std::string&, Deadline) override { return true; }
    Result<NamespaceRights> rights_in(const std::string&, const std::string&, Deadline) override {
        return NamespaceRights{};
    }
    Result<> ensure_namespace(const std::string&, const std::string&, Deadline) override { return reach(); }
    Result<> delete_subscription(const std::string&, const std::string&, Deadline) override {
        return reach();
    }
    Result<> compact(const std::string&, Deadline) override { return reach(); }

  private:
    Result<> reach() {
        broker_.hooks.called(worker_);
        if (!broker_.reaches(worker_)) return fail(ErrorCode::unavailable, "no broker");
        return {};
    }
    SimulatedBroker& broker_;
    const std::string worker_;
};

inline SimulatedBroker::Face& SimulatedBroker::face(const std::string& worker) {
    links_.try_emplace(worker);
    auto& face = faces_[worker];
    if (!face) face = std::make_unique<Face>(*this, worker);
    return *face;
}

inline const SimulatedBroker::Seat* SimulatedBroker::active(const Topic& topic) const {
    if (topic.seats.empty()) return nullptr;
    if (failover_ == Failover::by_arrival) return &topic.seats.front();
    return &*std::ranges::min_element(topic.seats, {}, &Seat::participant);
}

inline Participants SimulatedBroker::participants(const std::string& topic) const {
    Participants found;
    const auto entry = topics_.find(topic);
    if (entry == topics_.end()) return found;
    for (const Seat& seat : entry->second.seats) {
        auto member = parse_participant(seat.participant);
        if (!member) continue;
        member->life = str_cat(seat.life);
        found.members.push_back(std::move(*member));
    }
    if (const Seat* const leader = active(entry->second)) {
        if (const auto member = parse_participant(leader->participant)) found.leader = member->worker_id;
    }
    return found;
}

inline void SimulatedBroker::lose_session(Member& member) {
    if (!std::exchange(member.told_active, std::nullopt).value_or(false)) return;
    member.changed();
    hooks.changed(member.worker);
}

/// A client passes on what is new to it.
inline void SimulatedBroker::tell(Member& member) {
    const Seat* const leader = active(topics_[member.topic]);
    const bool is_active = leader && leader->member == &member;
    if (std::exchange(member.told_active, is_active) == is_active) return;
    member.changed();
    hooks.changed(member.worker);
}

/// The word reaches each of them when its link lets it, and says what holds then.
inline void SimulatedBroker::tell_members(const std::string& topic) {
    for (const Seat& seat : topics_[topic].seats) {
        if (!seat.member) continue;
        clock_.after(links_.at(seat.worker).delay, [this, topic, number = seat.member->number] {
            const auto found = members_.find(number);
            if (found == members_.end() || !reaches(found->second->worker)) return;
            tell(*found->second);
        });
    }
}

inline void SimulatedBroker::deliver(Reader& reader) {
    clock_.after(links_.at(reader.worker).delay,
                 [this, number = reader.number, size = topics_[reader.topic].log.size()] {
                     const auto found = readers_.find(number);
                     if (found == readers_.end() || !reaches(found->second->worker)) return;
                     found->second->there = std::max(found->second->there, size);
                     found->second->arrived();
                     hooks.arrived(found->second->worker);
                 });
}

/// What a worker has closed while it was cut off is closed now.
inline void SimulatedBroker::settle(const std::string& worker) {
    for (auto& [name, topic] : topics_) {
        if (topic.owner && topic.owner->worker == worker && !topic.owner->writer) topic.owner.reset();
        const auto gone = std::erase_if(
            topic.seats, [&](const Seat& seat) { return seat.worker == worker && !seat.member; });
        if (gone > 0) tell_members(name);
    }
    for (const auto& [number, reader] : readers_) {
        if (reader->worker == worker) deliver(*reader);
    }
}

inline void SimulatedBroker::heal(const std::string& worker) {
    links_.at(worker).cut = false;
    if (!reaches(worker)) return;
    settle(worker);
    for (auto& [name, topic] : topics_) tell_members(name);
}

inline void SimulatedBroker::expire(const std::string& worker) {
    links_.at(worker).session = false;
    for (auto& [name, topic] : topics_) {
        if (topic.owner && topic.owner->worker == worker) topic.owner.reset();
        const auto gone = std::erase_if(topic.seats, [&](const Seat& seat) { return seat.worker == worker; });
        if (gone > 0) tell_members(name);
    }
}

inline void SimulatedBroker::reconnect(const std::string& worker) {
    Link& link = links_.at(worker);
    if (down_ || link.cut || link.session) return;
    link.session = true;
    for (const auto& [number, writer] : writers_) {
        if (writer->worker != worker) continue;
        Topic& topic = topics_[writer->topic];
        if (!topic.owner && topic.epoch == writer->epoch) topic.owner = {worker, writer};
    }
    for (const auto& [number, member] : members_) {
        if (member->worker != worker) continue;
        lose_session(*member);
        topics_[member->topic].seats.push_back({worker, member->participant, member, member->number});
        if (dice_.chance(0.5)) tell(*member);  // before the worker has looked at what it had lost
        tell_members(member->topic);
    }
    settle(worker);
}

inline void SimulatedBroker::open_session(const std::string& worker) { links_.at(worker).session = !down_; }

inline std::string SimulatedBroker::abandon(const std::string& worker) {
    std::string ghost = str_cat(worker, " (gone ", ++made_, ")");
    links_.try_emplace(ghost);
    for (auto& [name, topic] : topics_) {
        if (topic.owner && topic.owner->worker == worker) topic.owner = {ghost, nullptr};
        for (Seat& seat : topic.seats) {
            if (seat.worker == worker) seat = {ghost, seat.participant, nullptr, seat.life};
        }
    }
    return ghost;
}

inline bool SimulatedBroker::believes_in_the_dead() const {
    return std::ranges::any_of(topics_, [](const auto& entry) {
        const Topic& topic = entry.second;
        return (topic.owner && !topic.owner->writer) ||
               std::ranges::any_of(topic.seats, [](const Seat& seat) { return !seat.member; });
    });
}

/// All sessions end. Clients notice at once, and lead no more.
inline void SimulatedBroker::go_down() {
    down_ = true;
    for (const auto& [worker, link] : links_) expire(worker);
    for (const auto& [number, member] : members_) lose_session(*member);
}

inline void SimulatedBroker::compact(const std::string& topic_name) {
    Topic& topic = topics_[topic_name];
    std::map<std::string, std::size_t> latest;
    for (std::size_t at = 0; at < topic.log.size(); ++at) latest[topic.log[at].key] = at;
    topic.compacted.clear();
    for (const auto& [key, at] : latest) {
        if (!topic.log[at].payload.empty()) topic.compacted.push_back(at);
    }
    std::ranges::sort(topic.compacted);
    topic.horizon = topic.log.size();
}

}  // namespace weft::worker::testing
