#include "config/key_table.h"

#include <algorithm>
#include <array>

#include "base/str_cat.h"

namespace weft::config {

namespace {

constexpr auto kWorkerKeys = std::to_array<Key>({
#define WEFT_KEY(name, type, defaults, use, note) {name, KeyType::type, defaults, Use::use, note},
#include "config/worker_keys.def"
#undef WEFT_KEY
});

constexpr auto kBrokerKeys = std::to_array<Key>({
#define WEFT_KEY(name, type, defaults, use, note) {name, KeyType::type, defaults, Use::use, note},
#include "config/broker_keys.def"
#undef WEFT_KEY
});

// The pattern's text before the '*', or nothing when it is no pattern.
std::string_view prefix_of(const Key& key) {
    return key.name.ends_with('*') ? key.name.substr(0, key.name.size() - 1) : std::string_view();
}

}  // namespace

KeyTable worker_keys() { return kWorkerKeys; }
KeyTable broker_keys() { return kBrokerKeys; }

const Key* find_key(KeyTable table, std::string_view name) {
    const Key* best = nullptr;
    for (const Key& key : table) {
        if (key.name == name) return &key;
        const std::string_view prefix = prefix_of(key);
        if (prefix.empty()) continue;
        const bool whole_map = prefix.ends_with('.') && name == prefix.substr(0, prefix.size() - 1);
        if (!whole_map && !name.starts_with(prefix)) continue;
        if (best == nullptr || prefix.size() > prefix_of(*best).size()) best = &key;
    }
    return best;
}

std::string_view name_of(Use use) {
    constexpr std::string_view kNames[] = {"honoured", "partly", "not needed", "refused"};
    return kNames[static_cast<std::size_t>(use)];
}

std::string_view name_of(KeyType type) {
    constexpr std::string_view kNames[] = {"text", "secret", "integer", "number", "boolean", "list", "map"};
    return kNames[static_cast<std::size_t>(type)];
}

std::vector<std::string_view> defaults_of(const Key& key) {
    std::vector<std::string_view> out;
    std::string_view rest = key.defaults;
    while (true) {
        const std::size_t end = rest.find('|');
        out.push_back(rest.substr(0, end));
        if (end == std::string_view::npos) return out;
        rest.remove_prefix(end + 1);
    }
}

std::string keys_as_markdown(KeyTable table) {
    std::string out = "| key | type | default | what Weft does | note |\n|---|---|---|---|---|\n";
    for (const Key& key : table) {
        std::string defaults;
        for (const std::string_view each : defaults_of(key)) {
            if (!each.empty() && each != "*") str_append(defaults, defaults.empty() ? "`" : ", `", each, '`');
        }
        str_append(out, "| `", key.name, "` | ", name_of(key.type), " | ", defaults, " | ", name_of(key.use),
                   " | ", key.note, " |\n");
    }
    return out;
}

}  // namespace weft::config
