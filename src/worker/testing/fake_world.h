#pragma once
// Fakes of what the worker needs (deps.h): topics in memory that survive a "restart", a broker that answers
// as told, instances that only note what was asked of them.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/worker_peers.h"

namespace weft::worker::testing {

/// The internal topics; outlives workers. As with a broker, a participant's session may end without its doing
/// (expire()): it leads no more, and what it writes is refused.
class FakeTopics final : public InternalTopics {
  public:
    enum class Outcome : std::uint8_t { stored_but_unknown, lost };

    Result<std::unique_ptr<TopicReader>> open_reader(const std::string& topic, const std::string& reader,
                                                     ReaderStart start, std::function<void()> arrived,
                                                     Deadline) override {
        const std::lock_guard lock(mutex_);
        if (down_) return fail(ErrorCode::unavailable, "broker is down");
        readers.insert(reader);
        return std::make_unique<Reader>(*this, topic, start.after, std::move(arrived));
    }

    Result<std::unique_ptr<TopicWriter>> open_writer(const std::string& topic, const std::string& producer,
                                                     Deadline) override {
        const std::lock_guard lock(mutex_);
        if (down_) return fail(ErrorCode::unavailable, "broker is down");
        if (writers_.contains(topic)) return fail(ErrorCode::conflict, "producer is busy");
        producers.insert(producer);
        auto writer = std::make_unique<Writer>(*this, topic, producer);
        writers_[topic] = writer.get();
        return writer;
    }

    Result<std::unique_ptr<Membership>> join(const std::string& topic, const std::string& participant,
                                             std::function<void()> changed, Deadline) override {
        std::unique_ptr<Member> member;
        {
            const std::lock_guard lock(mutex_);
            if (down_) return fail(ErrorCode::unavailable, "broker is down");
            participants.insert(participant);
            member = std::make_unique<Member>(*this, topic, participant, std::move(changed));
            members_[topic].push_back(member.get());
        }
        return member;
    }

    /// What the broker's stats say. Those whose names begin with "java" are Pulsar's own.
    Participants stats_of(const std::string& topic) {
        const std::lock_guard lock(mutex_);
        Participants found;
        for (const Member* member : members_[topic]) {
            if (auto parsed = parse_participant(member->participant)) {
                parsed->is_weft = !parsed->worker_id.starts_with("java");
                parsed->life = member->life;
                found.members.push_back(*parsed);
            }
        }
        if (leader_ && !found.members.empty()) found.leader = found.members.front().worker_id;
        return found;
    }
    /// Ends the sessions of a worker: of its members and its writers.
    void expire(const std::string& worker_id) {
        std::vector<std::function<void()>> told;
        {
            const std::lock_guard lock(mutex_);
            for (auto& [topic, members] : members_) {
                std::erase_if(members, [&](Member* member) {
                    return member->participant.starts_with(worker_id + ":");
                });
                for (const Member* member : members) told.push_back(member->changed);
            }
            std::erase_if(writers_, [&](const auto& entry) {
                return entry.second->producer.starts_with(worker_id + "-");
            });
        }
        for (const auto& tell : told) tell();
    }
    /// What an expired worker's client does when it comes back: its members are there again, behind the
    /// others.
    void reconnect(const std::string& worker_id) {
        const std::lock_guard lock(mutex_);
        for (Member* member : all_members_) {
            auto& members = members_[member->topic];
            if (member->participant.starts_with(worker_id + ":") &&
                std::ranges::find(members, member) == members.end())
                members.push_back(member);
        }
    }
    /// Readers that don't read to the end get only what was there before the last `records`.
    void delay_arrivals(std::size_t records) {
        const std::lock_guard lock(mutex_);
        delayed_ = records;
    }
    void set_down(bool down) {
        const std::lock_guard lock(mutex_);
        down_ = down;
    }
    void set_leader(bool leader) {
        std::vector<std::function<void()>> told;
        {
            const std::lock_guard lock(mutex_);
            leader_ = leader;
            for (const Member* member : all_members_) told.push_back(member->changed);
        }
        for (const auto& tell : told) tell();
    }
    /// And nobody is told.
    void set_leader_silently(bool leader) {
        const std::lock_guard lock(mutex_);
        leader_ = leader;
    }
    /// The next append to a topic with this ending fails that way.
    void fail_next_append(const std::string& ending, Outcome outcome) {
        const std::lock_guard lock(mutex_);
        failures_[ending] = outcome;
    }
    std::vector<Record> log(const std::string& topic) {
        const std::lock_guard lock(mutex_);
        return logs_[topic];
    }
    void put(const std::string& topic, Record record) {
        const std::lock_guard lock(mutex_);
        logs_[topic].push_back(std::move(record));
    }
    /// Worker ids of those who wrote, one per record, as long as the writer was the topic's.
    std::vector<std::string> writers_of(const std::string& topic) {
        const std::lock_guard lock(mutex_);
        return authors_[topic];
    }

