#include "worker/rest_guard.h"

#include <algorithm>

namespace weft::worker {
namespace {

constexpr std::string_view kMayNot = "Client is not authorized to perform operation";  // Pulsar's text
constexpr std::string_view kNotYet =
    "Function worker service is not done initializing. Please try again in a little while.";
constexpr Duration kRightsPatience = 5s;
constexpr int kUnauthorized = 401, kNotAvailable = 503;

std::string header(const http::Request& request, const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
}

bool is_one_of(const std::vector<std::string>& roles, const std::string& role) {
    return !role.empty() && std::ranges::find(roles, role) != roles.end();
}

std::string_view action_of(Rule rule) {
    switch (rule) {
        case Rule::sources:
            return "sources";
        case Rule::sinks:
            return "sinks";
        case Rule::packages:
            return "packages";
        default:
            return "functions";
    }
}

/// Proxies have to name somebody, who is no proxy; others may name nobody but themselves.
std::optional<std::string> wrong_original(const RestAccess& access, const Principal& who) {
    const bool proxy = is_one_of(access.proxy_roles, who.role);
    if (proxy && who.original.empty()) return "a proxy role must name an original principal";
    if (proxy && is_one_of(access.proxy_roles, who.original)) return "the original principal is a proxy role";
    if (!proxy && !who.original.empty() && who.original != who.role)
        return "only proxy roles may name an original principal";
    return std::nullopt;
}

bool role_may(const RestAccess& access, const std::string& role, Rule rule, const NamespaceRights* rights) {
    if (role.empty()) return false;
    if (is_one_of(access.super_users, role)) return true;
    if (!rights) return false;
    if (is_one_of(rights->tenant_admins, role)) return true;
    const auto granted = rights->granted.find(role);
    return granted != rights->granted.end() && granted->second.contains(std::string(action_of(rule)));
}

}  // namespace

std::optional<std::string> why_not(const RestAccess& access, const Principal& who, Rule rule,
                                   const NamespaceRights* rights) {
    if (!access.authorization || rule == Rule::page || rule == Rule::known) return std::nullopt;
    if (auto wrong = wrong_original(access, who)) return wrong;
    const bool proxy = is_one_of(access.proxy_roles, who.role);
    for (const std::string* const role : {&who.role, proxy ? &who.original : &who.role}) {
        if (role_may(access, *role, rule, rights)) continue;
        if (!rights) return str_cat(*role, " is no super user");
        return str_cat(*role, " is no super user, no admin of the tenant, and not granted ", action_of(rule),
                       " on the namespace");
    }
    return std::nullopt;
}

/// The namespace that the rule is about; nothing: of none.
std::optional<RestGuard::Place> RestGuard::place_of(Rule rule, const http::Request& request) {
    if (rule == Rule::super_user || rule == Rule::page || rule == Rule::known) return std::nullopt;
    if (rule != Rule::uploaded) return Place{request.param("tenant"), request.param("namespace")};
    const auto given = request.query.find("path");
    if (given == request.query.end() || std::ranges::count(given->second, '/') != 3) return std::nullopt;
    const std::string& path = given->second;
    const auto first = path.find('/');
    const auto second = path.find('/', first + 1);
    if (first == 0 || second == first + 1) return std::nullopt;
    return Place{path.substr(0, first), path.substr(first + 1, second - first - 1)};
}

std::optional<RestGuard::Known> RestGuard::remembered(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(key);
    if (found == known_.end() || now_() - found->second.since >= kBelieved) return std::nullopt;
    return found->second;
}

Result<RestGuard::Known> RestGuard::ask(const Place& place, Deadline deadline) {
    BrokerAdmin* const cluster = cluster_();
    if (!cluster) return fail(ErrorCode::unavailable, kNotYet);
    const SteadyTime since = now_();  // what is asked for now is not younger than this
    auto told = cluster->rights_in(place.tenant, place.ns, deadline.at_most(kRightsPatience));
    if (!told) {
        return std::unexpected(std::move(told).error().context(
            str_cat("Not allowed: the cluster can't be asked for rights in ", place.tenant, '/', place.ns)));
    }
    Known known{std::make_shared<const NamespaceRights>(std::move(*told)), since};
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kNamespacesMax) known_.clear();
    known_.insert_or_assign(str_cat(place.tenant, '/', place.ns), known);
    return known;
}

Result<std::optional<std::string>> RestGuard::judge(const Principal& who, Rule rule,
                                                    const http::Request& request) {
    const auto place = place_of(rule, request);
    auto reason = why_not(access_, who, rule, nullptr);
    if (!reason || !place || wrong_original(access_, who)) return reason;  // nobody's rights would change it
    auto known = remembered(str_cat(place->tenant, '/', place->ns));
    if (known) {
        reason = why_not(access_, who, rule, known->rights.get());
        if (!reason || now_() - known->since < kNoBelieved) return reason;
    }
    WEFT_TRY(known, ask(*place, request.deadline));
    return why_not(access_, who, rule, known->rights.get());
}

std::optional<http::Response> RestGuard::refusal(Rule rule, const http::Request& request) {
    if (!access_.authenticator || (rule == Rule::page && !access_.ask_on_pages)) return std::nullopt;
    AuditLine line{.role = {},
                   .original = header(request, "x-original-principal"),
                   .method = request.method,
                   .path = request.path,
                   .from = request.remote_address,
                   .why_not = {},
                   .not_logged = 0};
    if (line.original.find_first_not_of(" \t") == std::string::npos) line.original.clear();
    const auto refuse = [&](std::string why, int status, std::string_view reason) {
        line.why_not = std::move(why);
        audit_->write(line);
        return http::Response::error(status, reason);
    };
    auto caller =
        access_.authenticator->authenticate_http(header(request, "authorization"), request.certificate_name);
    if (!caller) {
        if (const auto unlogged = strangers_logged_.take(request.remote_host(), now_())) {
            line.why_not = std::move(caller).error().message;
            line.not_logged = *unlogged;
            audit_->write(line);
        }
        return http::Response::who_are_you();
    }
    line.role = std::move(caller->role);
    const auto judged = judge({line.role, line.original}, rule, request);
    if (!judged) return refuse(judged.error().message, kNotAvailable, judged.error().message);
    if (*judged) return refuse(**judged, kUnauthorized, kMayNot);
    audit_->write(line);
    return std::nullopt;
}

}  // namespace weft::worker
