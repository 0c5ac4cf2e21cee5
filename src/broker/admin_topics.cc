// Topics: lists, create, delete, partitions, compaction.

#include <algorithm>

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

constexpr std::uint32_t kPartitionsMax = 10'000;

wire::TopicName partition_of(const wire::TopicName& topic, std::uint32_t index) {
    return *wire::TopicName::parse(
        str_cat(topic.full(), "-partition-", index));  // valid because the topic's name is
}

// Replies 404 by itself when the path's namespace doesn't exist.
bool namespace_exists(Engine& engine, const http::Request& request, std::string_view reason,
                      const Reply& reply) {
    if (engine.metadata().has_namespace(str_cat(request.param("tenant"), "/", request.param("namespace"))))
        return true;
    reply(refused(404, reason));
    return false;
}

void list_topics(Engine& engine, const http::Request& request, Reply reply) {
    if (!namespace_exists(engine, request, "Namespace does not exist", reply)) return;
    const auto ns = str_cat(request.param("tenant"), "/", request.param("namespace"));
    reply(http::Response::json(to_text(engine.metadata().topics(ns))));
}

void list_partitioned(Engine& engine, const http::Request& request, Reply reply) {
    if (!namespace_exists(engine, request, "Namespace does not exist", reply)) return;
    const auto ns = str_cat(request.param("tenant"), "/", request.param("namespace"));
    reply(http::Response::json(to_text(engine.metadata().partitioned_topics(ns))));
}

void create_topic(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name || !namespace_exists(engine, request, "Namespace not found", reply)) return;
    if (engine.knows_topic(*name)) return reply(refused(409, "This topic already exists"));
    const auto properties = request.body.empty() ? json() : parse_text(request.body);
    if (!properties.is_object() && !properties.is_null())
        return reply(refused(400, str_cat("the body is ", shown(properties),
                                          ": it must be a JSON object of properties, or nothing")));
    const auto topic = engine.open_topic(*name, Engine::Missing::create);
    if (!topic) return reply(refused(500, topic.error().message));
    (*topic)->properties.merge(texts_of(request.body));
    engine.write_topic_record(**topic, reply_when_written(std::move(reply)));
}

void delete_topic(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    if (engine.metadata().partitions(*name) != 0) {
        return reply(
            refused(409, str_cat(name->full(),
                                 " is a partitioned topic, instead of calling delete topic, please call "
                                 "delete-partitioned-topic.")));
    }
    if (!engine.knows_topic(*name)) return reply(refused(404, str_cat("Topic ", name->full(), " not found")));
    if (const auto* open = engine.find_open(name->full()); open != nullptr && !is_set(request, "force")) {
        auto connected = open->producers().size();
        for (const auto& [key, subscription] : open->subscriptions())
            connected += subscription->consumers().size();
        if (connected > 0) {
            return reply(refused(412, str_cat("Topic has ", connected, " connected producers/consumers")));
        }
    }
    engine.delete_topic(*name, reply_when_written(std::move(reply)));
}

void unload_topic(Engine& engine, const http::Request& request, Reply reply) {
    const auto parts = open_parts_of(engine, request, reply);
    // Shared by the parts: the last one answers.
    const auto left = std::make_shared<std::size_t>(parts.size());
    for (auto* const topic : parts) {
        engine.unload_topic(*topic, [left, reply](const Result<>& done) {
            if (!done && *left != 0) {
                *left = 0;
                return reply(refused(409, done.error().message));
            }
            if (*left != 0 && --*left == 0) reply(http::Response::no_content());
        });
    }
}

// --- properties

void get_properties(Engine& engine, const http::Request& request, Reply reply) {
    const auto* topic = open_topic_of(engine, request, reply);
    if (topic != nullptr) reply(http::Response::json(to_text(json(topic->properties))));
}

void put_properties(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    for (auto& [key, value] : texts_of(request.body)) topic->properties[key] = value;
    engine.write_topic_record(*topic, reply_when_written(std::move(reply)));
}

