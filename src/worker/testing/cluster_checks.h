#pragma once
// ClusterChecks: what must hold of a cluster of workers whatever happens to it, seen from outside: from what
// was stored, what was confirmed to clients, and which instances work where. It shares no code with the
// workers' tables.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "wire/proto/Function.pb.h"
#include "wire/proto/Request.pb.h"
#include "worker/control_plane.h"
#include "worker/testing/simulated_clock.h"

namespace weft::worker::testing {

class ClusterChecks {
  public:
    /// How long two workers may run an instance while it moves: the old one has to hear of it, also if its
    /// network was away: 5 s between attempts, 2 s to reconnect, 2 s on a slow link, 2 s to stop.
    static constexpr Duration kFence = 12s;
    /// After the last trouble every instance must work within that.
    static constexpr Duration kBound = 30s;
    using Owners = std::map<std::string, std::set<std::string>>;  // instance key -> workers

    explicit ClusterChecks(const SimulatedClock& clock) : clock_(clock) {}

    // Of the log.
    void metadata_stored(const Record& record);
    /// The worker that it was taken from; empty: none, or it stays where it is.
    std::string assignment_stored(const Record& record);
    // Of the answers to clients.
    void confirmed(const ::proto::FunctionMetaData& meta, MetadataChange change);
    void refused(const ::proto::FunctionMetaData& meta, MetadataChange change);
    void drained(const std::string& worker);
    // Of what runs.
    void run_now(Owners owners);
    /// Whether two have been running one for too long.
    void look();
    /// Everything must be as it should: the troubles are over for kBound.
    void at_rest(const std::map<std::string, const ControlPlane*>& workers);

    void violated(std::string what) {
        if (violation_.empty()) violation_ = std::move(what);
    }
    const std::string& violation() const { return violation_; }
    Duration longest_overlap() const { return longest_overlap_; }
    Duration longest_gap() const { return longest_gap_; }

  private:
    struct Assigned {
        std::string worker;
        std::uint64_t created = 0;  // the life of the function that it is for
    };
    static std::string name_of(const ::proto::FunctionMetaData& meta) {
        const auto& details = meta.functiondetails();
        return str_cat(details.tenant(), '/', details.namespace_(), '/', details.name());
    }
    static std::string identity(const ::proto::FunctionMetaData& meta, MetadataChange change) {
        return str_cat(name_of(meta), '@', meta.createtime(), '#', meta.version(), ' ',
                       change == MetadataChange::remove ? "removed" : meta.functiondetails().userconfig());
    }
    std::set<std::string> wanted() const;
    void check_knowledge(const std::string& worker, const ControlPlane& plane);

