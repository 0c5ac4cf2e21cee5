#pragma once
// What a store should hold: a list of operations in the order they were called. After a crash the state must
// be that after some first part of the list, one that holds everything confirmed.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "store/tests/store_fixture.h"

namespace weft::store {

struct ModelOperation {
    enum class Kind : std::uint8_t { create, append, put, erase, trim, erase_ledger };
    Kind kind = Kind::append;
    LedgerId ledger = 0;
    EntryId entry = 0;
    std::string key;
    std::string text;
};

struct ModelState {
    struct Ledger {
        EntryId first = 0;
        std::vector<std::string> entries;  // from 0 on
        bool operator==(const Ledger&) const = default;
    };
    std::map<std::string, std::string> map;
    std::map<LedgerId, Ledger> ledgers;

    void apply(const ModelOperation& operation) {
        using Kind = ModelOperation::Kind;
        switch (operation.kind) {
            case Kind::create:
                ledgers[operation.ledger];
                break;
            case Kind::append:
                ledgers[operation.ledger].entries.push_back(operation.text);
                break;
            case Kind::put:
                map[operation.key] = operation.text;
                break;
            case Kind::erase:
                map.erase(operation.key);
                break;
            case Kind::trim:
                ledgers[operation.ledger].first = operation.entry;
                break;
            case Kind::erase_ledger:
                ledgers.erase(operation.ledger);
                break;
        }
    }
};

/// What the store says it holds, the ids' contents left out.
struct Outline {
    std::map<std::string, std::string> map;
    std::map<LedgerId, std::pair<EntryId, EntryId>> ledgers;
    bool operator==(const Outline&) const = default;
};

inline std::string describe(const Outline& outline) {
    std::string text;
    for (const auto& [key, value] : outline.map) str_append(text, key, "=", value, " ");
    for (const auto& [id, range] : outline.ledgers)
        str_append(text, id, ":", range.first, "-", range.second, " ");
    return text;
}

inline Outline outline_of(const ModelState& state) {
    Outline outline{.map = state.map, .ledgers = {}};
    for (const auto& [id, ledger] : state.ledgers)
        outline.ledgers[id] = {ledger.first, ledger.entries.size()};
    return outline;
}

inline Outline outline_of(StoreOnLoop& opened, LedgerId ledgers_end) {
    Outline outline{.map = opened.map(), .ledgers = {}};
    for (LedgerId id = 1; id < ledgers_end; ++id) {
        if (const auto info = opened.info(id)) outline.ledgers[id] = {info->first, info->end};
    }
    return outline;
}

inline void expect_contents(StoreOnLoop& opened, const ModelState& state) {
    for (const auto& [id, ledger] : state.ledgers) {
        const auto found = opened.read_all(id);
        ASSERT_EQ(found.size(), ledger.entries.size() - ledger.first) << "ledger " << id;
        for (std::size_t i = 0; i < found.size(); ++i) {
            ASSERT_EQ(found[i].id, ledger.first + i);
            ASSERT_EQ(found[i].data.view(), ledger.entries[ledger.first + i]) << id << ":" << found[i].id;
        }
    }
}

}  // namespace weft::store