    std::set<std::string> readers, producers, participants;

  private:
    class Reader final : public TopicReader {
      public:
        Reader(FakeTopics& topics, std::string topic, wire::MessageId after, std::function<void()> arrived)
            : topics_(topics), topic_(std::move(topic)), position_(after), arrived_(std::move(arrived)) {
            topics_.listeners_.insert(this);
        }
        ~Reader() override {
            const std::lock_guard lock(topics_.mutex_);
            topics_.listeners_.erase(this);
        }
        Result<> take_arrived(const Take& take, Deadline) override { return read(take, topics_.delayed_); }
        Result<> catch_up(const Take& take, Deadline) override { return read(take, 0); }
        wire::MessageId position() const override { return position_; }
        const std::string& topic() const { return topic_; }
        void tell() const { arrived_(); }

      private:
        Result<> read(const Take& take, std::size_t behind) {
            std::vector<Record> records;
            {
                const std::lock_guard lock(topics_.mutex_);
                if (topics_.down_) return fail(ErrorCode::unavailable, "broker is down");
                records = topics_.logs_[topic_];
            }
            std::uint64_t at = position_ == wire::MessageId::earliest() ? 0 : position_.entry + 1;
            for (; at + behind < records.size(); ++at) {
                take(records[at]);
                position_ = {7, at, -1, -1};
            }
            return {};
        }
        FakeTopics& topics_;
        const std::string topic_;
        wire::MessageId position_;
        const std::function<void()> arrived_;
    };
    class Writer final : public TopicWriter {
      public:
        Writer(FakeTopics& topics, std::string topic, std::string name)
            : producer(std::move(name)), topics_(topics), topic_(std::move(topic)) {}
        ~Writer() override {
            const std::lock_guard lock(topics_.mutex_);
            if (is_the_topics()) topics_.writers_.erase(topic_);
        }
        Result<> append(std::span<const Record> records, Deadline) override {
            const std::lock_guard lock(topics_.mutex_);
            if (topics_.down_) return fail(ErrorCode::unavailable, "broker is down");
            if (!is_the_topics()) return fail(ErrorCode::conflict, "fenced");
            for (auto it = topics_.failures_.begin(); it != topics_.failures_.end(); ++it) {
                if (!topic_.ends_with(it->first)) continue;
                const Outcome outcome = it->second;
                topics_.failures_.erase(it);
                if (outcome == Outcome::stored_but_unknown) store(records);
                return fail(ErrorCode::unknown_outcome, "no receipt");
            }
            store(records);
            return {};
        }
        const std::string producer;

      private:
        bool is_the_topics() const {
            const auto found = topics_.writers_.find(topic_);
            return found != topics_.writers_.end() && found->second == this;
        }
        void store(std::span<const Record> records) {
            auto& log = topics_.logs_[topic_];
            log.insert(log.end(), records.begin(), records.end());
            auto& authors = topics_.authors_[topic_];
            authors.insert(authors.end(), records.size(), producer.substr(0, producer.find('-')));
            for (const Reader* reader : topics_.listeners_) {
                if (reader->topic() == topic_) reader->tell();
            }
        }
        FakeTopics& topics_;
        const std::string topic_;
    };
    class Member final : public Membership {
      public:
        Member(FakeTopics& topics, std::string topic_name, std::string name, std::function<void()> tell)
            : topic(std::move(topic_name)),
              participant(std::move(name)),
              changed(std::move(tell)),
              life(str_cat(++topics.lives_)),
              topics_(topics) {
            topics_.all_members_.insert(this);
        }
        ~Member() override {
            std::vector<std::function<void()>> told;
            {
                const std::lock_guard lock(topics_.mutex_);
                topics_.all_members_.erase(this);
                auto& members = topics_.members_[topic];
                std::erase(members, this);
                for (const Member* member : members) told.push_back(member->changed);
            }
            for (const auto& tell : told) tell();
        }
        bool is_leader() const override {
            const std::lock_guard lock(topics_.mutex_);
            const auto& members = topics_.members_[topic];
            return topics_.leader_ && !members.empty() && members.front() == this;
        }
        const std::string topic, participant;
        const std::function<void()> changed;
        const std::string life;

