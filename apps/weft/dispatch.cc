#include "dispatch.h"

#include <algorithm>
#include <vector>

namespace weft::app {

namespace {

void append_row(std::string& out, std::string_view word, std::string_view alias, std::string_view text) {
    std::string line = str_cat("  ", word, alias.empty() ? "" : ", ", alias);
    line.resize(std::max<std::size_t>(line.size() + 2, 22), ' ');
    out += line;
    config::append_wrapped(out, text.substr(0, text.find('\n')), line.size(), 100);
}

bool is_shown(const Entry& entry) { return !entry.hidden && entry.unsupported.empty(); }

void append_entries(std::string& out, const Group& group) {
    for (const Entry& entry : group.entries) {
        if (is_shown(entry)) append_row(out, entry.word, entry.alias, entry.summary);
    }
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view lead) {
    const auto near = config::nearest(word, known);
    return near ? str_cat(lead, *near, "?") : "";
}

int unknown_command(const Face& face, const std::string& word) {
    if (str_cat('|', face.not_here, '|').contains(str_cat('|', word, '|'))) {
        print_error(str_cat(face.name, ' ', word, " is not supported by Weft; '", face.name,
                            " --help' shows what is"));
        return face.wrong_use_code;
    }
    std::vector<std::string> known;
    for (const Group* group : face.groups) {
        if (!group->word.empty()) known.emplace_back(group->word);
        if (!group->word.empty()) continue;
        for (const Entry& entry : group->entries) known.emplace_back(entry.word);
    }
    const std::string hint = did_you_mean(word, known, " (did you mean ");
    print_error(str_cat("unknown command: ", word, hint, hint.empty() ? "" : ")"));
    print_error(str_cat("See '", face.name, " --help'."));
    return face.wrong_use_code;
}

int run_entry(const Face& face, const Group& group, const Entry& entry, const Globals& globals, Words words) {
    const std::string name = full_name(face, group, entry);
    const config::Command command = command_of(name, entry);
    const int wrong_use_code = std::min(group.wrong_use_code, face.wrong_use_code);
    if (!entry.unsupported.empty()) {
        print_error(
            str_cat(name.substr(name.find(' ') + 1), " is not supported by Weft yet; ", entry.unsupported));
        return wrong_use_code;
    }
    const auto arguments = config::parse(command, words);
    const config::Arguments none;
    const Call call{face, entry, command, globals, arguments ? *arguments : none, wrong_use_code};
    if (!arguments) return call.wrong_use(arguments.error().message);
    if (arguments->help_wanted()) return print(help_of(face, group, entry)), kDone;
    const int code = entry.run(call);
    return code == kFailed ? face.failed_code : code;
}

int run_group(const Face& face, const Group& group, const Globals& globals, Words words) {
    if (words.empty()) {
        print_error(str_cat("Missing required subcommand\n", help_of(face, group)));
        return std::min(group.wrong_use_code, face.wrong_use_code);
    }
    const std::string& word = words.front();
    if (word == "-h" || word == "--help") return print(help_of(face, group)), kDone;
    if (const Entry* entry = find_entry(group, word))
        return run_entry(face, group, *entry, globals, words.subspan(1));
    std::vector<std::string> known;
    for (const Entry& entry : group.entries) known.emplace_back(entry.word);
    print_error(str_cat("Unmatched argument: '", word, "'",
                        did_you_mean(word, known, str_cat("\nDid you mean: ", group.word, ' '))));
    return std::min(group.wrong_use_code, face.wrong_use_code);
}

// `help topics list` is `topics list --help`.
std::vector<std::string> without_help_word(Words words) {
    std::vector<std::string> out(words.begin(), words.end());
    if (out.empty() || out.front() != "help") return out;
    out.erase(out.begin());
    out.emplace_back("--help");
    return out;
}

}  // namespace

std::string help_of(const Face& face) {
    std::string out = str_cat("Usage: ", face.name, " [OPTIONS] COMMAND\n", face.summary, "\n\nCommands:\n");
    for (const Group* group : face.groups) {
        if (group->word.empty()) append_entries(out, *group);
    }
    std::string groups, examples;
    for (const Group* group : face.groups) {
        if (!group->word.empty() && !group->summary.empty())
            append_row(groups, group->word, group->alias, group->summary);
        if (group->word.empty()) examples += group->examples;
    }
    if (!groups.empty()) str_append(out, "\nGroups of commands:\n", groups);
    str_append(out, "\nOptions:\n", config::help_of_options(face.globals));
    if (!examples.empty()) str_append(out, "\nExamples:\n", examples);
    return str_cat(out, "\n'", face.name,
                   " COMMAND --help' shows the commands of a group, or the options of a "
                   "command.");
}

std::string help_of(const Face& face, const Group& group) {
    std::string out =
        str_cat("Usage: ", face.name, ' ', group.word, " COMMAND\n", group.summary, "\n\nCommands:\n");
    append_entries(out, group);
    if (!group.examples.empty()) str_append(out, "\nExamples:\n", group.examples);
    return str_cat(out, "\n'", face.name, ' ', group.word,
                   " COMMAND --help' shows the options of a command.");
}

std::string help_of(const Face& face, const Group& group, const Entry& entry) {
    const std::string name = full_name(face, group, entry);
    return config::help_of(command_of(name, entry));
}

int dispatch(const Face& face, Words words) {
    const std::vector<std::string> all = without_help_word(words);
    Words rest = all;
    auto parsed = config::parse_front(face.globals, rest);
    if (!parsed) {
        print_error(parsed.error().message);
        print_error(str_cat("See '", face.name, " --help'."));
        return face.wrong_use_code;
    }
    if (parsed->help_wanted()) return print(help_of(face)), kDone;
    if (parsed->is_set("--version")) return print(face.version), kDone;
    if (rest.empty()) {
        print_error(str_cat("Missing required subcommand\n", help_of(face)));
        return face.wrong_use_code;
    }
    const Globals globals{std::move(*parsed)};
    if (const Group* group = face.find_group(rest.front()))
        return run_group(face, *group, globals, rest.subspan(1));
    for (const Group* group : face.groups) {
        const Entry* entry = group->word.empty() ? find_entry(*group, rest.front()) : nullptr;
        if (entry != nullptr) return run_entry(face, *group, *entry, globals, rest.subspan(1));
    }
    return unknown_command(face, rest.front());
}

}  // namespace weft::app
