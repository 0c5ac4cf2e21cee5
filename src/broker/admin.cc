#include "broker/admin.h"

#include <charconv>

#include "async/call.h"
#include "broker/detail/json.h"
#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker.access");
constexpr auto kAnswerWithin = 30s;
constexpr std::size_t kBodyBytesMax = 64U << 10;  // what is stored of a body is one record of the map
constexpr std::size_t kNameBytesMax = 1024;       // of a tenant, namespace, topic, subscription
constexpr std::size_t kSchemaBodyBytesMax = 1U << 20;

// Empty, or what is too large about a request.
std::string what_is_too_large(const http::Request& request) {
    const auto limit = request.path.starts_with("/admin/v2/schemas/") ? kSchemaBodyBytesMax : kBodyBytesMax;
    if (request.body.size() > limit) {
        return str_cat("the body has ", request.body.size(), " bytes, at most ", limit, " are taken");
    }
    for (const auto& [name, value] : request.params) {
        if (value.size() > kNameBytesMax) {
            return str_cat("the ", name, " in the path has ", value.size(), " bytes, at most ", kNameBytesMax,
                           " are taken");
        }
    }
    return {};
}

Object object_of(const http::Request& request) {
    const auto param = [&](const char* name) {
        const auto it = request.params.find(name);
        return it == request.params.end() ? std::string() : it->second;
    };
    Object object{.tenant = param("tenant")};
    if (request.params.contains("namespace")) object.ns = str_cat(object.tenant, '/', param("namespace"));
    if (request.params.contains("topic"))
        object.topic = str_cat("persistent://", object.ns, '/', param("topic"));
    object.subscription = param("subscription");
    return object;
}

// Before the loop: passwords take their time.
Result<Principal> who_asks(const Access& access, const http::Request& request) {
    if (!access.asks_who()) return Principal{};
    const auto header = [&](const char* name) {
        const auto it = request.headers.find(name);
        return it == request.headers.end() ? std::string() : it->second;
    };
    WEFT_TRY(auto caller, access.options().authenticator->authenticate_http(header("authorization"),
                                                                            request.certificate_name));
    Principal who{std::move(caller.role), header("x-original-principal")};
    if (who.original == who.role || !access.options().authorization) who.original.clear();
    return who;
}

// Why not, or nothing. On the loop.
std::optional<http::Response> why_not(Engine& engine, const Principal& who, Rule rule,
                                      const http::Request& request) {
    const Access& access = engine.access();
    if (!access.options().authorization) return std::nullopt;
    if (const auto wrong = access.wrong_original(who); !wrong.empty() && rule != Rule::open)
        return refused(401, str_cat("X-Original-Principal: ", wrong));
    const Object object = object_of(request);
    if (access.allows(who, rule, object)) return std::nullopt;
    const bool of_tenants = request.path.starts_with("/admin/v2/tenants");
    if (!of_tenants && !object.tenant.empty() && !engine.metadata().has_tenant(object.tenant))
        return refused(404, "Tenant does not exist");
    kLog.info("refused", {{"role", who.role},
                          {"original", who.original},
                          {"peer", request.remote_address},
                          {"method", request.method},
                          {"path", request.path}});
    return refused(is_of_namespace(rule) ? 403 : 401,
                   str_cat("the role ", who.role, " may not ", request.method, ' ', request.path));
}

}  // namespace

void Engine::add_routes(http::Router& router) {
    AdminRouter routes(router, *this);
    add_broker_routes(routes);
    add_tenant_routes(routes);
    add_permission_routes(routes);
    add_topic_routes(routes);
    add_subscription_routes(routes);
    add_message_routes(routes);
    add_stats_routes(routes);
    add_metrics_routes(routes);
    add_schema_routes(routes);
}

