#include "admin_command.h"

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "wire/topic_name.h"

namespace weft::app {

namespace {

using Json = nlohmann::ordered_json;

Result<std::string> placeholder(const Call& call, std::string_view name) {
    if (name == "0") return http::url_encode(call.arguments.positional());
    if (name == "topic") return topic_path(call.arguments.positional());
    if (name == "namespace") return namespace_path(call.arguments.positional());
    for (const config::Option& option : call.entry.options) {
        if (config::names_of(option).back() == name && option.value.empty())
            return call.arguments.is_set(name) ? "true" : "false";
    }
    return http::url_encode(call.arguments.text(name));
}

Result<std::string> filled(const Call& call, std::string_view pattern) {
    std::string out;
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        str_append(out, pattern.substr(0, open));
        if (open == std::string_view::npos) break;
        const std::size_t close = pattern.find('}', open);
        std::string_view name = pattern.substr(open + 1, close - open - 1);
        pattern.remove_prefix(close + 1);
        if (name.ends_with('?')) {
            name.remove_suffix(1);
            if (!call.arguments.has(name)) {  // "&name=" goes, too
                out.resize(out.find_last_of("&?"));
                continue;
            }
        }
        WEFT_TRY(const auto value, placeholder(call, name));
        out += value;
    }
    return out;
}

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// As Java shows it: a list is "[a, b]".
std::string java_text_of(const Json& value) {
    if (!value.is_array()) return text_of(value);
    std::string out;
    for (const Json& item : value) str_append(out, out.empty() ? "[" : ", ", text_of(item));
    return out.empty() ? "[]" : out + "]";
}

Result<std::string> lines_of(const Json& list) {
    if (!list.is_array()) return fail(ErrorCode::corrupt, "the answer is not a list: ", text_of(list));
    std::string out;
    for (const Json& item : list) str_append(out, out.empty() ? "" : "\n", text_of(item));
    return out;
}

Result<std::string> as_shown(std::string_view answer, Show show) {
    if (show == Show::text) return std::string(answer);
    if (answer.empty()) answer = "null";
    if (show == Show::value) return laid_out(answer, JsonStyle::jackson);
    if (show == Show::gson) return laid_out(answer, JsonStyle::gson);
    const Json json = Json::parse(answer, nullptr, false);
    if (json.is_discarded())
        return fail(ErrorCode::corrupt, "the answer is not JSON: ", answer.substr(0, 200));
    if (show == Show::compact) return text_of(json);
    if (show == Show::lines) return lines_of(json);
    if (!json.is_object()) return std::string(json.is_null() ? "" : answer);
    std::string out;
    for (const auto& [name, value] : json.items())
        str_append(out, out.empty() ? "" : "\n", name, "    ", java_text_of(value));
    return out;
}

std::unexpected<Error> invalid(std::string_view option, std::string_view why) {
    return fail(ErrorCode::invalid_argument, "Invalid value for option '", option, "': ", why);
}

// A number with a unit behind it; `units` is "k1024 m1048576".
std::optional<std::int64_t> parse_with_unit(std::string_view text,
                                            std::initializer_list<std::pair<char, std::int64_t>> units) {
    std::int64_t factor = 1;
    for (const auto& [unit, worth] : units) {
        if (!text.empty() && std::tolower(static_cast<unsigned char>(text.back())) == unit) {
            factor = worth;
            text.remove_suffix(1);
            break;
        }
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (value > std::numeric_limits<std::int64_t>::max() / factor || value < -1) return std::nullopt;
    return value == -1 ? -1 : value * factor;
}

}  // namespace

int run_rest(const Call& call) {
    const Rest& rest = *call.entry.rest;
    const auto path = filled(call, rest.path);
    if (!path) return call.wrong_use(path.error().message);
    const AdminClient admin(call);
    Result<std::string> answer;
    if (rest.body == nullptr) {
        answer = admin.ask(rest.method, *path);
    } else {
        auto body = rest.body(call);
        if (!body) return call.wrong_use(body.error().message);
        answer = admin.send_json(rest.method, *path, std::move(*body));
    }
    if (!answer) return print_failure(answer.error());
    return print_answer(call, *answer, rest.show);
}

int print_answer(const Call& call, std::string_view json, Show show) {
    if (show == Show::nothing) return kDone;
    Result<std::string> text;
    const std::string format = call.entry.takes == Takes::shown ? call.arguments.text("--output") : "";
    if (format == "table") {
        text = table_of(json.empty() ? "null" : json);
    } else if (format == "json" && show == Show::text) {
        text = Json(json).dump(-1, ' ', false, Json::error_handler_t::replace);
    } else {
        text = as_shown(json, format == "json" ? Show::value : show);
    }
    if (!text) return print_failure(text.error());
    if (!text->empty()) print(*text);
    return kDone;
}

int finish(const Call& call, const Result<>& result) {
    if (result) return kDone;
    return result.error().code == ErrorCode::invalid_argument ? call.wrong_use(result.error().message)
                                                              : print_failure(result.error());
}

Result<std::string> topic_path(std::string_view name) {
    WEFT_TRY(const auto topic, wire::TopicName::parse(name));
    return str_cat(topic.persistent() ? "persistent/" : "non-persistent/", http::url_encode(topic.tenant()),
                   '/', http::url_encode(topic.namespace_local()), '/', http::url_encode(topic.local()));
}

Result<std::string> admin_topic_path(const Call& call, std::string_view rest) {
    WEFT_TRY(const auto path, topic_path(call.arguments.positional()));
    return str_cat("/admin/v2/", path, rest);
}

Result<std::string> namespace_path(std::string_view name) {
    const std::size_t slash = name.find('/');
    const auto tenant = name.substr(0, slash);
    const auto ns = slash == std::string_view::npos ? "" : name.substr(slash + 1);
    if (tenant.empty() || ns.empty() || ns.contains('/'))
        return fail(ErrorCode::invalid_argument,
                    "Invalid namespace format. expected <tenant>/<namespace> but got: ", name);
    return str_cat(http::url_encode(tenant), '/', http::url_encode(ns));
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        if (end > 0) out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

Result<std::string> properties_json(const std::vector<std::string>& pairs, std::string_view option) {
    Json out = Json::object();
    for (const std::string& pair : pairs) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0)
            return invalid(option, str_cat("'", pair, "' is not key=value"));
        out[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return text_of(out);
}

Result<std::int64_t> parse_size(std::string_view text, std::string_view option) {
    const auto bytes =
        parse_with_unit(text, {{'k', 1LL << 10}, {'m', 1LL << 20}, {'g', 1LL << 30}, {'t', 1LL << 40}});
    if (bytes) return *bytes;
    return invalid(option,
                   str_cat("Invalid size '", text, "'. Valid formats are: (4096, 100K, 10M, 16G, 2T)"));
}

Result<std::int64_t> parse_seconds(std::string_view text, std::string_view option) {
    const auto seconds = parse_with_unit(
        text, {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}, {'y', 31'536'000}});
    if (seconds) return *seconds;
    return invalid(option, str_cat("Invalid time '", text, "'. Valid formats are: (120, 100m, 3h, 2d, 5w)"));
}

Result<std::string> message_id_json(std::string_view text, std::string_view more) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    std::int64_t ledger = -1, entry = -1;
    if (text == "latest") {
        ledger = entry = kMax;
    } else if (text != "earliest") {
        const std::size_t colon = std::min(text.find(':'), text.size());
        const char* const end = text.data() + text.size();
        const auto first = std::from_chars(text.data(), text.data() + colon, ledger);
        const auto second = std::from_chars(std::min(text.data() + colon + 1, end), end, entry);
        if (first.ec != std::errc() || first.ptr != text.data() + colon || second.ec != std::errc() ||
            second.ptr != end)
            return fail(ErrorCode::invalid_argument,
                        "Invalid message id (must be in format: ledgerId:entryId) value ", text);
    }
    return str_cat(R"({"ledgerId":)", ledger, R"(,"entryId":)", entry, R"(,"partitionIndex":-1)", more, '}');
}

std::vector<Entry> rows(std::span<const Entry> served,
                        std::initializer_list<std::pair<std::string_view, std::string_view>> refused) {
    std::vector<Entry> out(served.begin(), served.end());
    for (auto [names, cure] : refused) {
        while (!names.empty()) {
            const std::size_t end = std::min(names.find(' '), names.size());
            out.push_back({.word = names.substr(0, end), .unsupported = cure});
            names.remove_prefix(std::min(end + 1, names.size()));
        }
    }
    return out;
}

}  // namespace weft::app
