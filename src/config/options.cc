#include "config/options.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace weft::config {

namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view by) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t end = text.find(by);
        out.push_back(text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + by.size());
    }
    return out;
}
std::string_view name_of(const Option& option) { return names_of(option).back(); }
std::string label_of(const Option& option) { return str_cat('<', option.value, '>'); }

template <class Number>
std::optional<Number> to_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}
std::optional<bool> to_boolean(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == "true") return true;
    if (lower == "false") return false;
    return std::nullopt;
}

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
    const std::string* best = nullptr;
    std::size_t best_distance = word.size() / 3 + 2;  // farther than this is no misspelling
    for (const std::string& candidate : candidates) {
        const std::size_t d = candidate.starts_with(word) && word.size() > 3 ? 1 : distance(word, candidate);
        if (d < best_distance) best = &candidate, best_distance = d;
    }
    if (best == nullptr) return std::nullopt;
    return *best;
}

class Parser {
  public:
    explicit Parser(std::span<const std::span<const Option>> tables) {
        for (const auto table : tables) {
            for (const Option& option : table) options_.push_back(&option);
        }
        for (const Option* option : options_) {
            if (!option->fallback.empty()) out_.fallbacks_[name_of(*option)] = option->fallback;
        }
    }

    /// Takes one option (and its value) from the front.
    Result<> take_option(std::span<const std::string>& words) {
        const std::string_view word = words.front();
        words = words.subspan(1);
        if (word == "-h" || word == "--help") {
            out_.help_wanted_ = true;
            return {};
        }
        const std::size_t equals = word.find('=');
        const Option* option = find(word.substr(0, equals));
        std::optional<std::string> value;
        if (option != nullptr) {
            if (equals != std::string_view::npos) value = word.substr(equals + 1);
        } else if (word.size() > 2 && word[1] != '-') {  // -n5
            option = find(word.substr(0, 2));
            if (option != nullptr && option->value.empty()) option = nullptr;
            if (option != nullptr) value = word.substr(2);
        }
        if (option == nullptr) return unknown(word.substr(0, equals));
        if (!option->unsupported.empty())
            return fail(ErrorCode::not_supported, name_of(*option), " is not supported by Weft yet; ",
                        option->unsupported);
        if (option->value.empty()) {
            if (value && !to_boolean(*value))
                return fail(ErrorCode::invalid_argument, "Invalid value for option '", name_of(*option),
                            "': '", *value, "' is not a boolean");
            return store(*option, value.value_or("true"));
        }
        if (!value) {
            if (words.empty() ||
                find(std::string_view(words.front()).substr(0, words.front().find('='))) != nullptr)
                return fail(ErrorCode::invalid_argument, "Missing required parameter for option '",
                            name_of(*option), "' (", label_of(*option), ")");
            value = words.front();
            words = words.subspan(1);
        }
        return store(*option, std::move(*value));
    }

    Result<> take_positional(const Command& command, const std::string& word) {
        if (out_.positionals_.size() == split(command.positional, " ").size())
            return fail(ErrorCode::invalid_argument, "Unmatched argument: '", word, "'");
        out_.positionals_.push_back(word);
        return {};
    }

    Result<Arguments> finish(std::string_view positional) {
        if (out_.help_wanted_) return std::move(out_);
        for (const Option* option : options_) {
            if (option->times == Times::required && !out_.has(name_of(*option)))
                return fail(ErrorCode::invalid_argument, "Missing required option: '", name_of(*option), '=',
                            label_of(*option), "'");
        }
        const auto labels = split(positional, " ");
        if (out_.positionals_.size() < labels.size() && !labels[out_.positionals_.size()].starts_with('['))
            return fail(ErrorCode::invalid_argument, "Missing required parameter: '",
                        labels[out_.positionals_.size()], "'");
        return std::move(out_);
    }

  private:
    const Option* find(std::string_view name) const {
        for (const Option* option : options_) {
            const auto names = names_of(*option);
            if (std::ranges::find(names, name) != names.end()) return option;
        }
        return nullptr;
    }

    std::unexpected<Error> unknown(std::string_view word) const {
        std::vector<std::string> names;
        for (const Option* option : options_) {
            for (const auto name : names_of(*option)) names.emplace_back(name);
        }
        const auto near = nearest(word, names);
        if (near)
            return fail(ErrorCode::invalid_argument, "Unknown option: '", word, "' (did you mean ", *near,
                        "?)");
        return fail(ErrorCode::invalid_argument, "Unknown option: '", word, "'");
    }

