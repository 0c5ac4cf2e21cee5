#include "completion.h"

#include <algorithm>

#include "commands.h"

namespace weft::app {

namespace {

// %: the program's name. The shell hands over the words up to the cursor; bash has cut them at '=', too.
constexpr std::string_view kBash =
    R"sh(# Completion of % for bash: source it, or put it where bash-completion looks.
_weft_complete() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]}" complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -o bashdefault -F _weft_complete %
)sh";
constexpr std::string_view kZsh = R"sh(#compdef %
# Completion of % for zsh: put it as _% into a folder of $fpath, or source it.
_weft_complete() {
    local -a found
    found=(${(f)"$("${words[1]}" complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then _describe -t commands '%' found; else _files; fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _weft_complete "$@"; else compdef _weft_complete %; fi
)sh";

std::string for_program(std::string_view script, std::string_view name) {
    std::string out;
    for (const char c : script) c == '%' ? str_append(out, name) : out.push_back(c);
    return out;
}

std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(by), text.size());
        out.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

using Options = std::vector<const config::Option*>;

const config::Option* find_option(const Options& options, std::string_view name) {
    const auto it = std::ranges::find_if(options, [&](const config::Option* option) {
        const auto names = config::names_of(*option);
        return std::ranges::find(names, name) != names.end();
    });
    return it == options.end() ? nullptr : *it;
}

Options options_of(std::span<const config::Option> own, std::span<const config::Option> shared) {
    Options out;
    for (const auto table : {own, shared}) {
        for (const config::Option& option : table) {
            if (option.unsupported.empty() && find_option(out, config::names_of(option).back()) == nullptr)
                out.push_back(&option);
        }
    }
    return out;
}

// Takes the words of an option table from the front, up to the word at the cursor; gives the option whose
// value that is, if it is one.
const config::Option* skip_options(const Options& options, Words& words, bool to_the_end) {
    while (words.size() > 1) {
        const std::string& word = words.front();
        if (!word.starts_with('-') || word.size() < 2) {
            if (!to_the_end) return nullptr;
            words = words.subspan(1);
            continue;
        }
        const config::Option* option = find_option(options, word);
        words = words.subspan(1);
        if (option == nullptr || option->value.empty()) continue;
        if (words.size() > 1 && words.front() == "=") words = words.subspan(1);
        if (words.size() == 1) return option;
        words = words.subspan(1);
    }
    return nullptr;
}

class Finder {
  public:
    explicit Finder(std::string_view word) : word_(word) {}

    void add(std::string_view text, std::string_view help = {}) {
        if (text.starts_with(word_)) found_.push_back({std::string(text), std::string(help)});
    }
    void add_options(const Options& options) {
        for (const config::Option* option : options) add(config::names_of(*option).back(), option->help);
        add("--help", "Show this help message and exit.");
    }
    void add_value(const config::Option& option) {
        if (word_ == "=") word_ = {};
        for (const auto choice : split(option.choices, '|')) add(choice);
        if (option.type == config::Type::boolean) add("true"), add("false");
    }
    void add_commands(const Face& face) {
        for (const Group* group : face.groups) {
            if (group->word.empty()) {
                add_entries(*group);
            } else if (!group->summary.empty()) {
                add(group->word, group->summary);
            }
        }
    }
    void add_entries(const Group& group) {
        for (const Entry& entry : group.entries) {
            if (!entry.hidden && entry.unsupported.empty()) add(entry.word, entry.summary);
        }
    }
    std::vector<Candidate> take() { return std::move(found_); }

  private:
    std::string_view word_;
    std::vector<Candidate> found_;
};

std::vector<Candidate> in_entry(const Entry& entry, Words words) {
    const Options options = options_of(entry.options, command_of("", entry).global);
    const config::Option* option = skip_options(options, words, true);
    Finder finder(words.back());
    if (option != nullptr) {
        finder.add_value(*option);
    } else if (words.back().starts_with('-')) {
        finder.add_options(options);
    } else if (entry.positional.contains('|')) {  // "<bash|zsh>"
        for (const auto choice : split(entry.positional.substr(1, entry.positional.size() - 2), '|'))
            finder.add(choice);
    }
    return finder.take();
}

std::string without_special(std::string_view text, std::string_view special) {
    std::string out(text.substr(0, text.find('\n')));
    std::erase_if(out, [&](char c) { return special.contains(c); });
    return out;
}

int run_completion(const Call& call) {
    const std::string shell = call.arguments.positional();
    if (shell != "bash" && shell != "zsh")
        return call.wrong_use(
            str_cat("Invalid value for '<bash|zsh>': expected one of [bash, zsh] but was '", shell, "'"));
    std::string script = for_program(shell == "bash" ? kBash : kZsh, call.face.name);
    while (script.ends_with('\n')) script.pop_back();
    print(script);
    return kDone;
}

}  // namespace

std::vector<Candidate> candidates_of(const Face& face, Words words) {
    if (words.empty()) return {};
    if (words.size() > 1 && words.front() == "help") words = words.subspan(1);
    const Options globals = options_of(face.globals, {});
    const config::Option* option = skip_options(globals, words, false);
    Finder finder(words.back());
    if (option != nullptr) {
        finder.add_value(*option);
        return finder.take();
    }
    if (words.size() == 1) {
        words.front().starts_with('-') ? finder.add_options(globals) : finder.add_commands(face);
        return finder.take();
    }
    if (const Group* group = face.find_group(words.front())) {
        if (words.size() == 2) return finder.add_entries(*group), finder.take();
        const Entry* entry = find_entry(*group, words[1]);
        return entry == nullptr ? std::vector<Candidate>() : in_entry(*entry, words.subspan(2));
    }
    const Entry* entry = face.find_alone(words.front());
    return entry == nullptr ? std::vector<Candidate>() : in_entry(*entry, words.subspan(1));
}

int print_candidates(const Face& face, Words words) {
    if (words.empty()) return kWrongUse;
    const bool described = words.front() == "zsh";  // "word:help"
    std::string out;
    for (const auto& [text, help] : candidates_of(face, words.subspan(1)))
        str_append(out, text, described ? ":" : "", described ? without_special(help, ":\\`$") : "", '\n');
    while (out.ends_with('\n')) out.pop_back();
    if (!out.empty()) print(out);
    return kDone;
}

Entry completion_command() {
    return {.word = "completion",
            .summary = "Print the script for completion in a shell: source <(weft completion bash)",
            .positional = "<bash|zsh>",
            .takes = Takes::nothing,
            .run = run_completion};
}

}  // namespace weft::app
