#include "worker/broker_admin.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "http/client.h"
#include "http/server.h"
#include "pulsar/admin.h"
#include "wire/topic_name.h"

namespace weft::worker {
namespace {

struct Answer {
    int status = 0;
    std::string body;
};
using Send = std::function<Result<Answer>(std::string_view method, const std::string& path, std::string body,
                                          Deadline)>;

class RestAdmin final : public BrokerAdmin {
  public:
    explicit RestAdmin(Send send) : send_(std::move(send)) {}

    Result<bool> tenant_exists(const std::string& tenant, Deadline deadline) override {
        WEFT_TRY(const Answer answer,
                 send_("GET", "/admin/v2/tenants/" + http::url_encode(tenant), "", deadline));
        if (answer.status == 200) return true;
        if (answer.status == 404) return false;
        return unexpected("look up tenant " + tenant, answer);
    }

    Result<bool> namespace_exists(const std::string& tenant, const std::string& ns,
                                  Deadline deadline) override {
        WEFT_TRY(const Answer answer,
                 send_("GET", "/admin/v2/namespaces/" + http::url_encode(tenant), "", deadline));
        if (answer.status == 404) return false;
        if (answer.status != 200) return unexpected("list the namespaces of " + tenant, answer);
        const auto names = nlohmann::json::parse(answer.body, nullptr, false);
        if (!names.is_array()) return fail(ErrorCode::corrupt, "The broker's list of namespaces is not one");
        const std::string wanted = str_cat(tenant, '/', ns);
        return std::ranges::any_of(names, [&](const auto& name) { return name == wanted; });
    }

    Result<> ensure_namespace(const std::string& tenant, const std::string& ns, Deadline deadline) override {
        const auto there = namespace_exists(tenant, ns, deadline);
        if (there && *there) return {};
        const std::string path =
            str_cat("/admin/v2/namespaces/", http::url_encode(tenant), '/', http::url_encode(ns));
        const std::string policies =
            R"({"retention_policies":{"retentionTimeInMinutes":-1,"retentionSizeInMB":-1}})";
        WEFT_TRY(const Answer answer, send_("PUT", path, policies, deadline));
        if (answer.status / 100 == 2 || answer.status == 409) return {};
        return unexpected("make namespace " + tenant + "/" + ns, answer);
    }

    Result<> delete_subscription(const std::string& topic, const std::string& subscription,
                                 Deadline deadline) override {
        WEFT_TRY(const std::string path, path_of(topic));
        WEFT_TRY(
            const Answer answer,
            send_("DELETE", str_cat(path, "/subscription/", http::url_encode(subscription)), "", deadline));
        if (answer.status / 100 == 2 || answer.status == 404) return {};
        return unexpected(str_cat("delete subscription ", subscription, " of ", topic), answer);
    }

    Result<NamespaceRights> rights_in(const std::string& tenant, const std::string& ns,
                                      Deadline deadline) override {
        NamespaceRights rights;
        const std::string of_tenant = http::url_encode(tenant);
        WEFT_TRY(const Answer told, send_("GET", "/admin/v2/tenants/" + of_tenant, "", deadline));
        if (told.status == 404) return rights;
        if (told.status != 200) return unexpected("look up tenant " + tenant, told);
        const auto info = nlohmann::json::parse(told.body, nullptr, false);
        WEFT_TRY(const Answer answer,
                 send_("GET",
                       str_cat("/admin/v2/namespaces/", of_tenant, '/', http::url_encode(ns), "/permissions"),
                       "", deadline));
        if (answer.status != 200 && answer.status != 404)
            return unexpected(str_cat("look up permissions on ", tenant, '/', ns), answer);
        const auto granted = answer.status == 200 ? nlohmann::json::parse(answer.body, nullptr, false)
                                                  : nlohmann::json::object();
        if (!info.is_object() || !granted.is_object())
            return fail(ErrorCode::corrupt, "The broker's answer on rights in ", tenant, '/', ns, " is none");
        if (const auto admins = info.find("adminRoles"); admins != info.end() && admins->is_array()) {
            for (const auto& role : *admins) {
                if (role.is_string()) rights.tenant_admins.push_back(role.get<std::string>());
            }
        }
        for (const auto& [role, actions] : granted.items()) {
            for (const auto& action : actions) {
                if (action.is_string()) rights.granted[role].insert(action.get<std::string>());
            }
        }
        return rights;
    }