      private:
        FakeTopics& topics_;
    };

    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Record>> logs_;
    std::map<std::string, std::vector<std::string>> authors_;
    std::map<std::string, Writer*> writers_;
    std::map<std::string, std::vector<Member*>> members_;  // in the order of joining: the first leads
    std::set<Member*> all_members_;
    std::set<Reader*> listeners_;
    std::map<std::string, Outcome> failures_;
    std::size_t delayed_ = 0;
    std::uint64_t lives_ = 0;
    bool leader_ = true;
    bool down_ = false;
};

class FakeAdmin final : public BrokerAdmin {
  public:
    explicit FakeAdmin(FakeTopics& topics) : topics_(topics) {}
    Result<Participants> participants(const std::string& topic, Deadline) override {
        ++participants_asked;
        return topics_.stats_of(topic);
    }
    Result<bool> tenant_exists(const std::string& tenant, Deadline) override { return tenant == "public"; }
    Result<NamespaceRights> rights_in(const std::string&, const std::string&, Deadline) override {
        const std::lock_guard lock(mutex_);
        ++rights_asked;
        if (rights_unknown) return fail(ErrorCode::unavailable, "broker is down");
        return rights;
    }
    Result<bool> namespace_exists(const std::string& tenant, const std::string& ns, Deadline) override {
        return tenant == "public" && ns == "default";
    }
    Result<> ensure_namespace(const std::string&, const std::string&, Deadline) override { return {}; }
    Result<> delete_subscription(const std::string& topic, const std::string& subscription,
                                 Deadline) override {
        const std::lock_guard lock(mutex_);
        if (refusals_ > 0) {
            --refusals_;
            return fail(ErrorCode::conflict, "consumers are connected");
        }
        deleted_.push_back(topic + " " + subscription);
        return {};
    }
    Result<> compact(const std::string& topic, Deadline) override {
        const std::lock_guard lock(mutex_);
        if (refusals_ > 0) {
            --refusals_;
            return fail(ErrorCode::unavailable, "not now");
        }
        compacted_.push_back(topic);
        return {};
    }
    std::vector<std::string> compacted() const {
        const std::lock_guard lock(mutex_);
        return compacted_;
    }
    void refuse(int times) {
        const std::lock_guard lock(mutex_);
        refusals_ = times;
    }
    std::vector<std::string> deleted() const {
        const std::lock_guard lock(mutex_);
        return deleted_;
    }

    NamespaceRights rights;  // of every namespace; set by the test while nobody asks
    bool rights_unknown = false;
    int rights_asked = 0;
    std::atomic<int> participants_asked{0};

  private:
    FakeTopics& topics_;
    mutable std::mutex mutex_;
    std::vector<std::string> deleted_, compacted_;
    int refusals_ = 0;
};

/// Other workers, as far as a test has some.
class FakePeers final : public WorkerPeers {
  public:
    using Write =
        std::function<Result<>(const Member&, MetadataChange, const ::proto::FunctionMetaData&, Deadline)>;
    using Order = std::function<Result<>(const Member&, const std::string& path, Deadline)>;
    using Ask = std::function<Result<std::string>(const Member&, const std::string& request)>;
    Result<> write(const Member& leader, MetadataChange change, const ::proto::FunctionMetaData& meta,
                   Deadline deadline) override {
        return on_write ? on_write(leader, change, meta, deadline) : nobody();
    }
    Result<std::string> ask(const Member& worker, std::string_view method, const std::string& path,
                            Deadline deadline) override {
        if (method != "PUT") return on_ask ? on_ask(worker, str_cat(method, ' ', path)) : nobody();
        if (!on_order) return nobody();
        WEFT_TRY_VOID(on_order(worker, path, deadline));
        return "";
    }
    Result<std::string> package(const Member&, const std::string& digest, Deadline) override {
        const auto found = packages.find(digest);
        if (found == packages.end()) return nobody();
        return found->second;
    }
    Result<std::string> package_of(const Member& worker, const model::FunctionName& function,
                                   Deadline) override {
        const auto found = packages_of.find(str_cat(worker.worker_id, ' ', function.full()));
        if (found == packages_of.end()) return nobody();
        return found->second;
    }