void remove_property(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    const auto key = request.query.find("key");
    if (key != request.query.end()) topic->properties.erase(key->second);
    engine.write_topic_record(*topic, reply_when_written(std::move(reply)));
}

void message_id_at(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    const auto time = number_of(request, "timestamp", reply);
    if (!time) return;
    topic->find_by_time(*time, [reply = std::move(reply), ledger = topic->ledger()](EntryId entry) {
        reply(http::Response::json(
            to_text({{"ledgerId", ledger}, {"entryId", entry}, {"partitionIndex", -1}})));
    });
}

void last_message_id(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    topic->last_message(Reading::plain, [reply = std::move(reply),
                                         ledger = topic->ledger()](std::optional<wire::MessageId> last) {
        json body{{"ledgerId", ledger},
                  {"entryId", -1},
                  {"partitionIndex", -1},
                  {"batchIndex", -1},
                  {"batchSize", 0}};
        if (last) body["entryId"] = last->entry;
        if (last && last->batch_index >= 0) {
            body["batchIndex"] = last->batch_index;
            body["batchSize"] = last->batch_index + 1;
        }
        reply(http::Response::json(to_text(body)));
    });
}

// --- partitioned topics

void get_partitions(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name || !namespace_exists(engine, request, "Namespace not found", reply)) return;
    if (!engine.knows_topic(*name) && !is_set(request, "checkAllowAutoCreation")) {
        return reply(refused(404, str_cat("Topic ", name->full(), " not found")));
    }
    reply(http::Response::json(
        to_text({{"partitions", engine.metadata().partitions(*name)}, {"deleted", false}})));
}

// The number in the body: `3`, or {"partitions": 3, ...}.
std::optional<std::uint32_t> partition_count(const http::Request& request, const Reply& reply) {
    auto body = parse_text(request.body);
    if (body.is_object() && !body.value("properties", json::object()).empty()) {
        reply(refused(501, "a partitioned topic keeps no properties: leave them out"));
        return std::nullopt;
    }
    if (body.is_object()) body = json(body.value("partitions", json()));
    if (body.is_number_unsigned() && body.get<std::uint64_t>() >= 1 &&
        body.get<std::uint64_t>() <= kPartitionsMax) {
        return body.get<std::uint32_t>();
    }
    reply(refused(406, str_cat("Number of partitions should be greater than 0 and at most ", kPartitionsMax,
                               " (partitions = ", shown(body), ")")));
    return std::nullopt;
}

void set_partitions(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name || !namespace_exists(engine, request, "Namespace not found", reply)) return;
    const auto count = partition_count(request, reply);
    if (!count) return;
    const auto before = engine.metadata().partitions(*name);
    if (request.method == "PUT" && engine.knows_topic(*name))
        return reply(refused(409, "This topic already exists"));
    if (request.method == "POST" && before == 0) {
        return reply(refused(404, str_cat("Topic ", name->full(), " is not the partitioned topic.")));
    }
    if (*count < before) {
        return reply(refused(422, str_cat("Desired partitions ", *count,
                                          " can't be less than the current partitions ", before, ".")));
    }
    for (auto index = before; index < *count; ++index) {
        const auto made = engine.open_topic(partition_of(*name, index), Engine::Missing::create);
        if (!made) return reply(refused(500, made.error().message));
    }
    engine.metadata().put_partitions(*name, *count, reply_when_written(std::move(reply)));
}

void delete_partitions(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    const auto count = engine.metadata().partitions(*name);
    if (count == 0 && engine.knows_topic(*name)) {
        return reply(refused(409, str_cat(name->full(),
                                          " is a non-partitioned topic. Instead of calling "
                                          "delete-partitioned-topic please call delete.")));
    }
    if (count == 0) return reply(refused(404, str_cat("Topic ", name->full(), " not found.")));
    for (std::uint32_t index = 0; index < count && !is_set(request, "force"); ++index) {
        const auto* open = engine.find_open(partition_of(*name, index).full());
        if (open == nullptr) continue;
        auto connected = open->producers().size();
        for (const auto& [key, subscription] : open->subscriptions())
            connected += subscription->consumers().size();
        if (connected > 0) {
            return reply(refused(412, str_cat("Topic has ", connected, " connected producers/consumers")));
        }
    }
    for (std::uint32_t index = 0; index < count; ++index) {
        engine.delete_topic(partition_of(*name, index), [](const Result<>&) {});
    }
    engine.metadata().erase_partitions(*name, reply_when_written(std::move(reply)));
}

