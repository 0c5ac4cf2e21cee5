#include "broker/metadata.h"

#include <charconv>

#include "broker/broker.h"
#include "broker/detail/json.h"
#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");

void ignore(Result<> written) {
    if (!written) kLog.error("metadata can't be written", {{"error", written.error().message}});
}

constexpr std::string_view kTopicPrefix = "topic/";

std::string cursor_prefix(const wire::TopicName& name) { return str_cat("cursor/", name.full(), "/"); }

std::map<std::string, std::string> read_properties(const json& from) {
    std::map<std::string, std::string> properties;
    if (!from.is_object()) return properties;
    for (const auto& [key, value] : from.items()) {
        if (value.is_string()) properties[key] = value.get<std::string>();
    }
    return properties;
}

std::int64_t number_at(const json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

}  // namespace

std::string topic_of_ledger(const std::map<std::string, Bytes, std::less<>>& map, store::LedgerId ledger) {
    for (auto it = map.lower_bound(kTopicPrefix); it != map.end() && it->first.starts_with(kTopicPrefix);
         ++it) {
        const auto document = json::parse(it->second.view(), nullptr, false);
        if (document.is_object() && document.contains("ledger") && document["ledger"] == ledger)
            return it->first.substr(kTopicPrefix.size());
    }
    return {};
}

void Metadata::make_defaults(const std::string& cluster) {
    if (!has_tenant("public")) {
        put_tenant("public",
                   to_text({{"adminRoles", json::array()}, {"allowedClusters", json::array({cluster})}}),
                   ignore);
    }
    for (const char* ns : {"public/default", "public/functions"}) {
        if (has_namespace(ns)) continue;
        json policies{{"replication_clusters", json::array({cluster})}};
        if (std::string_view(ns) == "public/functions") {
            policies["retention_policies"] = {{"retentionTimeInMinutes", -1}, {"retentionSizeInMB", -1}};
        }
        put_policies(ns, to_text(policies), ignore);
    }
}

std::vector<std::string> Metadata::keys_below(std::string_view prefix) const {
    std::vector<std::string> found;
    const auto& map = store_.map();
    for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it) {
        found.push_back(it->first.substr(prefix.size()));
    }
    return found;
}

bool Metadata::has_tenant(std::string_view tenant) const {
    return store_.map().contains(str_cat("tenant/", tenant));
}
bool Metadata::has_namespace(std::string_view full) const {
    return store_.map().contains(str_cat("ns/", full));
}

std::optional<std::string> Metadata::tenant(std::string_view tenant) const {
    const auto it = store_.map().find(str_cat("tenant/", tenant));
    return it == store_.map().end() ? std::nullopt : std::optional(it->second.str());
}

std::optional<std::string> Metadata::policies(std::string_view ns) const {
    const auto it = store_.map().find(str_cat("ns/", ns));
    return it == store_.map().end() ? std::nullopt : std::optional(it->second.str());
}

std::vector<std::string> Metadata::tenants() const { return keys_below("tenant/"); }

std::vector<std::string> Metadata::namespaces(std::string_view tenant) const {
    auto found = keys_below(str_cat("ns/", tenant, "/"));
    for (auto& name : found) name.insert(0, str_cat(tenant, "/"));
    return found;
}

void Metadata::put_tenant(std::string_view tenant, std::string value, Done done) {
    store_.put(str_cat("tenant/", tenant), Bytes::from(std::move(value)), std::move(done));
}
void Metadata::put_policies(std::string_view ns, std::string value, Done done) {
    store_.put(str_cat("ns/", ns), Bytes::from(std::move(value)), std::move(done));
}
void Metadata::erase_tenant(std::string_view tenant, Done done) {
    store_.erase(str_cat("tenant/", tenant), std::move(done));
}
void Metadata::erase_namespace(std::string_view ns, Done done) {
    store_.erase(str_cat("ns/", ns), std::move(done));
}

RetentionPolicy Metadata::retention(std::string_view ns) const {
    const auto text = policies(ns);
    const auto document = json::parse(text.value_or("{}"), nullptr, false);
    if (!document.is_object()) return {};
    const auto it = document.find("retention_policies");
    if (it == document.end() || !it->is_object()) return {};
    return {number_at(*it, "retentionTimeInMinutes"), number_at(*it, "retentionSizeInMB")};
}

std::optional<std::uint64_t> Metadata::compaction_threshold(std::string_view ns) const {
    const auto text = policies(ns);
    const auto document = json::parse(text.value_or("{}"), nullptr, false);
    if (!document.is_object()) return std::nullopt;
    const auto it = document.find("compaction_threshold");
    if (it == document.end() || !it->is_number_integer() || it->get<std::int64_t>() < 0) return std::nullopt;
    return it->get<std::uint64_t>();
}

std::optional<std::string> Metadata::not_of_cluster(std::string_view ns, std::string_view cluster) const {
    const auto text = policies(ns);
    const auto document = json::parse(text.value_or("{}"), nullptr, false);
    if (!document.is_object()) return std::nullopt;
    const auto it = document.find("replication_clusters");
    if (it == document.end() || !it->is_array() || it->empty()) return std::nullopt;
    std::string names;
    for (const auto& name : *it) {
        if (name == cluster) return std::nullopt;
        if (name.is_string()) str_append(names, names.empty() ? "" : ", ", name.get<std::string>());
    }
    return str_cat("Namespace missing local cluster name in clusters list: local_cluster=", cluster,
                   " ns=", ns, " clusters=[", names, "]");
}

