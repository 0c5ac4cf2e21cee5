#include "config/settings.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "config/options.h"

namespace weft::config {

namespace {

constexpr std::string_view kHidden = "********";
constexpr std::string_view kAnything = "*";  // as a key's defaults: no value of it is worth a word

template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<bool> boolean_of(std::string_view text) {
    if (text == "true" || text == "True" || text == "TRUE") return true;
    if (text == "false" || text == "False" || text == "FALSE") return false;
    return std::nullopt;
}

bool same(KeyType type, std::string_view a, std::string_view b) {
    if (a == b) return true;
    if (type == KeyType::boolean) return boolean_of(a).has_value() && boolean_of(a) == boolean_of(b);
    if (type == KeyType::integer || type == KeyType::number)
        return number_of<double>(a).has_value() && number_of<double>(a) == number_of<double>(b);
    return false;
}

bool is_default(const Key& key, const Setting& setting) {
    const std::string value = setting.text();
    if (setting.null || value.empty() || key.defaults == kAnything) return true;
    return std::ranges::any_of(defaults_of(key),
                               [&](std::string_view each) { return same(key.type, each, value); });
}

// What its type wants; empty: it is right.
std::string_view wrong_type(const Key& key, const Setting& setting) {
    const std::string value = setting.text();
    if (setting.null || value.empty()) return {};
    if (key.type == KeyType::integer && !number_of<std::int64_t>(value)) return "give a whole number";
    if (key.type == KeyType::number && !number_of<double>(value)) return "give a number";
    if (key.type == KeyType::boolean && !boolean_of(value)) return "give true or false";
    return {};
}

bool sounds_secret(std::string_view name) {
    constexpr std::string_view kWords[] = {"password", "secret", "token", "credential", "authparams"};
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    return std::ranges::any_of(kWords, [&](std::string_view word) { return lower.contains(word); });
}

/// Where a secret is, or what looks after it, is none: the name of a class, a whole path.
bool tells_where(std::string_view name, std::string_view value) {
    constexpr std::string_view kFiles[] = {"File", "FilePath", ".folder"};
    if (value.starts_with("file:/") || name.ends_with("ClassName")) return true;
    return value.starts_with('/') &&
           std::ranges::any_of(kFiles, [&](std::string_view end) { return name.ends_with(end); });
}

/// A name of the table holds a secret because of what it says itself, not because of the map that it is in.
std::string_view own_name(const Key* key, std::string_view name) {
    constexpr std::string_view kMap = "secretsProviderConfiguratorConfig.";
    return key != nullptr && key->name == name && name.starts_with(kMap) ? name.substr(kMap.size()) : name;
}

Finding unknown(KeyTable table, const std::string& name, const Setting& setting) {
    std::vector<std::string> names;
    for (const Key& key : table) {
        if (!key.name.ends_with('*')) names.emplace_back(key.name);
    }
    const auto near = nearest(name, names);
    return {Finding::Kind::unknown, name,
            str_cat(setting.where, ": ", name, ": Pulsar has no such setting, it changes nothing",
                    near ? str_cat("; did you mean ", *near, "?") : std::string())};
}

std::optional<Finding> finding_of(KeyTable table, const std::string& name, const Setting& setting) {
    const Key* const key = find_key(table, name);
    if (key == nullptr) return unknown(table, name, setting);
    const std::string line =
        str_cat(setting.where, ": ", name, " = ", shown(key, name, setting.text()), ": ");
    if (const auto wrong = wrong_type(*key, setting); !wrong.empty())
        return Finding{Finding::Kind::refused, name, str_cat(line, wrong)};
    if (is_default(*key, setting)) return std::nullopt;
    if (key->use == Use::refused) return Finding{Finding::Kind::refused, name, str_cat(line, key->note)};
    if (key->use == Use::not_needed)
        return Finding{Finding::Kind::no_effect, name, str_cat(line, "has no effect here: ", key->note)};
    return std::nullopt;
}

}  // namespace

std::string Setting::text() const {
    std::string out;
    for (const std::string& value : values) str_append(out, out.empty() ? "" : ",", value);
    return out;
}

std::map<std::string, std::string> environment_of(const char* const* variables) {
    std::map<std::string, std::string> out;
    for (; variables != nullptr && *variables != nullptr; ++variables) {
        const std::string_view variable = *variables;
        const std::size_t equals = variable.find('=');
        if (equals != std::string_view::npos)
            out.emplace(variable.substr(0, equals), variable.substr(equals + 1));
    }
    return out;
}

void take_environment(Settings& settings, std::string_view prefix,
                      const std::map<std::string, std::string>& environment) {
    constexpr std::string_view kProperties = "properties_";
    for (auto it = environment.lower_bound(std::string(prefix));
         it != environment.end() && it->first.starts_with(prefix); ++it) {
        std::string name = it->first.substr(prefix.size());
        if (name.starts_with(kProperties)) {
            name[kProperties.size() - 1] = '.';
        } else {
            std::ranges::replace(name, '_', '.');
        }
        settings[name] = {
            .values = {it->second}, .null = it->second.empty(), .where = str_cat("environment ", it->first)};
    }
}

std::vector<Finding> examine(KeyTable table, const Settings& settings) {
    std::vector<Finding> out;
    for (const auto& [name, setting] : settings) {
        if (auto finding = finding_of(table, name, setting)) out.push_back(std::move(*finding));
    }
    std::ranges::sort(out, {}, [](const Finding& each) { return std::tie(each.kind, each.key); });
    return out;
}

std::string shown(const Key* key, std::string_view name, std::string_view value) {
    if (value.empty()) return std::string(value);
    if (key != nullptr && key->type == KeyType::secret) return std::string(kHidden);
    if (sounds_secret(own_name(key, name)) && !tells_where(name, value)) return std::string(kHidden);
    const std::size_t scheme = value.find("://"), at = value.find('@');
    if (scheme != std::string_view::npos && at != std::string_view::npos && at > scheme)
        return str_cat(value.substr(0, scheme + 3), kHidden, value.substr(at));  // user:password@
    return std::string(value);
}

const Setting* SettingsView::find(std::string_view name) const {
    const auto it = settings_.find(name);
    return it == settings_.end() ? nullptr : &it->second;
}

std::optional<std::string> SettingsView::text(std::string_view name) const {
    const Setting* const setting = find(name);
    if (setting == nullptr || setting->null || setting->text().empty()) return std::nullopt;
    return setting->text();
}

std::vector<std::string> SettingsView::list(std::string_view name) const {
    const Setting* const setting = find(name);
    if (setting == nullptr || setting->null || setting->text().empty()) return {};
    return setting->values;
}

std::optional<std::int64_t> SettingsView::integer(std::string_view name) const {
    const auto value = text(name);
    return value ? number_of<std::int64_t>(*value) : std::nullopt;
}

std::optional<bool> SettingsView::boolean(std::string_view name) const {
    const auto value = text(name);
    return value ? boolean_of(*value) : std::nullopt;
}

bool SettingsView::is_null(std::string_view name) const {
    const Setting* const setting = find(name);
    return setting != nullptr && setting->null;
}

std::unexpected<Error> SettingsView::refuse(std::string_view name, std::string_view cure) const {
    const Setting* const setting = find(name);
    const std::string value = setting == nullptr ? "" : setting->null ? "null" : setting->text();
    return fail(ErrorCode::invalid_argument, setting == nullptr ? "" : setting->where,
                setting == nullptr ? "" : ": ", name, " = ", shown(find_key(table_, name), name, value), ": ",
                cure);
}

}  // namespace weft::config
