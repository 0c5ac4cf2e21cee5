#pragma once
// Fakes of what the worker needs (deps.h): topics in memory that survive a "restart", a broker that answers
// as told, instances that only note what was asked of them.

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"
#include "worker/deps.h"

namespace weft::worker::testing {

/// The internal topics; outlives workers.
class FakeTopics final : public InternalTopics {
  public:
    enum class Outcome : std::uint8_t { stored_but_unknown, lost };

    Result<wire::MessageId> replay(const std::string& topic, const std::string& reader, wire::MessageId after,
                                   const std::function<void(const Record&)>& take, Deadline) override {
        std::vector<Record> records;
        {
            const std::lock_guard lock(mutex_);
            if (down_) return fail(ErrorCode::unavailable, "broker is down");
            readers.insert(reader);
            records = logs_[topic];
        }
        std::uint64_t at = after == wire::MessageId::earliest() ? 0 : after.entry + 1;
        for (; at < records.size(); ++at) {
            take(records[at]);
            after = {7, at, -1, -1};
        }
        return after;
    }

    Result<std::unique_ptr<TopicWriter>> open_writer(const std::string& topic, const std::string& producer,
                                                     Deadline) override {
        const std::lock_guard lock(mutex_);
        if (down_) return fail(ErrorCode::unavailable, "broker is down");
        if (!writers_.insert(topic).second) return fail(ErrorCode::conflict, "producer is busy");
        producers.insert(producer);
        return std::make_unique<Writer>(*this, topic);
    }

    Result<std::unique_ptr<Membership>> join(const std::string&, const std::string& participant,
                                             std::function<void()> changed, Deadline) override {
        const std::lock_guard lock(mutex_);
        if (down_) return fail(ErrorCode::unavailable, "broker is down");
        participants.insert(participant);
        listeners_.push_back(std::move(changed));
        return std::make_unique<Member>(*this);
    }

    void set_down(bool down) {
        const std::lock_guard lock(mutex_);
        down_ = down;
    }
    void set_leader(bool leader) {
        std::vector<std::function<void()>> listeners;
        {
            const std::lock_guard lock(mutex_);
            leader_ = leader;
            listeners = listeners_;
        }
        for (const auto& listener : listeners) listener();
    }
    /// The next append to a topic with this ending fails that way.
    void fail_next_append(const std::string& ending, Outcome outcome) {
        const std::lock_guard lock(mutex_);
        failures_[ending] = outcome;
    }
    void forget_listeners() {  // of workers that are gone
        const std::lock_guard lock(mutex_);
        listeners_.clear();
    }
    std::vector<Record> log(const std::string& topic) {
        const std::lock_guard lock(mutex_);
        return logs_[topic];
    }
    void put(const std::string& topic, Record record) {
        const std::lock_guard lock(mutex_);
        logs_[topic].push_back(std::move(record));
    }

    std::set<std::string> readers, producers, participants;

  private:
    class Writer final : public TopicWriter {
      public:
        Writer(FakeTopics& topics, std::string topic) : topics_(topics), topic_(std::move(topic)) {}
        ~Writer() override {
            const std::lock_guard lock(topics_.mutex_);
            topics_.writers_.erase(topic_);
        }
        Result<> append(std::span<const Record> records, Deadline) override {
            const std::lock_guard lock(topics_.mutex_);
            if (topics_.down_) return fail(ErrorCode::unavailable, "broker is down");
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

      private:
        void store(std::span<const Record> records) {
            auto& log = topics_.logs_[topic_];
            log.insert(log.end(), records.begin(), records.end());
        }
        FakeTopics& topics_;
        const std::string topic_;
    };
    class Member final : public Membership {
      public:
        explicit Member(const FakeTopics& topics) : topics_(topics) {}
        bool is_leader() const override {
            const std::lock_guard lock(topics_.mutex_);
            return topics_.leader_;
        }

      private:
        const FakeTopics& topics_;
    };

    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Record>> logs_;
    std::set<std::string> writers_;
    std::map<std::string, Outcome> failures_;
    std::vector<std::function<void()>> listeners_;
    bool leader_ = true;
    bool down_ = false;
};

class FakeAdmin final : public BrokerAdmin {
  public:
    Result<bool> tenant_exists(const std::string& tenant, Deadline) override { return tenant == "public"; }
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
    void refuse_deletions(int times) {
        const std::lock_guard lock(mutex_);
        refusals_ = times;
    }
    std::vector<std::string> deleted() const {
        const std::lock_guard lock(mutex_);
        return deleted_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> deleted_;
    int refusals_ = 0;
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