    Result<Participants> participants(const std::string& topic, Deadline deadline) override {
        WEFT_TRY(const std::string path, path_of(topic));
        WEFT_TRY(const Answer answer, send_("GET", path + "/stats", "", deadline));
        if (answer.status != 200) return unexpected("look who is on " + topic, answer);
        WEFT_TRY(const auto stats, pulsar::parse_topic_stats(answer.body));
        Participants found;
        const auto* const subscription = stats.find(kParticipants);
        if (!subscription) return found;
        for (const auto& consumer : subscription->consumers) {
            auto member = member_of(consumer);
            if (!member) continue;  // somebody else's consumer
            if (consumer.name == subscription->active_consumer) found.leader = member->worker_id;
            found.members.push_back(std::move(*member));
        }
        return found;
    }

    Result<> compact(const std::string& topic, Deadline deadline) override {
        WEFT_TRY(const std::string path, path_of(topic));
        WEFT_TRY(const Answer answer, send_("PUT", path + "/compaction", "", deadline));
        if (answer.status / 100 == 2 || answer.status == 409) return {};
        return unexpected("have compacted " + topic, answer);
    }

  private:
    static Result<std::string> path_of(const std::string& topic) {
        WEFT_TRY(const auto name, wire::TopicName::parse(topic));
        return str_cat("/admin/v2/", name.persistent() ? "persistent/" : "non-persistent/",
                       http::url_encode(name.tenant()), '/', http::url_encode(name.namespace_local()), '/',
                       http::url_encode(name.local()));
    }
    static std::optional<Member> member_of(const pulsar::SubscriptionStats::ConsumerStats& consumer) {
        std::string_view id = consumer.name;
        std::string life;
        bool is_weft = false, tls = false;
        for (const auto& [key, value] : consumer.metadata) {
            if (key == "id") id = value;
            if (key == kWeftProperty) is_weft = true, tls = value == kWeftTls;
            if (key == kLifeProperty) life = value;
        }
        auto member = parse_participant(id);
        if (!member) return member;
        member->is_weft = is_weft;
        member->tls = tls;
        member->life = std::move(life);
        return member;
    }
    static std::unexpected<Error> unexpected(const std::string& what, const Answer& answer) {
        constexpr std::size_t kBodyBytesShown = 200;
        return fail(ErrorCode::unavailable, "Can't ", what, ": the broker answered ", answer.status, " ",
                    answer.body.substr(0, kBodyBytesShown));
    }

    const Send send_;
};

}  // namespace

std::unique_ptr<BrokerAdmin> make_in_process_admin(const http::Router& router,
                                                   security::ClientSecurity security) {
    return std::make_unique<RestAdmin>([&router, credentials = std::move(security.credentials)](
                                           std::string_view method, const std::string& path, std::string body,
                                           Deadline deadline) -> Result<Answer> {
        http::Request request;
        if (credentials) {
            WEFT_TRY(request.headers["authorization"], credentials->authorization(deadline));
        }
        request.method = method;
        request.path = request.raw_path = path;
        if (!body.empty()) request.headers["content-type"] = "application/json";
        request.body = std::move(body);
        request.deadline = deadline;
        auto response = router.handle(request);
        return Answer{response.status, std::move(response.body)};
    });
}

std::unique_ptr<BrokerAdmin> make_http_admin(std::string web_url, security::ClientSecurity security) {
    while (web_url.ends_with('/')) web_url.pop_back();
    return std::make_unique<RestAdmin>([url = std::move(web_url), security = std::move(security)](
                                           std::string_view method, const std::string& path, std::string body,
                                           Deadline deadline) -> Result<Answer> {
        http::ClientRequest request;
        request.method = method;
        request.url = url + path;
        request.security = security;
        if (!body.empty()) request.headers["Content-Type"] = "application/json";
        request.body = std::move(body);
        WEFT_TRY(auto response, http::fetch(request, deadline));
        return Answer{response.status, std::move(response.body)};
    });
}

}  // namespace weft::worker
