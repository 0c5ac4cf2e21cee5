#include "broker/access.h"

#include <algorithm>
#include <array>

#include "broker/detail/json.h"

namespace weft::broker {
namespace {

bool contains(const std::vector<std::string>& roles, const std::string& role) {
    return std::ranges::find(roles, role) != roles.end();
}

const json& member(const json& object, const std::string& name) {
    static const json kNothing;
    if (!object.is_object()) return kNothing;
    const auto found = object.find(name);
    return found == object.end() ? kNothing : *found;
}

bool lists(const json& names, std::string_view wanted) {
    return names.is_array() && std::ranges::any_of(names, [&](const json& name) { return name == wanted; });
}

/// "ann*" or "*ann".
bool fits(std::string_view pattern, std::string_view role) {
    if (pattern.starts_with('*')) return role.ends_with(pattern.substr(1));
    return pattern.ends_with('*') && role.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// `roles`: {"ann": ["produce"]}.
bool grants(const json& roles, const std::string& role, std::string_view action, bool wildcards) {
    if (lists(member(roles, role), action)) return true;
    if (!wildcards || !roles.is_object()) return false;
    return std::ranges::any_of(roles.items(), [&](const auto& entry) {
        return fits(entry.key(), role) && lists(entry.value(), action);
    });
}

/// The partitioned topic of a partition; else the topic.
std::string whole_topic(const std::string& topic) {
    const auto name = wire::TopicName::parse(topic);
    return name && name->partition() ? topic.substr(0, topic.rfind("-partition-")) : topic;
}

/// What a namespace says of who may do what in it.
class Policies {
  public:
    Policies(const json& policies, bool wildcards)
        : auth_(member(policies, "auth_policies")), wildcards_(wildcards) {}

    bool in_namespace(const std::string& role, std::string_view action) const {
        return grants(member(auth_, "namespace_auth"), role, action, wildcards_);
    }
    bool on_topic(const std::string& role, std::string_view action, const std::string& topic) const {
        const json& topics = member(auth_, "destination_auth");
        return in_namespace(role, action) || grants(member(topics, topic), role, action, wildcards_) ||
               grants(member(topics, whole_topic(topic)), role, action, wildcards_);
    }
    /// Who is named for a subscription has it alone.
    bool by_subscription(const std::string& role, const std::string& subscription) const {
        const json& roles = member(member(auth_, "subscription_auth_roles"), subscription);
        return subscription.empty() || !roles.is_array() || roles.empty() || lists(roles, role);
    }

  private:
    const json& auth_;
    const bool wildcards_;
};

}  // namespace

bool is_permission(std::string_view action) {
    constexpr std::array<std::string_view, 6> kActions = {"produce", "consume", "functions",
                                                          "sources", "sinks",   "packages"};
    return std::ranges::find(kActions, action) != kActions.end();
}

bool is_of_namespace(Rule rule) { return rule == Rule::namespace_admin || rule == Rule::use_namespace; }

Object Object::of(const wire::TopicName& topic, std::string subscription) {
    return {std::string(topic.tenant()), std::string(topic.namespace_full()), std::string(topic.full()),
            std::move(subscription)};
}

std::string Access::wrong_original(const Principal& who) const {
    if (!asks_who()) return {};
    if (contains(options_.proxy_roles, who.role)) {
        if (who.original.empty()) return "a proxy has to say for whom it speaks";
        return contains(options_.proxy_roles, who.original) ? "a proxy can't speak for a proxy" : "";
    }
    return who.original.empty() ? "" : "only a role of proxyRoles can speak for another";
}

bool Access::allows(const Principal& who, Rule rule, const Object& object) const {
    if (is_open(rule)) return true;
    if (who.role.empty()) return false;
    if (!options_.authorization || rule == Rule::known || rule == Rule::metrics) return true;
    return allows_role(who.role, rule, object) &&
           (who.original.empty() || who.original == who.role || allows_role(who.original, rule, object));
}

bool Access::is_admin(const std::string& role, const std::string& tenant) const {
    if (tenant.empty()) return false;
    const auto text = metadata_.tenant(tenant);
    return text && lists(member(json::parse(*text, nullptr, false), "adminRoles"), role);
}

bool Access::allows_role(const std::string& role, Rule rule, const Object& object) const {
    if (contains(options_.super_users, role)) return true;
    if (rule == Rule::super_user) return false;
    if (is_admin(role, object.tenant)) return true;
    if (rule == Rule::tenant_admin || rule == Rule::namespace_admin) return false;
    const json parsed = json::parse(metadata_.policies(object.ns).value_or("{}"), nullptr, false);
    const Policies policies(parsed, options_.wildcards);
    const bool consumes = object.topic.empty() ? policies.in_namespace(role, "consume")
                                               : policies.on_topic(role, "consume", object.topic);
    if (rule == Rule::consume) return consumes && policies.by_subscription(role, object.subscription);
    if (rule != Rule::produce && consumes) return true;
    return object.topic.empty() ? policies.in_namespace(role, "produce")
                                : policies.on_topic(role, "produce", object.topic);
}

}  // namespace weft::broker