std::optional<TopicRecord> Metadata::topic(const wire::TopicName& name) const {
    const auto it = store_.map().find(str_cat("topic/", name.full()));
    if (it == store_.map().end()) return std::nullopt;
    const auto document = json::parse(it->second.view(), nullptr, false);
    if (!document.is_object() || !document.contains("ledger") || !document["ledger"].is_number_unsigned()) {
        kLog.error("a topic's record can't be read", {{"topic", name.full()}});
        return std::nullopt;
    }
    TopicRecord record;
    record.ledger = document["ledger"].get<std::uint64_t>();
    if (document.contains("epoch")) record.epoch = static_cast<std::uint64_t>(number_at(document, "epoch"));
    if (document.contains("properties")) record.properties = read_properties(document["properties"]);
    if (const auto view = document.find("compacted"); view != document.end() && view->is_object()) {
        const auto number = [&](const char* key) {
            return static_cast<std::uint64_t>(number_at(*view, key));
        };
        record.compacted = CompactedView{number("ledger"), number("horizon"), number("entries")};
    }
    return record;
}

void Metadata::put_topic(const wire::TopicName& name, const TopicRecord& record, Done done) {
    json document{{"ledger", record.ledger}};
    if (record.epoch) document["epoch"] = *record.epoch;
    if (!record.properties.empty()) document["properties"] = record.properties;
    if (const auto& view = record.compacted) {
        document["compacted"] = {
            {"ledger", view->ledger}, {"horizon", view->horizon}, {"entries", view->entries}};
    }
    store_.put(str_cat("topic/", name.full()), Bytes::from(to_text(document)), std::move(done));
}

void Metadata::erase_topic(const wire::TopicName& name, Done done) {
    for (const auto& rest : keys_below(cursor_prefix(name))) store_.erase(cursor_prefix(name) + rest, ignore);
    const auto schemas = str_cat("schema/", name.full(), "/");
    for (const auto& rest : keys_below(schemas)) store_.erase(schemas + rest, ignore);
    store_.erase(str_cat("topic/", name.full()), std::move(done));
}

std::vector<std::string> Metadata::topics(std::string_view ns) const {
    const auto prefix = str_cat("persistent://", ns, "/");
    auto found = keys_below("topic/" + prefix);
    for (auto& name : found) name.insert(0, prefix);
    return found;
}

std::uint32_t Metadata::partitions(const wire::TopicName& name) const {
    const auto it = store_.map().find(str_cat("ptopic/", name.full()));
    if (it == store_.map().end()) return 0;
    std::uint32_t count = 0;
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), count);
    return count;
}

void Metadata::put_partitions(const wire::TopicName& name, std::uint32_t count, Done done) {
    store_.put(str_cat("ptopic/", name.full()), Bytes::from(str_cat(count)), std::move(done));
}
void Metadata::erase_partitions(const wire::TopicName& name, Done done) {
    store_.erase(str_cat("ptopic/", name.full()), std::move(done));
}

std::vector<std::string> Metadata::partitioned_topics(std::string_view ns) const {
    const auto prefix = str_cat("persistent://", ns, "/");
    auto found = keys_below("ptopic/" + prefix);
    for (auto& name : found) name.insert(0, prefix);
    return found;
}

// A cursor's record: [size of properties, 4 bytes little-endian][properties as JSON, or
// nothing][Cursor::serialize()].
std::map<std::string, CursorRecord> Metadata::cursors(const wire::TopicName& name) const {
    std::map<std::string, CursorRecord> found;
    const auto prefix = cursor_prefix(name);
    const auto& map = store_.map();
    for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it) {
        const auto subscription = it->first.substr(prefix.size());
        auto value = it->second.view();
        std::uint32_t size = 0;
        for (unsigned i = 0; i < 4 && i < value.size(); ++i) {
            size |= static_cast<std::uint32_t>(static_cast<unsigned char>(value[i])) << (8 * i);
        }
        CursorRecord record;
        if (value.size() >= 4 && size <= value.size() - 4) {
            record.properties = read_properties(json::parse(value.substr(4, size), nullptr, false));
            value.remove_prefix(4 + size);
        }
        if (auto cursor = Cursor::parse(value)) {
            record.cursor = std::move(*cursor);
        } else {
            kLog.error(
                "a cursor can't be read, its subscription starts at the oldest entry",
                {{"topic", name.full()}, {"subscription", subscription}, {"error", cursor.error().message}});
        }
        found.emplace(subscription, std::move(record));
    }
    return found;
}

void Metadata::put_cursor(const wire::TopicName& name, std::string_view subscription,
                          const CursorRecord& record, Done done) {
    const auto properties = record.properties.empty() ? std::string() : to_text(json(record.properties));
    std::string value;
    for (unsigned i = 0; i < 4; ++i) value.push_back(static_cast<char>(properties.size() >> (8 * i)));
    value += properties;
    value += record.cursor.serialize();
    store_.put(cursor_prefix(name) + std::string(subscription), Bytes::from(std::move(value)),
               std::move(done));
}

void Metadata::erase_cursor(const wire::TopicName& name, std::string_view subscription, Done done) {
    store_.erase(cursor_prefix(name) + std::string(subscription), std::move(done));
}

}  // namespace weft::broker
