// The commands of `weft topics` that are more than one call of the REST.

#include <cstdio>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "admin_command.h"
#include "base/clock.h"
#include "topics.h"
#include "wire/entry.h"

namespace weft::app {

namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kCompactionPatience = 1h;
constexpr Duration kAskAgainAfter = 100ms;

// "persistent/tenant/namespace/topic" as a topic's full name.
std::string full_name(std::string_view path) {
    const std::size_t slash = path.find('/');
    return str_cat(path.substr(0, slash), "://", path.substr(slash + 1));
}

Result<Json> ask_json(const AdminClient& admin, std::string_view path) {
    WEFT_TRY(const auto answer, admin.ask("GET", path));
    Json json = Json::parse(answer, nullptr, false);
    if (json.is_discarded())
        return fail(ErrorCode::corrupt, "the answer is not JSON: ", answer.substr(0, 200));
    return json;
}

Result<Json> topics_of(const Call& call) {
    WEFT_TRY(const auto ns, namespace_path(call.arguments.positional()));
    const AdminClient admin(call);
    const std::string domain = call.arguments.text("--topic-domain");
    Json all = Json::array();
    for (const std::string_view each : {"persistent", "non-persistent"}) {
        const bool wanted = domain.empty() || domain[0] == each[0];
        if (!wanted) continue;
        WEFT_TRY(const auto some, ask_json(admin, str_cat("/admin/v2/", each, '/', ns)));
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

// Broker URL of the topic, or of each of its partitions: "topic    url", or "url    [topics]".
Result<Json> brokers_of(const Call& call) {
    WEFT_TRY(const auto topic, topic_path(call.arguments.positional()));
    const AdminClient admin(call);
    if (call.entry.word == "lookup") {
        WEFT_TRY(auto found, ask_json(admin, str_cat("/lookup/v2/topic/", topic)));
        return found.value("brokerUrl", Json());
    }
    WEFT_TRY(const auto metadata, ask_json(admin, str_cat("/admin/v2/", topic, "/partitions")));
    const int count = metadata.value("partitions", 0);
    const std::string full = full_name(topic);
    if (count == 0) return fail(ErrorCode::internal, "Topic ", full, " is not a partitioned topic");
    Json brokers = Json::object();
    for (int index = 0; index < count; ++index) {
        WEFT_TRY(auto found, ask_json(admin, str_cat("/lookup/v2/topic/", topic, "-partition-", index)));
        const std::string url = found.value("brokerUrl", "");
        const std::string name = str_cat(full, "-partition-", index);
        if (!call.arguments.is_set("--sort-by-broker")) {
            brokers[name] = url;
        } else {
            std::string list = brokers.value(url, "[");
            if (list.ends_with(']')) list.replace(list.size() - 1, 1, ", ");
            brokers[url] = str_cat(list, name, ']');
        }
    }
    return brokers;
}

// "2024-12-31T00:00:00Z" in milliseconds.
std::optional<std::int64_t> parse_instant(const std::string& text) {
    std::tm parts{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return std::nullopt;
    std::int64_t ms = 0;
    if (*rest == '.') {
        int digits = 0;
        for (++rest; *rest >= '0' && *rest <= '9'; ++rest, ++digits) {
            if (digits < 3) ms = ms * 10 + (*rest - '0');
        }
        for (; digits < 3; ++digits) ms *= 10;
    }
    std::int64_t offset = 0;
    if (*rest == '+' || *rest == '-') {
        int hours = 0, minutes = 0, read = 0;
        if (std::sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &read) != 2) return std::nullopt;
        offset = (*rest == '-' ? -60 : 60) * (hours * 60 + minutes);
        rest += 1 + read;
    } else if (*rest++ != 'Z') {
        return std::nullopt;
    }
    if (*rest != '\0') return std::nullopt;
    return (static_cast<std::int64_t>(::timegm(&parts)) - offset) * 1000 + ms;
}

// --- messages as pulsar-admin shows them

void append_hex_dump(std::string& out, std::string_view bytes) {
    constexpr std::string_view kLine =
        "+--------+-------------------------------------------------+----------------+\n";
    str_append(out, "         +-------------------------------------------------+\n",
               "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n", kLine);
    for (std::size_t at = 0; at < bytes.size(); at += 16) {
        char hex[20];
        std::snprintf(hex, sizeof hex, "%08zx", at);
        std::string line = str_cat('|', std::string_view(hex, 8), '|'), text;
        for (std::size_t i = at; i < at + 16; ++i) {
            if (i >= bytes.size()) {
                line += "   ", text += ' ';
                continue;
            }
            const auto byte = static_cast<unsigned char>(bytes[i]);
            std::snprintf(hex, sizeof hex, " %02x", byte);
            line += hex;
            text.push_back(byte >= 0x20 && byte < 0x7f ? bytes[i] : '.');
        }
        str_append(out, line, " |", text, "|\n");
    }
    out += kLine;
}

std::string header(const http::ClientResponse& response, const std::string& name) {
    const auto at = response.headers.find(name);
    return at == response.headers.end() ? "" : at->second;
}

// What the broker sends of an entry: its metadata in headers, its plain payload in the body.
class ShownEntry {
  public:
    enum class Redeliveries : std::uint8_t { hidden, shown };
    explicit ShownEntry(const http::ClientResponse& response,
                        Redeliveries redeliveries = Redeliveries::hidden)
        : response_(response), redeliveries_(redeliveries == Redeliveries::shown) {
        batched_ = !header(response, "x-pulsar-num-batch-message").empty();
    }

    Result<std::string> text() const {
        wire::EntryMetadata metadata;
        metadata.batched = batched_;
        if (batched_) {
            metadata.num_messages = static_cast<std::uint32_t>(
                std::strtoul(header(response_, "x-pulsar-num-batch-message").c_str(), nullptr, 10));
        }
        wire::MessageReader reader(metadata, response_.body);
        std::string out;
        wire::MessageView message;
        while (true) {
            WEFT_TRY(const bool more, reader.next(message));
            if (!more) return out;
            if (!out.empty()) out += kBetween;
            append(out, message);
        }
    }
    static constexpr std::string_view kBetween =
        "-------------------------------------------------------------------------\n\n";

  private:
    void append(std::string& out, const wire::MessageView& message) const {
        const std::string id = header(response_, "x-pulsar-message-id");
        str_append(out, batched_ ? "Batch Message ID: " : "Message ID: ", id);
        if (batched_) str_append(out, ':', message.batch_index);
        const auto published = parse_instant(header(response_, "x-pulsar-publish-time"));
        str_append(out, "\nPublish time: ", published.value_or(0), "\nEvent time: ", event_time(message),
                   '\n');
        if (redeliveries_) out += "Redelivery count: 0\n";
        std::string properties;
        for (const auto& [key, value] : properties_of(message))
            str_append(properties, key, "    ", value, '\n');
        if (!properties.empty()) str_append(out, "Properties:\n", properties);
        append_hex_dump(out, message.payload);
    }
    std::uint64_t event_time(const wire::MessageView& message) const {
        if (batched_) return message.event_time_ms;
        return static_cast<std::uint64_t>(
            parse_instant(header(response_, "x-pulsar-event-time")).value_or(0));
    }
    // By name, with what the batch has beside its messages' own.
    std::map<std::string, std::string> properties_of(const wire::MessageView& message) const {
        std::map<std::string, std::string> out;
        if (batched_) {
            out["X-Pulsar-batch-size"] = header(response_, "x-pulsar-batch-size");
            out["X-Pulsar-num-batch-message"] = header(response_, "x-pulsar-num-batch-message");
            for (const auto& [key, value] : message.properties) out[std::string(key)] = value;
            return out;
        }
        const Json properties = Json::parse(header(response_, "x-pulsar-property"), nullptr, false);
        if (!properties.is_object()) return out;
        for (const auto& [key, value] : properties.items())
            out[key] = value.is_string() ? value.get<std::string>() : value.dump();
        return out;
    }

    const http::ClientResponse& response_;
    const bool redeliveries_;
    bool batched_ = false;
};

Result<http::ClientResponse> fetch_entry(const AdminClient& admin, const std::string& path) {
    WEFT_TRY(auto response, admin.exchange({.method = "GET", .url = {}}, path));
    if (response.status / 100 == 2) return response;
    WEFT_TRY(const auto unreached, body_of(std::move(response), path));
    return fail(ErrorCode::internal, unreached);
}

Result<> peek(const Call& call) {
    const std::int64_t count = call.arguments.integer("--count");
    const std::string name = http::url_encode(call.arguments.text("--subscription"));
    WEFT_TRY(const auto path, admin_topic_path(call, str_cat("/subscription/", name, "/position/")));
    const AdminClient admin(call);
    for (std::int64_t position = 1; position <= count; ++position) {
        WEFT_TRY(auto response, admin.exchange({.method = "GET", .url = {}}, str_cat(path, position)));
        if (response.status == 404 && response.body.contains("Message not found")) break;
        if (response.status / 100 != 2) {
            WEFT_TRY_VOID(body_of(std::move(response), path));
            break;
        }
        WEFT_TRY(auto text, ShownEntry(response).text());
        if (position > 1) text.insert(0, ShownEntry::kBetween);
        while (text.ends_with('\n')) text.pop_back();
        print(text);
    }
    return {};
}

Result<> reset(const Call& call) {
    const std::string name = http::url_encode(call.arguments.text("--subscription"));
    WEFT_TRY(auto path, admin_topic_path(call, str_cat("/subscription/", name, "/resetcursor")));
    const AdminClient admin(call);
    if (call.arguments.has("--message-id")) {
        const bool excluded = call.arguments.is_set("--exclude-reset-position");
        WEFT_TRY(const auto body, message_id_json(call.arguments.text("--message-id"),
                                                  str_cat(R"(,"isExcluded":)", excluded ? "true" : "false",
                                                          R"(,"batchIndex":-1)")));
        WEFT_TRY_VOID(admin.send_json("POST", path, body));
        return {};
    }
    if (!call.arguments.has("--time"))
        return fail(
            ErrorCode::invalid_argument,
            "Either Timestamp (--time) or messageId (--messageId) has to be provided to reset cursor");
    WEFT_TRY(const auto seconds, parse_seconds(call.arguments.text("--time"), "--time"));
    const std::int64_t now = static_cast<std::int64_t>(wall_clock_ms());
    WEFT_TRY_VOID(admin.ask("POST", str_cat(path, '/', now - seconds * 1000)));
    return {};
}

Result<> request_compaction(const Call& call) {
    WEFT_TRY(const auto topic, topic_path(call.arguments.positional()));
    WEFT_TRY_VOID(AdminClient(call).ask("PUT", str_cat("/admin/v2/", topic, "/compaction")));
    print(str_cat("Topic compaction requested for ", full_name(topic)));
    return {};
}

Result<> show_compaction(const Call& call) {
    WEFT_TRY(const auto topic, topic_path(call.arguments.positional()));
    const Deadline deadline = Deadline::after(kCompactionPatience);
    while (true) {
        WEFT_TRY(const auto found, ask_json(AdminClient(call), str_cat("/admin/v2/", topic, "/compaction")));
        const std::string status = found.value("status", "");
        if (status == "RUNNING" && call.arguments.is_set("--wait-complete")) {
            if (deadline.passed())
                return fail(ErrorCode::deadline_exceeded, "the compaction has not ended in an hour");
            std::this_thread::sleep_until(steady_now() + kAskAgainAfter);
            continue;
        }
        if (status == "NOT_RUN") {
            print(str_cat("Compaction has not been run for ", full_name(topic), " since broker startup"));
        } else if (status == "RUNNING") {
            print("Compaction is currently running");
        } else if (status == "SUCCESS") {
            print("Compaction was a success");
        } else {
            print("Error in compaction");
            return fail(ErrorCode::internal, "Error compacting: ", found.value("lastError", status));
        }
        return {};
    }
}

}  // namespace

int list_topics(const Call& call) {
    const auto topics = topics_of(call);
    if (!topics) return finish(call, std::unexpected(topics.error()));
    return print_answer(call, topics->dump(), Show::lines);
}

int look_up_partitions(const Call& call) {
    const auto brokers = brokers_of(call);
    if (!brokers) return finish(call, std::unexpected(brokers.error()));
    if (!brokers->is_string()) return print_answer(call, brokers->dump(), Show::map);
    return print_answer(call, brokers->get<std::string>(), Show::text);
}

int delete_topic(const Call& call) {
    const auto path =
        admin_topic_path(call, call.arguments.is_set("--force") ? "?force=true" : "?force=false");
    if (!path) return call.wrong_use(path.error().message);
    const auto answer = AdminClient(call).ask("DELETE", *path);
    return answer ? kDone : print_failure(answer.error());
}

int reset_cursor(const Call& call) { return finish(call, reset(call)); }

int message_id_by_time(const Call& call) {
    const std::string text = call.arguments.text("--datetime");
    const auto ms = parse_instant(text);
    if (!ms)
        return call.wrong_use(str_cat("Invalid value for option '--datetime': '", text,
                                      "' is not a time like 2024-12-31T00:00:00Z"));
    const auto path = admin_topic_path(call, str_cat("/messageid/", *ms));
    if (!path) return call.wrong_use(path.error().message);
    const auto answer = AdminClient(call).ask("GET", *path);
    return answer ? print_answer(call, *answer, Show::value) : print_failure(answer.error());
}

int compact_topic(const Call& call) { return finish(call, request_compaction(call)); }

int compaction_status(const Call& call) { return finish(call, show_compaction(call)); }

int peek_messages(const Call& call) { return finish(call, peek(call)); }

int message_by_id(const Call& call) {
    const auto path = admin_topic_path(call, str_cat("/ledger/", call.arguments.integer("--ledgerId"),
                                                     "/entry/", call.arguments.integer("--entryId")));
    if (!path) return call.wrong_use(path.error().message);
    const auto response = fetch_entry(AdminClient(call), *path);
    if (!response) return print_failure(response.error());
    auto text = ShownEntry(*response, ShownEntry::Redeliveries::shown).text();
    if (!text) return print_failure(text.error());
    while (text->ends_with('\n')) text->pop_back();
    print(*text);
    return kDone;
}

}  // namespace weft::app