    Write on_write;
    Order on_order;
    Ask on_ask;  // "GET /path"
    std::map<std::string, std::string> packages;
    std::map<std::string, std::string> packages_of;  // "worker tenant/namespace/function"

  private:
    static std::unexpected<Error> nobody() { return fail(ErrorCode::unavailable, "nobody is there"); }
};

/// Answers each trigger with what it was asked, or not at all.
class FakeTrigger final : public FunctionTrigger {
  public:
    Result<std::optional<std::string>> trigger(const TriggerRequest& request, Deadline) override {
        if (request.payload == "late") return fail(ErrorCode::deadline_exceeded, "Request Timed Out");
        if (request.payload == "lost") return fail(ErrorCode::unknown_outcome, "no receipt");
        if (request.output_topic.empty()) return std::nullopt;
        return str_cat(request.input_topic, " ", request.payload, " ", request.output_topic);
    }
};

/// Starts instances that "run" until they are stopped.
class FakeStarter final : public InstanceStarter {
  public:
    Result<std::unique_ptr<runtime::Supervisor>> start(runtime::InstanceSpec spec) override {
        const std::lock_guard lock(mutex_);
        if (failures_ > 0) {
            --failures_;
            return fail(ErrorCode::io, "no process could be made");
        }
        const std::string key = key_of(spec);
        running_.insert(key);
        events_.push_back("start " + key);
        specs_.push_back(spec);
        return std::make_unique<Instance>(*this, key);
    }
    void fail_starts(int times) {
        const std::lock_guard lock(mutex_);
        failures_ = times;
    }
    std::multiset<std::string> running() const {
        const std::lock_guard lock(mutex_);
        return running_;
    }
    std::vector<std::string> events() const {
        const std::lock_guard lock(mutex_);
        return events_;
    }
    runtime::InstanceSpec last_spec() const {
        const std::lock_guard lock(mutex_);
        return specs_.back();
    }

  private:
    class Instance final : public runtime::Supervisor {
      public:
        Instance(FakeStarter& starter, std::string key) : starter_(starter), key_(std::move(key)) {}
        ~Instance() override { end("kill "); }
        Result<void> status(::proto::FunctionStatus& status, Deadline) override {
            status.set_running(true);
            status.set_numreceived(5);
            status.set_numsuccessfullyprocessed(4);
            status.set_numuserexceptions(1);
            auto& exception = *status.add_latestuserexceptions();
            exception.set_exceptionstring("boom");
            exception.set_mssinceepoch(1234);
            status.set_averagelatency(0.5);
            status.set_lastinvocationtime(99);
            return {};
        }
        Result<void> metrics(::proto::MetricsData& metrics, Deadline) override {
            metrics.set_receivedtotal(5);
            metrics.set_processedsuccessfullytotal(4);
            metrics.set_avgprocesslatency(0.5);
            (*metrics.mutable_usermetrics())["user_metric_x_sum"] = 2;
            return {};
        }
        Result<void> stop(Deadline) override {
            end("stop ");
            return {};
        }
        std::int32_t pid() const override { return 1; }

      private:
        void end(const std::string& how) {
            const std::lock_guard lock(starter_.mutex_);
            if (ended_) return;
            ended_ = true;
            starter_.running_.erase(starter_.running_.find(key_));
            starter_.events_.push_back(how + key_);
        }
        FakeStarter& starter_;
        const std::string key_;
        bool ended_ = false;
    };

    static std::string key_of(const runtime::InstanceSpec& spec) {
        ::proto::FunctionDetails details;
        details.ParseFromString(spec.function_details);
        return details.name() + ":" + std::to_string(spec.instance_id);
    }

    mutable std::mutex mutex_;
    std::multiset<std::string> running_;
    std::vector<std::string> events_;
    std::vector<runtime::InstanceSpec> specs_;
    int failures_ = 0;
};

}  // namespace weft::worker::testing
