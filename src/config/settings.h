#pragma once
// Pulsar's configuration files as values, and what of them Weft can do. Pure but for the tables.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/key_table.h"

namespace weft::config {

/// What stands for one key. Members of maps are keys of their own: "properties.tokenSecretKey".
struct Setting {
    std::vector<std::string> values;  // one, or those of a list
    bool null = false;                // `workerPort:` or `workerPort: null`
    std::string where;                // "functions_worker.yml:27"
    /// The values with commas between.
    std::string text() const;
};
using Settings = std::map<std::string, Setting, std::less<>>;

/// Reads a YAML map. At most 1 MiB, 10,000 values and 32 levels; `file` is its name in messages.
Result<Settings> read_yaml(std::string_view text, std::string_view file);

/// Reads lines key=value, as Java's properties are written. At most 1 MiB and 10,000 lines.
Result<Settings> read_properties(std::string_view text, std::string_view file);

/// Environment variables PREFIXname=value stand over the file's; an underscore in the name leads into a map
/// ("PF_functionRuntimeFactoryConfigs_logDirectory"), below `properties` it is one.
void take_environment(Settings& settings, std::string_view prefix,
                      const std::map<std::string, std::string>& environment);
std::map<std::string, std::string> environment_of(const char* const* variables);

/// Something to say about one key.
struct Finding {
    enum class Kind : std::uint8_t {
        refused,    // it can't be started with this
        unknown,    // Pulsar has no such key, and ignores it
        no_effect,  // a value that changes nothing here
    } kind;
    std::string key;
    std::string text;  // where, key, value, why or what to do; no secrets
};
/// All of them, those that are refused first.
std::vector<Finding> examine(KeyTable table, const Settings& settings);

/// The value as it may be shown.
std::string shown(const Key* key, std::string_view name, std::string_view value);

/// Values by name. Types were checked by examine().
class SettingsView {
  public:
    SettingsView(KeyTable table, const Settings& settings) : table_(table), settings_(settings) {}
    /// What was set; nothing where the key is missing, null or empty.
    std::optional<std::string> text(std::string_view name) const;
    std::vector<std::string> list(std::string_view name) const;
    std::optional<std::int64_t> integer(std::string_view name) const;
    std::optional<bool> boolean(std::string_view name) const;
    bool is_null(std::string_view name) const;
    /// A refusal: "WHERE: NAME = VALUE: what to do instead".
    std::unexpected<Error> refuse(std::string_view name, std::string_view cure) const;

  private:
    const Setting* find(std::string_view name) const;
    KeyTable table_;
    const Settings& settings_;
};

}  // namespace weft::config