void create_missed(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    if (engine.metadata().partitions(*name) == 0)
        return reply(refused(404, str_cat("Topic ", name->full(), " is not the partitioned topic.")));
    if (!open_parts_of(engine, request, reply).empty()) reply(http::Response::no_content());
}

// --- compaction

void compact(Engine& engine, const http::Request& request, Reply reply) {
    const auto parts = open_parts_of(engine, request, reply);
    if (parts.empty()) return;
    const bool running = std::ranges::any_of(parts, [](const Topic* topic) {
        return topic->compaction.status == CompactionState::Status::running;
    });
    if (running) return reply(refused(409, "Compaction already in progress"));
    for (auto* topic : parts) engine.compaction_due(*topic);
    reply(http::Response::no_content());
}

void compaction_status(Engine& engine, const http::Request& request, Reply reply) {
    const auto* topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    const char* status = "NOT_RUN";
    switch (topic->compaction.status) {
        case CompactionState::Status::not_run:
            break;
        case CompactionState::Status::running:
            status = "RUNNING";
            break;
        case CompactionState::Status::succeeded:
            status = "SUCCESS";
            break;
        case CompactionState::Status::failed:
            status = "ERROR";
            break;
    }
    reply(http::Response::json(to_text({{"status", status}, {"lastError", topic->compaction.error}})));
}

}  // namespace

void add_topic_routes(AdminRouter& routes) {
    const std::string ns = "/admin/v2/persistent/{tenant}/{namespace}";
    const auto topic = ns + "/{topic}";
    routes.add("GET", ns, Rule::use_namespace, list_topics);
    routes.add("GET", "/admin/v2/namespaces/{tenant}/{namespace}/topics", Rule::use_namespace, list_topics);
    routes.add("GET", ns + "/partitioned", Rule::use_namespace, list_partitioned);
    const auto none = [](Engine&, const http::Request&, const Reply& reply) {
        reply(http::Response::json("[]"));
    };
    routes.add("GET", "/admin/v2/non-persistent/{tenant}/{namespace}", Rule::use_namespace, none);
    routes.add("GET", "/admin/v2/non-persistent/{tenant}/{namespace}/partitioned", Rule::use_namespace, none);
    routes.add("PUT", topic, Rule::namespace_admin, create_topic);
    routes.add("DELETE", topic, Rule::namespace_admin, delete_topic);
    routes.add("PUT", topic + "/unload", Rule::tenant_admin, unload_topic);
    routes.add("GET", topic + "/lastMessageId", Rule::consume, last_message_id);
    routes.add("GET", topic + "/messageid/{timestamp}", Rule::consume, message_id_at);
    routes.add("GET", topic + "/properties", Rule::use_topic, get_properties);
    routes.add("PUT", topic + "/properties", Rule::tenant_admin, put_properties);
    routes.add("DELETE", topic + "/properties", Rule::tenant_admin, remove_property);
    routes.add("POST", topic + "/createMissedPartitions", Rule::namespace_admin, create_missed);
    routes.add("GET", topic + "/partitions", Rule::use_topic, get_partitions);
    routes.add("PUT", topic + "/partitions", Rule::namespace_admin, set_partitions);
    routes.add("POST", topic + "/partitions", Rule::namespace_admin, set_partitions);
    routes.add("DELETE", topic + "/partitions", Rule::namespace_admin, delete_partitions);
    routes.add("PUT", topic + "/compaction", Rule::tenant_admin, compact);
    routes.add("GET", topic + "/compaction", Rule::tenant_admin, compaction_status);
}

}  // namespace weft::broker