void AdminRouter::add(std::string_view method, std::string_view pattern, Rule rule, AdminHandler handler) {
    router_.add(method, pattern,
                [&engine = engine_, rule, handler = std::move(handler)](const http::Request& request) {
                    if (const auto reason = what_is_too_large(request); !reason.empty())
                        return refused(413, reason);
                    auto who = Result<Principal>(Principal{});
                    if (!engine.access().is_open(rule)) who = who_asks(engine.access(), request);
                    if (!who) {
                        if (const auto unlogged = engine.may_log_web_stranger(request.remote_host()))
                            kLog.info("not authenticated", {{"peer", request.remote_address},
                                                            {"path", request.path},
                                                            {"reason", who.error().message},
                                                            {"not_logged", *unlogged}});
                        return http::Response::who_are_you();
                    }
                    // Copied: the caller may have given up when the loop comes to it.
                    auto answer = async::call_on<http::Response>(
                        engine.loop(), request.deadline.at_most(kAnswerWithin),
                        [&engine, rule, who = std::move(*who), handler,
                         request = std::make_shared<http::Request>(request)](auto done) {
                            if (auto no = why_not(engine, who, rule, *request)) return done(std::move(*no));
                            auto reply = std::make_shared<decltype(done)>(std::move(done));
                            handler(engine, *request,
                                    [reply](http::Response response) { (*reply)(std::move(response)); });
                        });
                    return answer ? std::move(*answer) : http::Response::error(answer.error());
                });
}

Metadata::Done reply_when_written(Reply reply) {
    return [reply = std::move(reply)](Result<> written) {
        reply(written ? http::Response::no_content() : http::Response::error(written.error()));
    };
}

http::Response refused(int status, std::string_view reason) { return http::Response::error(status, reason); }

std::optional<wire::TopicName> topic_of(const http::Request& request, const Reply& reply) {
    auto name = wire::TopicName::parse(str_cat("persistent://", request.param("tenant"), "/",
                                               request.param("namespace"), "/", request.param("topic")));
    if (name) return std::move(*name);
    reply(refused(412, name.error().message));
    return std::nullopt;
}

Topic* open_topic_of(Engine& engine, const http::Request& request, const Reply& reply) {
    const auto name = topic_of(request, reply);
    if (!name) return nullptr;
    const auto topic = engine.open_topic(*name, Engine::Missing::refuse);
    if (topic) return *topic;
    reply(refused(404, str_cat("Topic ", name->full(), " not found")));
    return nullptr;
}

std::vector<Topic*> open_parts_of(Engine& engine, const http::Request& request, const Reply& reply) {
    const auto name = topic_of(request, reply);
    if (!name) return {};
    std::vector<Topic*> parts;
    const auto count = engine.metadata().partitions(*name);
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto part = wire::TopicName::parse(str_cat(name->full(), "-partition-", index));
        const auto topic = engine.open_topic(*part, Engine::Missing::create);
        if (!topic) return reply(refused(500, topic.error().message)), std::vector<Topic*>();
        parts.push_back(*topic);
    }
    if (count != 0) return parts;
    auto* const topic = open_topic_of(engine, request, reply);
    return topic == nullptr ? std::vector<Topic*>() : std::vector<Topic*>{topic};
}

std::optional<std::uint64_t> number_of(const http::Request& request, const std::string& param,
                                       const Reply& reply) {
    const auto& text = request.param(param);
    std::uint64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc{} && read.ptr == text.data() + text.size()) return value;
    reply(refused(400, str_cat("the ", param, " in the path must be a whole number: ", text)));
    return std::nullopt;
}

std::map<std::string, std::string> texts_of(std::string_view body) {
    std::map<std::string, std::string> out;
    const auto parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) return out;
    for (const auto& [key, value] : parsed.items()) {
        if (value.is_string()) out[key] = value.get<std::string>();
    }
    return out;
}

bool is_set(const http::Request& request, const std::string& parameter) {
    const auto it = request.query.find(parameter);
    return it != request.query.end() && it->second == "true";
}

}  // namespace weft::broker
