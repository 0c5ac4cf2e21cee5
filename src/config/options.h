#pragma once
// Command lines from tables: one table of options gives parsing, checks, messages and help of a command.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::config {

enum class Type : std::uint8_t { text, integer, number, boolean };
/// How often an option may stand there.
enum class Times : std::uint8_t { once, many, required };

/// One option. Everything is a literal.
struct Option {
    std::string_view names;  // "-n, --num-messages": the last one is its name in messages and in Arguments
    std::string_view value = {};  // what its value is called: "numMessages"; empty: a flag without value
    std::string_view help = {};
    Type type = Type::text;
    Times times = Times::once;
    std::string_view choices = {};      // "Latest|Earliest"; empty: any
    std::string_view fallback = {};     // the value when it isn't given; empty: none
    std::string_view unsupported = {};  // not empty: Pulsar has it and Weft doesn't; says what to do instead
};

struct Command {
    std::string_view name;  // "weft functions create"
    std::string_view summary;
    std::span<const Option> options;
    std::span<const Option> global = {};  // options that all commands take, taken here too
    std::string_view positional = {};     // "<topic>"; empty: takes none. One, and required
};

/// What stood on a command line. Asking for an option that the command's table doesn't have is a bug.
class Arguments {
  public:
    bool has(std::string_view name) const { return values_.contains(name); }
    /// The value (the last, if it may stand there many times), else the table's fallback, else nothing.
    std::optional<std::string> value(std::string_view name) const;
    std::string text(std::string_view name) const { return value(name).value_or(""); }
    std::vector<std::string> values(std::string_view name) const;
    /// The value as a number; 0 when it wasn't given. The text was checked by parse().
    std::int64_t integer(std::string_view name) const;
    double number(std::string_view name) const;
    /// A flag that stands there, or a boolean value.
    bool is_set(std::string_view name) const;
    /// The word that is no option's, by its place; empty when it isn't there.
    std::string positional(std::size_t index = 0) const {
        return index < positionals_.size() ? positionals_[index] : "";
    }
    /// -h or --help stood there: nothing else was checked.
    bool help_wanted() const { return help_wanted_; }

  private:
    friend class Parser;
    std::map<std::string_view, std::vector<std::string>> values_;
    std::map<std::string_view, std::string_view> fallbacks_;
    std::vector<std::string> positionals_;
    bool help_wanted_ = false;
};

/// Takes the words behind the command's name. `invalid_argument` says which option is wrong, why, and the
/// nearest name for an unknown one; `not_supported` names an option that Weft doesn't serve.
Result<Arguments> parse(const Command& command, std::span<const std::string> words);

/// Takes options from the front of `words` and leaves the rest, from the first word that isn't an option.
Result<Arguments> parse_front(std::span<const Option> options, std::span<const std::string>& words);

/// The help text: usage, summary, and a line for each option.
std::string help_of(const Command& command);
/// "Usage: weft produce [OPTIONS] <topic>", without the first word.
std::string synopsis_of(const Command& command);
/// A line for each option.
std::string help_of_options(std::span<const Option> options);
/// Appends a text of which `column` columns are written already, in lines of up to `width`, indented by
/// column + 2, and a newline.
void append_wrapped(std::string& out, std::string_view text, std::size_t column, std::size_t width);
/// What is known of an option in one sentence or more: help, choices, default, support.
std::string description_of(const Option& option);
/// All spellings of an option; the last one is its name.
std::vector<std::string_view> names_of(const Option& option);

/// Of `candidates` the one that is spelled most like `word`; nothing when none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace weft::config
