// Subscriptions of a topic.

#include <set>

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

Subscription* subscription_of(Topic& topic, const http::Request& request, const Reply& reply) {
    auto* const found = topic.find_subscription(request.param("subscription"));
    if (found == nullptr) {
        reply(refused(404, str_cat("Subscription ", request.param("subscription"), " not found for topic ",
                                   topic.name().full())));
    }
    return found;
}

// The same in a topic or in all its partitions; replies by itself when it is nowhere.
std::vector<Subscription*> subscriptions_of(Engine& engine, const http::Request& request,
                                            const Reply& reply) {
    std::vector<Subscription*> found;
    const auto parts = open_parts_of(engine, request, reply);
    for (auto* part : parts) {
        if (auto* const there = part->find_subscription(request.param("subscription")))
            found.push_back(there);
    }
    if (found.empty() && !parts.empty()) {
        reply(refused(404, str_cat("Subscription ", request.param("subscription"), " not found for topic ",
                                   topic_of(request, reply)->full())));
    }
    return found;
}

struct Position {
    std::uint64_t ledger, entry;
};

// A message id in JSON: {"ledgerId": n, "entryId": n}. Read before anything is done: a slip of the keyboard
// must not mean "skip everything". Replies by itself when it isn't one.
std::optional<Position> position_in(const json& body, const Reply& reply) {
    const auto is_number = [&](const char* key) {
        return body.contains(key) && body[key].is_number_integer();
    };
    if (body.is_object() && is_number("ledgerId") && is_number("entryId")) {
        return Position{static_cast<std::uint64_t>(body["ledgerId"].get<std::int64_t>()),
                        static_cast<std::uint64_t>(body["entryId"].get<std::int64_t>())};
    }
    reply(refused(
        400, str_cat("the message id is ", shown(body), ": it must be {\"ledgerId\": n, \"entryId\": n}")));
    return std::nullopt;
}

void list_subscriptions(Engine& engine, const http::Request& request, Reply reply) {
    const auto parts = open_parts_of(engine, request, reply);
    if (parts.empty()) return;
    std::set<std::string> names;
    for (const auto* part : parts) {
        for (const auto& [name, subscription] : part->subscriptions()) names.insert(name);
    }
    reply(http::Response::json(to_text(json(names))));
}

void create_subscription(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    if (!engine.metadata().has_namespace(name->namespace_full()))
        return reply(refused(404, "Namespace not found"));
    const auto body = request.body.empty() ? json() : parse_text(request.body);
    std::optional<Position> position;  // none: the end
    const bool at_end = body.is_null() || (body.is_object() && !body.contains("ledgerId"));
    if (!at_end && !(position = position_in(body, reply))) return;
    Subscription::Properties properties;
    if (body.is_object() && body.contains("properties")) properties = texts_of(to_text(body["properties"]));
    // A partitioned topic: on each of its partitions.
    const auto partitions = engine.metadata().partitions(*name);
    for (std::uint32_t index = 0; index < std::max(partitions, 1U); ++index) {
        const auto part =
            partitions == 0 ? *name : *wire::TopicName::parse(str_cat(name->full(), "-partition-", index));
        const auto topic = engine.open_topic(part, Engine::Missing::create);
        if (!topic) return reply(refused(500, topic.error().message));
        const auto& subscription = request.param("subscription");
        if ((*topic)->find_subscription(subscription) != nullptr) {
            return reply(refused(409, "Subscription already exists for topic"));
        }
        const Cursor cursor(position ? (*topic)->resolve(position->ledger, position->entry, Reading::plain)
                                     : (*topic)->end());
        const bool last = index + 1 >= partitions;
        engine.create_subscription(
            **topic, subscription, cursor, properties,
            last ? reply_when_written(reply) : [](const Result<>&) {});
    }
}

void delete_subscription(Engine& engine, const http::Request& request, Reply reply) {
    const auto found = subscriptions_of(engine, request, reply);
    for (const auto* subscription : found) {
        if (!is_set(request, "force") && !subscription->consumers().empty())
            return reply(refused(412, "Subscription has active connected consumers"));
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        engine.delete_subscription(
            found[i]->topic(), request.param("subscription"),
            i + 1 == found.size() ? reply_when_written(reply) : [](const Result<>&) {});
    }
}