    const SimulatedClock& clock_;
    std::map<std::string, ::proto::FunctionMetaData> functions_;
    std::map<std::string, Assigned> assigned_;
    std::set<std::string> stored_;
    Owners owners_;
    std::map<std::string, SteadyTime> doubled_since_, missing_since_;
    Duration longest_overlap_{}, longest_gap_{};
    std::string violation_;
};

inline void ClusterChecks::metadata_stored(const Record& record) {
    ::proto::ServiceRequest request;
    if (!request.ParseFromString(record.payload)) return violated("metadata was stored that doesn't parse");
    const auto& meta = request.functionmetadata();
    const bool removal = request.servicerequesttype() == ::proto::ServiceRequest::DELETE;
    const auto change = removal ? MetadataChange::remove : MetadataChange::update;
    const std::string name = name_of(meta);
    const auto known = functions_.find(name);
    const bool is_known = known != functions_.end();
    if (is_known
            ? known->second.version() >= meta.version() || known->second.createtime() != meta.createtime()
            : removal || meta.version() != 0)
        return violated(str_cat("a leader wrote what is out of date: ", identity(meta, change)));
    stored_.insert(identity(meta, change));
    if (removal) {
        functions_.erase(known);
    } else {
        functions_[name] = meta;
    }
}

inline std::string ClusterChecks::assignment_stored(const Record& record) {
    const auto known = assigned_.find(record.key);
    const std::string before = known == assigned_.end() ? "" : known->second.worker;
    if (record.payload.empty()) {
        assigned_.erase(record.key);
        return "";
    }
    ::proto::Assignment assignment;
    if (!assignment.ParseFromString(record.payload)) {
        violated("an assignment was stored that doesn't parse");
        return "";
    }
    assigned_[record.key] = {assignment.workerid(), assignment.instance().functionmetadata().createtime()};
    return assignment.workerid() == before ? "" : before;
}

inline void ClusterChecks::confirmed(const ::proto::FunctionMetaData& meta, MetadataChange change) {
    if (!stored_.contains(identity(meta, change)))
        violated(str_cat("confirmed, and not stored: ", identity(meta, change)));
}

inline void ClusterChecks::refused(const ::proto::FunctionMetaData& meta, MetadataChange change) {
    if (stored_.contains(identity(meta, change)))
        violated(str_cat("refused for sure, and stored: ", identity(meta, change)));
}

/// A function that is being cleaned up keeps its assignments until that is done.
inline void ClusterChecks::drained(const std::string& worker) {
    for (const auto& [key, assigned] : assigned_) {
        const auto function = functions_.find(key.substr(0, key.rfind(':')));
        const bool lives = function != functions_.end() && function->second.createtime() == assigned.created;
        if (lives && assigned.worker == worker)
            return violated(str_cat(worker, " is said to be drained, and has ", key));
    }
}

inline std::set<std::string> ClusterChecks::wanted() const {
    std::set<std::string> keys;
    for (const auto& [name, meta] : functions_) {
        for (std::int32_t id = 0; id < meta.functiondetails().parallelism(); ++id) {
            const auto state = meta.instancestates().find(id);
            if (state == meta.instancestates().end() || state->second == ::proto::RUNNING)
                keys.insert(str_cat(name, ':', id));
        }
    }
    return keys;
}

inline void ClusterChecks::run_now(Owners owners) {
    owners_ = std::move(owners);
    const SteadyTime now = clock_.now();
    look();
    const auto update = [now](std::map<std::string, SteadyTime>& since, Duration& longest,
                              const auto& holds) {
        for (auto it = since.begin(); it != since.end();) {
            if (!holds(it->first)) {
                longest = std::max<Duration>(longest, now - it->second);
                it = since.erase(it);
            } else {
                ++it;
            }
        }
    };
    update(doubled_since_, longest_overlap_, [this](const std::string& key) {
        const auto found = owners_.find(key);
        return found != owners_.end() && found->second.size() > 1;
    });
    for (const auto& [key, workers] : owners_) {
        if (workers.size() > 1) doubled_since_.try_emplace(key, now);
    }
    const auto keys = wanted();
    update(missing_since_, longest_gap_,
           [&](const std::string& key) { return keys.contains(key) && !owners_.contains(key); });
    for (const auto& key : keys) {
        if (!owners_.contains(key)) missing_since_.try_emplace(key, now);
    }
}

inline void ClusterChecks::look() {
    for (const auto& [key, since] : doubled_since_) {
        if (clock_.now() - since <= kFence) continue;
        std::string workers;
        for (const auto& worker : owners_[key]) str_append(workers, ' ', worker);
        violated(str_cat("two owners past the fence: ", key, " runs on", workers));
    }
}

inline void ClusterChecks::at_rest(const std::map<std::string, const ControlPlane*>& workers) {
    const auto keys = wanted();
    for (const auto& key : keys) {
        const auto found = owners_.find(key);
        if (found == owners_.end()) return violated(str_cat("nobody runs ", key));
        if (found->second.size() > 1) return violated(str_cat("more than one runs ", key));
    }
    for (const auto& [key, owners] : owners_) {
        if (!keys.contains(key)) return violated(str_cat(*owners.begin(), " runs what nobody wants: ", key));
    }
    int leaders = 0;
    for (const auto& [id, plane] : workers) {
        leaders += plane->is_leader() ? 1 : 0;
        check_knowledge(id, *plane);
    }
    if (leaders != 1) violated(str_cat(leaders, " lead"));
}

inline void ClusterChecks::check_knowledge(const std::string& worker, const ControlPlane& plane) {
    const auto known = plane.functions();
    if (known.size() != functions_.size())
        return violated(str_cat(worker, " knows ", known.size(), " functions of ", functions_.size()));
    for (const auto& meta : known) {
        const auto stored = functions_.find(name_of(*meta));
        if (stored == functions_.end() ||
            identity(*meta, MetadataChange::update) != identity(stored->second, MetadataChange::update))
            return violated(str_cat(worker, " knows ", identity(*meta, MetadataChange::update)));
    }
    const auto assignments = plane.assignments();
    for (const auto& event : assignments) {
        const std::string key = event.key.function.instance_key(event.key.instance_id);
        const auto stored = assigned_.find(key);
        if (stored == assigned_.end() || stored->second.worker != event.worker_id)
            return violated(str_cat(worker, " believes that ", key, " is assigned to ", event.worker_id));
    }
    if (assignments.size() != assigned_.size()) {
        return violated(str_cat(worker, " knows ", assignments.size(), " assignments of ", assigned_.size()));
    }
}

}  // namespace weft::worker::testing
