#pragma once
// Metadata: tenants, namespaces, topics and partitioned topics as records of the store's map. On the loop. A
// change is visible at once; `done` says when it is durable.
//
// Keys: tenant/<tenant>, ns/<tenant>/<namespace>, topic/<full name>, ptopic/<full name>, cursor/<full
// name>/<subscription>, schema/<full name>/<version>, compacting/<full name> (compactor.h). Names of tenants,
// namespaces and topics hold no slash, so no two keys can meet.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/compacted_view.h"
#include "broker/cursor.h"
#include "broker/retention.h"
#include "store/store.h"
#include "wire/topic_name.h"

namespace weft::broker {

struct TopicRecord {
    store::LedgerId ledger = 0;
    std::optional<std::uint64_t> epoch;  // of exclusive producers
    std::map<std::string, std::string> properties;
    std::optional<CompactedView> compacted = {};
    bool operator==(const TopicRecord&) const = default;
};

struct CursorRecord {
    Cursor cursor;
    std::map<std::string, std::string> properties;
};

class Metadata {
  public:
    using Done = store::Store::Done;
    explicit Metadata(store::Store& store) : store_(store) {}

    /// Makes tenant public with namespaces default and functions, where missing.
    void make_defaults(const std::string& cluster);

    bool has_tenant(std::string_view tenant) const;
    bool has_namespace(std::string_view full) const;  // "tenant/namespace"
    /// JSON documents, as the admin REST shows them.
    std::optional<std::string> tenant(std::string_view tenant) const;
    std::optional<std::string> policies(std::string_view ns) const;
    std::vector<std::string> tenants() const;
    std::vector<std::string> namespaces(std::string_view tenant) const;  // "tenant/namespace"
    void put_tenant(std::string_view tenant, std::string json, Done done);
    void put_policies(std::string_view ns, std::string json, Done done);
    void erase_tenant(std::string_view tenant, Done done);
    void erase_namespace(std::string_view ns, Done done);
    RetentionPolicy retention(std::string_view ns) const;
    /// In bytes, if it was set.
    std::optional<std::uint64_t> compaction_threshold(std::string_view ns) const;
    /// What Pulsar says when the namespace is not this cluster's; nothing: it is, or it is not there.
    std::optional<std::string> not_of_cluster(std::string_view ns, std::string_view cluster) const;

    std::optional<TopicRecord> topic(const wire::TopicName& name) const;
    void put_topic(const wire::TopicName& name, const TopicRecord& record, Done done);
    /// The topic's record, its cursors and its schemas go; the ledger is the caller's.
    void erase_topic(const wire::TopicName& name, Done done);
    std::vector<std::string> topics(std::string_view ns) const;  // full names, sorted; partitions singly

    std::uint32_t partitions(const wire::TopicName& name) const;  // 0: not a partitioned topic
    void put_partitions(const wire::TopicName& name, std::uint32_t count, Done done);
    void erase_partitions(const wire::TopicName& name, Done done);
    std::vector<std::string> partitioned_topics(std::string_view ns) const;

    std::map<std::string, CursorRecord> cursors(const wire::TopicName& name) const;
    void put_cursor(const wire::TopicName& name, std::string_view subscription, const CursorRecord& record,
                    Done done);
    void erase_cursor(const wire::TopicName& name, std::string_view subscription, Done done);

  private:
    std::vector<std::string> keys_below(std::string_view prefix) const;
    store::Store& store_;
};

}  // namespace weft::broker
