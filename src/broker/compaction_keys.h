#pragma once
// CompactionKeys: which messages of a topic are the newest of their key. Pure.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/store.h"

namespace weft::broker {

/// What a message is about: of those about the same, the newest counts.
struct CompactionKey {
    std::string key;
    bool removes = false;                       // it says that there is nothing of this key any more
    std::optional<std::uint64_t> version = {};  // not above that of what is there: it counts for nothing
};
/// Tells it from a message's own key (if it has one) and its payload; nothing: the message counts for
/// nothing.
using KeyReader =
    std::function<std::optional<CompactionKey>(std::optional<std::string_view>, std::string_view payload)>;

/// An entry that is kept, and which of its messages (ascending; empty: the whole entry).
struct KeptEntry {
    store::EntryId entry = 0;
    std::vector<std::uint32_t> messages;
    bool operator==(const KeptEntry&) const = default;
};

class CompactionKeys {
  public:
    /// Keys and what is kept of them, in memory.
    static constexpr std::uint64_t kBytesMax = 256U << 20;
    /// Chunked messages that have begun and not ended.
    static constexpr std::size_t kOpenChunksMax = 10'000;

    /// How a topic that is its own history's memory (BrokerOptions::kept_compacted) is told apart: removals
    /// stay for those who were away, and the last message always, so that the end is where it was.
    struct Removals {
        std::uint64_t from_ms = 0;  // published at or after
        std::size_t count_max = 0;
    };

    /// By Pulsar's rule: a message's key counts, and no payload removes it.
    CompactionKeys() = default;
    CompactionKeys(KeyReader reader, Removals removals)
        : reader_(std::move(reader)), removals_(removals), keeps_last_(true) {}

    /// The next entry. What can't be read is kept as it is. `limit_reached` when memory is.
    Result<> take(store::EntryId id, const Bytes& entry);
    /// What is kept, in order. Ends the collection.
    std::vector<KeptEntry> kept();
    /// Messages that were there, but for those that an earlier compaction has taken out.
    std::uint64_t messages() const { return messages_; }

  private:
    struct Place {
        store::EntryId entry = 0;
        std::uint32_t message = 0;
        bool removes = false;
        std::optional<std::uint64_t> version = {};
        std::uint64_t publish_time_ms = 0;
        std::vector<store::EntryId> earlier_chunks;
    };
    Result<> note(CompactionKey key, Place place);
    std::optional<CompactionKey> key_of(std::optional<std::string_view> key, std::string_view payload) const;
    void drop_old_removals();

    const KeyReader reader_;
    const Removals removals_;
    const bool keeps_last_ = false;
    std::unordered_map<std::string, Place> newest_;
    std::unordered_map<std::string, std::vector<store::EntryId>> open_chunks_;  // by uuid
    std::vector<store::EntryId> whole_;                                         // that can't be read
    std::optional<Place> last_;
    std::uint64_t messages_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace weft::broker
