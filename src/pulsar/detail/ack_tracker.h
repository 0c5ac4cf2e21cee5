#pragma once
// AckTracker: remembers which messages of partly acked entries are done, so that a redelivered entry is not
// worked through again; and AckGroup: the acks of one turn of the loop. Both pure values; whoever shares them
// between threads locks.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "wire/message_id.h"

namespace weft::pulsar::detail {

/// An entry's place without partition and batch index.
struct EntryKey {
    std::uint64_t ledger = 0;
    std::uint64_t entry = 0;
    auto operator<=>(const EntryKey&) const = default;
};
inline EntryKey key_of(const wire::MessageId& id) { return {id.ledger, id.entry}; }

/// Words of a bit set as on the wire: bit i is 1 while message i of the batch is to be acked.
using AckSet = std::vector<std::int64_t>;
/// `count` bits set.
AckSet full_ack_set(std::uint32_t count);
bool none_set(const AckSet& bits);
void clear_bit(AckSet& bits, std::uint32_t index);

class AckTracker {
  public:
    /// Entries remembered; over it the oldest is forgotten (its acked messages may then be seen again).
    static constexpr std::size_t kEntriesMax = 100'000;

    enum class Acked : std::uint8_t { partly, whole };
    /// Notes the ack of one message; `whole`: it was the entry's last one, which is then forgotten.
    Acked acknowledge(EntryKey key, std::uint32_t index, std::uint32_t batch_size);
    /// Notes the ack of all messages up to and with `index`, and of all entries before.
    Acked acknowledge_up_to(EntryKey key, std::uint32_t index, std::uint32_t batch_size);
    void forget(EntryKey key) {
        if (!entries_.empty()) entries_.erase(key);
    }
    void clear() { entries_.clear(); }
    bool empty() const { return entries_.empty(); }
    /// What is still to be done of an entry that came with the broker's `ack_set` (empty: all of it). The
    /// broker's bits are remembered if they say more than was known here. Empty: all. All bits clear:
    /// nothing.
    AckSet still_to_do(EntryKey key, std::uint32_t batch_size, const AckSet& ack_set);
    /// The bits of a remembered entry.
    const AckSet* find(EntryKey key) const;

  private:
    AckSet& slot(EntryKey key, std::uint32_t batch_size);
    std::map<EntryKey, AckSet> entries_;
};

struct AckGroup {
    struct Partial {
        EntryKey key;
        AckSet bits;
    };
    std::vector<EntryKey> whole;
    std::vector<Partial> partial;
    std::vector<EntryKey> corrupt;      // acked because their bytes are damaged
    std::optional<Partial> cumulative;  // no bits: with the whole entry

    bool empty() const { return whole.empty() && partial.empty() && corrupt.empty() && !cumulative; }
};

/// Ids in one ACK command.
inline constexpr std::size_t kAckIdsMax = 4096;

/// The ACK commands of a group, as frames. With `request_id` the last one asks for an answer (the group must
/// then not be empty).
std::vector<Bytes> encode_acks(std::uint64_t consumer_id, const AckGroup& group,
                               std::optional<std::uint64_t> request_id);

}  // namespace weft::pulsar::detail