    Result<> store(const Option& option, std::string value) {
        const std::string_view name = name_of(option);
        const auto invalid = [&](std::string_view what) {
            return fail(ErrorCode::invalid_argument, "Invalid value for option '", name, "': '", value,
                        "' is not ", what);
        };
        if (option.type == Type::integer && !to_number<std::int64_t>(value)) return invalid("an int");
        if (option.type == Type::number && !to_number<double>(value)) return invalid("a number");
        if (option.type == Type::boolean && !to_boolean(value)) return invalid("a boolean");
        const auto choices = split(option.choices, "|");
        if (!choices.empty() && std::ranges::find(choices, value) == choices.end()) {
            std::string list;
            for (const auto choice : choices) str_append(list, list.empty() ? "" : ", ", choice);
            return fail(ErrorCode::invalid_argument, "Invalid value for option '", name,
                        "': expected one of [", list, "] (case-sensitive) but was '", value, "'");
        }
        auto& values = out_.values_[name];
        if (!values.empty() && option.times != Times::many)
            return fail(ErrorCode::invalid_argument, "option '", name, "' ",
                        option.value.empty() ? "" : str_cat('(', label_of(option), ") "),
                        "should be specified only once");
        values.push_back(std::move(value));
        return {};
    }

    std::vector<const Option*> options_;
    Arguments out_;
};

std::optional<std::string> Arguments::value(std::string_view name) const {
    if (const auto at = values_.find(name); at != values_.end()) return at->second.back();
    if (const auto at = fallbacks_.find(name); at != fallbacks_.end()) return std::string(at->second);
    return std::nullopt;
}

std::vector<std::string> Arguments::values(std::string_view name) const {
    const auto at = values_.find(name);
    return at == values_.end() ? std::vector<std::string>() : at->second;
}

std::int64_t Arguments::integer(std::string_view name) const {
    return to_number<std::int64_t>(text(name)).value_or(0);
}
double Arguments::number(std::string_view name) const { return to_number<double>(text(name)).value_or(0); }
bool Arguments::is_set(std::string_view name) const { return to_boolean(text(name)).value_or(false); }

Result<Arguments> parse(const Command& command, std::span<const std::string> words) {
    const std::span<const Option> tables[] = {command.options, command.global};
    Parser parser(tables);
    bool only_positionals = false;
    while (!words.empty()) {
        const std::string& word = words.front();
        if (!only_positionals && word == "--") {
            only_positionals = true;
            words = words.subspan(1);
        } else if (!only_positionals && word.size() > 1 && word.starts_with('-')) {
            WEFT_TRY_VOID(parser.take_option(words));
        } else {
            WEFT_TRY_VOID(parser.take_positional(command, word));
            words = words.subspan(1);
        }
    }
    return parser.finish(command.positional);
}

Result<Arguments> parse_front(std::span<const Option> options, std::span<const std::string>& words) {
    const std::span<const Option> tables[] = {options};
    Parser parser(tables);
    while (!words.empty() && words.front().size() > 1 && words.front().starts_with('-'))
        WEFT_TRY_VOID(parser.take_option(words));
    return parser.finish("");
}

namespace {

constexpr std::size_t kHelpColumn = 29;
constexpr std::size_t kHelpWidth = 80;

void append_option(std::string& out, const Option& option) {
    std::string line = option.names.starts_with("--") ? "      " : "  ";
    line += option.names;
    if (!option.value.empty()) str_append(line, '=', label_of(option));
    if (line.size() + 1 > kHelpColumn) {
        str_append(out, line, '\n');
        line.clear();
    }
    line.resize(kHelpColumn, ' ');
    out += line;
    append_wrapped(out, description_of(option), kHelpColumn, kHelpWidth);
}

}  // namespace

void append_wrapped(std::string& out, std::string_view text, std::size_t column, std::size_t width) {
    const std::size_t indent = column + 2;
    for (const auto word : split(text, " ")) {
        if (column + word.size() > width && column > indent) {
            while (out.ends_with(' ')) out.pop_back();
            str_append(out, '\n', std::string(indent, ' '));
            column = indent;
        }
        str_append(out, word, ' ');
        column += word.size() + 1;
    }
    while (out.ends_with(' ')) out.pop_back();
    out.push_back('\n');
}

std::vector<std::string_view> names_of(const Option& option) { return split(option.names, ", "); }

std::string description_of(const Option& option) {
    std::string help(option.help);
    if (!option.choices.empty()) str_append(help, " One of: ", option.choices, ".");
    if (!option.fallback.empty()) str_append(help, " Default: ", option.fallback);
    if (!option.unsupported.empty())
        str_append(help, " (not supported by Weft yet; ", option.unsupported, ")");
    return help;
}

std::string help_of_options(std::span<const Option> options) {
    std::string out;
    for (const Option& option : options) append_option(out, option);
    return out;
}

std::string synopsis_of(const Command& command) {
    std::string out(command.name);
    for (const Option& option : command.options) {
        if (option.times == Times::required) str_append(out, ' ', name_of(option), '=', label_of(option));
    }
    if (!command.options.empty()) out += " [OPTIONS]";
    if (!command.positional.empty()) str_append(out, ' ', command.positional);
    return out;
}

std::string help_of(const Command& command) {
    std::string out = str_cat("Usage: ", synopsis_of(command), '\n', command.summary, '\n');
    out += help_of_options(command.options);
    append_option(out, {.names = "-h, --help", .help = "Show this help message and exit."});
    if (!command.global.empty())
        str_append(out, "Options of all commands:\n", help_of_options(command.global));
    return out;
}

}  // namespace weft::config
