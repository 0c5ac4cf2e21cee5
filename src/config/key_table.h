#pragma once
// The tables of Pulsar's configuration files: what Weft does with each key.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::config {

/// Whether a key's value has an effect.
enum class Use : std::uint8_t { honoured, partly, not_needed, refused };
/// `secret`: a text that is shown to nobody.
enum class KeyType : std::uint8_t { text, secret, integer, number, boolean, list, map };

struct Key {
    std::string_view name;  // "functionRuntimeFactoryConfigs.logDirectory"; "properties.*" is all below it
    KeyType type;
    std::string_view defaults;  // "0|30000": when it is left out, and what else Pulsar ships; "*": anything
    Use use;
    std::string_view note;
};

using KeyTable = std::span<const Key>;

/// functions_worker.yml
KeyTable worker_keys();
/// standalone.conf and broker.conf
KeyTable broker_keys();

/// The row for a key, or for the map that it is a member of; null: Pulsar has no such key.
const Key* find_key(KeyTable table, std::string_view name);
std::string_view name_of(Use use);
std::string_view name_of(KeyType type);
/// The texts between the '|' of Key::defaults.
std::vector<std::string_view> defaults_of(const Key& key);

/// The table in Markdown.
std::string keys_as_markdown(KeyTable table);

}  // namespace weft::config