void skip_all(Engine& engine, const http::Request& request, Reply reply) {
    const auto found = subscriptions_of(engine, request, reply);
    for (auto* subscription : found) subscription->skip_all();
    if (!found.empty()) reply(http::Response::no_content());
}

// In one topic: in which of its partitions they should be skipped nobody says.
void skip(Engine& engine, const http::Request& request, Reply reply) {
    const auto count = number_of(request, "count", reply);
    auto* const topic = count ? open_topic_of(engine, request, reply) : nullptr;
    auto* const subscription = topic == nullptr ? nullptr : subscription_of(*topic, request, reply);
    if (subscription == nullptr) return;
    subscription->skip(*count);
    reply(http::Response::no_content());
}

void get_properties(Engine& engine, const http::Request& request, Reply reply) {
    const auto found = subscriptions_of(engine, request, reply);
    if (!found.empty()) reply(http::Response::json(to_text(json(found.front()->properties()))));
}

void put_properties(Engine& engine, const http::Request& request, Reply reply) {
    const auto found = subscriptions_of(engine, request, reply);
    for (std::size_t i = 0; i < found.size(); ++i) {
        found[i]->properties() = texts_of(request.body);
        engine.metadata().put_cursor(
            found[i]->topic().name(), found[i]->name(), {found[i]->cursor(), found[i]->properties()},
            i + 1 == found.size() ? reply_when_written(reply) : [](const Result<>&) {});
    }
}

void reset_by_time(Engine& engine, const http::Request& request, Reply reply) {
    const auto time = number_of(request, "timestamp", reply);
    if (!time) return;
    const auto found = subscriptions_of(engine, request, reply);
    const auto left = std::make_shared<std::size_t>(found.size());
    for (auto* subscription : found) {
        auto& topic = subscription->topic();
        topic.find_by_time(*time,
                           [alive = topic.alive(), name = subscription->name(), reply, left](EntryId entry) {
                               const auto there = alive.lock();
                               auto* const still = there ? (*there)->find_subscription(name) : nullptr;
                               if (still != nullptr) still->seek({entry, {}});
                               if (--*left == 0) reply(http::Response::no_content());
                           });
    }
}

void reset_by_id(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    if (engine.metadata().partitions(*name) != 0)
        return reply(refused(405, "Reset-cursor at position is not allowed for partitioned-topic"));
    auto* const topic = open_topic_of(engine, request, reply);
    auto* const subscription = topic == nullptr ? nullptr : subscription_of(*topic, request, reply);
    if (subscription == nullptr) return;
    const auto body = parse_text(request.body);
    const auto given = position_in(body, reply);
    if (!given) return;
    auto position = topic->resolve(given->ledger, given->entry, Reading::plain);
    const bool excluded = body.value("isExcluded", json()) == true;
    if (excluded && position < topic->end()) ++position;
    subscription->seek({position, {}});
    reply(http::Response::no_content());
}

}  // namespace

void add_subscription_routes(AdminRouter& routes) {
    const std::string topic = "/admin/v2/persistent/{tenant}/{namespace}/{topic}";
    const auto subscription = topic + "/subscription/{subscription}";
    routes.add("GET", topic + "/subscriptions", Rule::consume, list_subscriptions);
    routes.add("PUT", subscription, Rule::consume, create_subscription);
    routes.add("DELETE", subscription, Rule::consume, delete_subscription);
    routes.add("POST", subscription + "/skip_all", Rule::consume, skip_all);
    routes.add("POST", subscription + "/skip/{count}", Rule::consume, skip);
    routes.add("GET", subscription + "/properties", Rule::consume, get_properties);
    routes.add("PUT", subscription + "/properties", Rule::consume, put_properties);
    routes.add("POST", subscription + "/resetcursor", Rule::consume, reset_by_id);
    routes.add("POST", subscription + "/resetcursor/{timestamp}", Rule::consume, reset_by_time);
}

}  // namespace weft::broker
