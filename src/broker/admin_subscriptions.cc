// Subscriptions of a topic.

#include <charconv>

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
    const auto* topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    auto names = json::array();
    for (const auto& [name, subscription] : topic->subscriptions()) names.push_back(name);
    reply(http::Response::json(to_text(names)));
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
    if (body.is_object() && body.contains("properties") && body["properties"].is_object()) {
        for (const auto& [key, value] : body["properties"].items()) {
            if (value.is_string()) properties[key] = value.get<std::string>();
        }
    }
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
        const Cursor cursor(position ? (*topic)->resolve(position->ledger, position->entry)
                                     : (*topic)->end());
        const bool last = index + 1 >= partitions;
        engine.create_subscription(
            **topic, subscription, cursor, properties,
            last ? reply_when_written(reply) : [](const Result<>&) {});
    }
}

void delete_subscription(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    const auto* subscription = subscription_of(*topic, request, reply);
    if (subscription == nullptr) return;
    if (!is_set(request, "force") && !subscription->consumers().empty()) {
        return reply(refused(412, "Subscription has active connected consumers"));
    }
    engine.delete_subscription(*topic, request.param("subscription"), reply_when_written(std::move(reply)));
}

void skip_all(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    auto* const subscription = subscription_of(*topic, request, reply);
    if (subscription == nullptr) return;
    subscription->skip_all();
    reply(http::Response::no_content());
}

void reset_cursor(Engine& engine, const http::Request& request, Reply reply) {
    auto* const topic = open_topic_of(engine, request, reply);
    if (topic == nullptr) return;
    auto* const subscription = subscription_of(*topic, request, reply);
    if (subscription == nullptr) return;
    if (!request.params.contains("timestamp")) {
        const auto position = position_in(parse_text(request.body), reply);
        if (!position) return;
        subscription->seek({topic->resolve(position->ledger, position->entry), {}});
        return reply(http::Response::no_content());
    }
    const auto& text = request.param("timestamp");
    std::uint64_t time = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), time);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) {
        return reply(refused(400, str_cat("the timestamp must be milliseconds since 1970: ", text)));
    }
    topic->find_by_time(time, [alive = topic->alive(), name = subscription->name(), reply](EntryId entry) {
        const auto there = alive.lock();
        auto* const found = there ? (*there)->find_subscription(name) : nullptr;
        if (found == nullptr) return reply(refused(404, "Subscription not found"));
        found->seek({entry, {}});
        reply(http::Response::no_content());
    });
}

}  // namespace

void add_subscription_routes(AdminRouter& routes) {
    const std::string topic = "/admin/v2/persistent/{tenant}/{namespace}/{topic}";
    const auto subscription = topic + "/subscription/{subscription}";
    routes.add("GET", topic + "/subscriptions", list_subscriptions);
    routes.add("PUT", subscription, create_subscription);
    routes.add("DELETE", subscription, delete_subscription);
    routes.add("POST", subscription + "/skip_all", skip_all);
    routes.add("POST", subscription + "/resetcursor", reset_cursor);
    routes.add("POST", subscription + "/resetcursor/{timestamp}", reset_cursor);
}

}  // namespace weft::broker
