#pragma once
// Commands that ask the admin REST: most are one row, the call and how its answer is printed.

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin_client.h"
#include "command.h"
#include "json_text.h"

namespace weft::app {

/// How pulsar-admin prints an answer.
enum class Show : std::uint8_t {
    nothing,
    text,     // as it came
    value,    // JSON, Jackson's way
    gson,     // JSON, Gson's way
    compact,  // JSON on one line
    lines,    // a list: a line for each
    map,      // an object: "name    value"
};

struct Rest {
    std::string_view method;
    /// "{topic}", "{namespace}", "{0}" (the positional word) and "{--option}" are filled in, percent-encoded.
    /// "{--option?}" is left out, with its name and '&', when the option isn't there.
    std::string_view path;
    Show show = Show::nothing;
    Result<std::string> (*body)(const Call&) = nullptr;
    std::string_view content_type = "application/json";
};

/// Runs an entry's `rest`.
int run_rest(const Call& call);

/// Prints an answer: as asked for by --output, else as pulsar-admin does.
int print_answer(const Call& call, std::string_view json, Show show);

/// Ends a command with what came of it: prints the error.
int finish(const Call& call, const Result<>& result);

/// "persistent/tenant/namespace/local" for a path, from any form of a topic's name. The error is one of use.
Result<std::string> topic_path(std::string_view name);
/// The same with "/admin/v2/" before it, and what follows behind it.
Result<std::string> admin_topic_path(const Call& call, std::string_view rest = {});
/// "tenant/namespace" for a path.
Result<std::string> namespace_path(std::string_view name);

/// "a,b" and "-p a=b -p c=d".
std::vector<std::string> split_list(std::string_view text);
Result<std::string> properties_json(const std::vector<std::string>& pairs, std::string_view option);

/// "100M" in bytes and "2h" in seconds, as Pulsar's tools read them; -1 stays.
Result<std::int64_t> parse_size(std::string_view text, std::string_view option);
Result<std::int64_t> parse_seconds(std::string_view text, std::string_view option);

/// A message id: "latest", "earliest" or "ledger:entry", as JSON; more members may follow.
Result<std::string> message_id_json(std::string_view text, std::string_view more = {});

/// The rows of a group: what is served, then what is refused: names separated by blanks, and the cure.
std::vector<Entry> rows(std::span<const Entry> served,
                        std::initializer_list<std::pair<std::string_view, std::string_view>> refused);

}  // namespace weft::app
