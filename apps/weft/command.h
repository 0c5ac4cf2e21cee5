#pragma once
// A command of the program, as a row of a table: from the tables come parsing, dispatch, help, completion,
// the manual and docs/command-line.md.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"
#include "security/client_security.h"

namespace weft::app {

using Words = std::span<const std::string>;

/// What the program ends with; docs/command-line.md tells of it.
inline constexpr int kDone = 0, kFailed = 1, kWrongUse = 2;

/// What stood before the command's name.
struct Globals {
    config::Arguments arguments;

    /// The value in the command's own arguments, else the one before the command's name, else the default.
    std::string value(const config::Arguments& command, std::string_view name) const {
        return command.has(name) ? command.text(name) : arguments.text(name);
    }
};

struct Entry;
struct Face;
struct Rest;  // admin_command.h: a command that is one call of the admin REST

/// One run of a command.
struct Call {
    const Face& face;
    const Entry& entry;
    const config::Command& command;
    const Globals& globals;
    const config::Arguments& arguments;
    int wrong_use_code = kWrongUse;

    /// An option's value, be it behind the command's name or before it.
    std::string value(std::string_view name) const { return globals.value(arguments, name); }
    /// Writes what is wrong with the command line, and where help is; gives the exit code.
    int wrong_use(std::string_view message) const;
};

/// Options that more than one command takes.
enum class Takes : std::uint8_t {
    nothing,
    connection,  // where the cluster is
    shown,       // the same, and --output: it prints an answer for which there is a choice
};

/// A command. Everything is a literal, or lives as long as the program.
struct Entry {
    std::string_view word;
    std::string_view alias = {};
    std::string_view summary = {};
    std::span<const config::Option> options = {};
    std::string_view positional = {};  // "<topic>", "<from> <to>", "[<name>]"
    Takes takes = Takes::connection;
    int (*run)(const Call&) = nullptr;
    /// Not empty: Pulsar's tool has it and Weft doesn't; what to do instead.
    std::string_view unsupported = {};
    /// Whether help, completion and the manual leave it out.
    bool hidden = false;
    const Rest* rest = nullptr;
};

/// Commands under one word: "functions". The program's own commands are the group without a word.
struct Group {
    std::string_view word;
    std::string_view alias = {};
    std::string_view summary = {};
    std::span<const Entry> entries;
    std::string_view examples = {};  // lines
    int wrong_use_code = kWrongUse;  // pulsar-admin ends with 1 where pulsar-client and we end with 2
};

/// What the program is called as, and what is there under that name.
struct Face {
    std::string_view name;                    // "weft"
    std::string_view summary;                 // one line
    std::span<const config::Option> globals;  // before the command's name
    std::span<const Group* const> groups;
    std::string_view version;  // what --version prints
    int wrong_use_code = kWrongUse;
    int failed_code = kFailed;
    std::string_view not_here = {};  // "functions-worker|sources": Pulsar's words that Weft doesn't serve

    const Group* find_group(std::string_view word) const;
    /// A command that stands alone, without a group's word.
    const Entry* find_alone(std::string_view word) const;
};

const Entry* find_entry(const Group& group, std::string_view word);
/// "weft functions create", as it is called under this name.
std::string full_name(const Face& face, const Group& group, const Entry& entry);
/// What the parser and the help need of an entry; `name` is its full name and must outlive it.
config::Command command_of(const std::string& name, const Entry& entry);

/// Where the cluster is. Each command takes these behind its name too, and then they win.
inline constexpr config::Option kConnection[] = {
    {.names = "--admin-url",
     .value = "serviceUrl",
     .help = "Admin Service URL to which to connect.",
     .fallback = "http://localhost:8080"},
    {.names = "--url, --service-url",
     .value = "serviceURL",
     .help = "Broker URL to which to connect.",
     .fallback = "pulsar://localhost:6650"},
    {.names = "--request-timeout",
     .value = "requestTimeout",
     .help = "Request time out in seconds of the admin commands.",
     .type = config::Type::integer,
     .fallback = "300"},
};

/// Who we are there, and how its certificate is checked. Before the command's name only.
inline constexpr config::Option kSecurity[] = {
    {.names = "--auth-plugin",
     .value = "class",
     .help = "Authentication plugin: AuthenticationToken, AuthenticationTls, AuthenticationBasic or "
             "oauth2.AuthenticationOAuth2, with or without org.apache.pulsar.client.impl.auth before it."},
    {.names = "--auth-params",
     .value = "params",
     .help = "Its parameters, for example file:///path/of/a/token: other users can read a token that stands "
             "on a command line."},
    {.names = "--tlsTrustCertsFilePath, --tls-trust-cert-path",
     .value = "path",
     .help = "Certificates of the authorities to trust (PEM). Default: the system's"},
    {.names = "--tls-allow-insecure", .help = "Take any certificate."},
    {.names = "--tls-enable-hostname-verification",
     .help = "The certificate must name the host; that is so without this option too."},
};
security::ClientSettings client_settings(const Call& call);

/// Writes a line to standard output, or standard error.
void print(std::string_view line);
void print_error(std::string_view line);

}  // namespace weft::app
