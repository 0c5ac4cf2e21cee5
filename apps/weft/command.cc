#include "command.h"

#include <algorithm>
#include <cstdio>

namespace weft::app {

void print(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

void print_error(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fputc('\n', stderr);
}

int Call::wrong_use(std::string_view message) const {
    print_error(message);
    print_error(str_cat("See '", command.name, " --help'."));
    return wrong_use_code;
}

const Group* Face::find_group(std::string_view word) const {
    for (const Group* group : groups) {
        if (!group->word.empty() && (word == group->word || (word == group->alias && !word.empty())))
            return group;
    }
    return nullptr;
}

const Entry* Face::find_alone(std::string_view word) const {
    for (const Group* group : groups) {
        if (group->word.empty()) return find_entry(*group, word);
    }
    return nullptr;
}

const Entry* find_entry(const Group& group, std::string_view word) {
    if (word.empty()) return nullptr;
    const auto it = std::ranges::find_if(
        group.entries, [&](const Entry& entry) { return word == entry.word || word == entry.alias; });
    return it == group.entries.end() ? nullptr : &*it;
}

std::string full_name(const Face& face, const Group& group, const Entry& entry) {
    return str_cat(face.name, group.word.empty() ? "" : " ", group.word, ' ', entry.word);
}

security::ClientSettings client_settings(const Call& call) {
    const config::Arguments& given = call.globals.arguments;
    security::ClientSettings settings;
    if (given.has("--auth-plugin")) settings.auth_plugin = given.text("--auth-plugin");
    if (given.has("--auth-params")) settings.auth_params = given.text("--auth-params");
    if (given.has("--tls-trust-cert-path")) settings.tls.trust_certs = given.text("--tls-trust-cert-path");
    settings.allow_insecure = given.is_set("--tls-allow-insecure");
    return settings;
}

namespace {

using config::Option;

constexpr Option kShown[] = {
    kConnection[0],
    kConnection[1],
    kConnection[2],
    {.names = "--output",
     .value = "format",
     .help = "How an answer is printed. Default: as pulsar-admin prints it.",
     .choices = "json|table"},
};

std::span<const Option> shared_options(Takes takes) {
    if (takes == Takes::nothing) return {};
    return takes == Takes::shown ? std::span<const Option>(kShown) : kConnection;
}

}  // namespace

config::Command command_of(const std::string& name, const Entry& entry) {
    return {.name = name,
            .summary = entry.summary,
            .options = entry.options,
            .global = shared_options(entry.takes),
            .positional = entry.positional};
}

}  // namespace weft::app
