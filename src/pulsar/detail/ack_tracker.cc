#include "pulsar/detail/ack_tracker.h"

#include <algorithm>

#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {

using wire::proto::BaseCommand;
using wire::proto::CommandAck;

AckSet full_ack_set(std::uint32_t count) {
    AckSet bits(count / 64, -1);
    if (count % 64 != 0) bits.push_back(static_cast<std::int64_t>((1ULL << (count % 64)) - 1));
    return bits;
}

bool none_set(const AckSet& bits) {
    return std::ranges::all_of(bits, [](std::int64_t word) { return word == 0; });
}

void clear_bit(AckSet& bits, std::uint32_t index) {
    if (index / 64 >= bits.size()) return;
    auto& word = bits[index / 64];
    word = static_cast<std::int64_t>(static_cast<std::uint64_t>(word) & ~(1ULL << (index % 64)));
}

AckSet& AckTracker::slot(EntryKey key, std::uint32_t batch_size) {
    const auto found = entries_.lower_bound(key);
    if (found != entries_.end() && found->first == key) return found->second;
    if (entries_.size() >= kEntriesMax) entries_.erase(entries_.begin());
    return entries_.emplace(key, full_ack_set(batch_size)).first->second;
}

AckTracker::Acked AckTracker::acknowledge(EntryKey key, std::uint32_t index, std::uint32_t batch_size) {
    auto& bits = slot(key, batch_size);
    clear_bit(bits, index);
    if (!none_set(bits)) return Acked::partly;
    entries_.erase(key);
    return Acked::whole;
}

AckTracker::Acked AckTracker::acknowledge_up_to(EntryKey key, std::uint32_t index, std::uint32_t batch_size) {
    entries_.erase(entries_.begin(), entries_.lower_bound(key));
    auto& bits = slot(key, batch_size);
    for (std::uint32_t i = 0; i <= index && i < batch_size; ++i) clear_bit(bits, i);
    if (!none_set(bits)) return Acked::partly;
    entries_.erase(key);
    return Acked::whole;
}

AckSet AckTracker::still_to_do(EntryKey key, std::uint32_t batch_size, const AckSet& ack_set) {
    const auto found = entries_.find(key);
    if (found == entries_.end() && ack_set.empty()) return {};
    AckSet bits = full_ack_set(batch_size);
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if (!ack_set.empty()) bits[i] &= i < ack_set.size() ? ack_set[i] : 0;
        if (found != entries_.end()) bits[i] &= i < found->second.size() ? found->second[i] : 0;
    }
    if (none_set(bits)) {
        entries_.erase(key);
    } else {
        slot(key, batch_size) = bits;
    }
    return bits;
}

const AckSet* AckTracker::find(EntryKey key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
}

namespace {

class AckWriter {
  public:
    explicit AckWriter(std::uint64_t consumer_id) : consumer_id_(consumer_id) {}

    void add(CommandAck::AckType type, EntryKey key, const AckSet* bits,
             std::optional<CommandAck::ValidationError> why = std::nullopt) {
        const bool fits = open_ && ack().ack_type() == type &&
                          ack().has_validation_error() == why.has_value() &&
                          static_cast<std::size_t>(ack().message_id_size()) < kAckIdsMax;
        if (!fits) begin(type, why);
        auto& id = *ack().add_message_id();
        id.set_ledgerid(key.ledger);
        id.set_entryid(key.entry);
        if (bits == nullptr) return;
        for (const auto word : *bits) id.add_ack_set(word);
    }
    void ask_for_answer(std::uint64_t request_id) { ack().set_request_id(request_id); }
    std::vector<Bytes> finish() {
        if (open_) frames_.push_back(wire::encode_command(command_));
        return std::move(frames_);
    }

  private:
    CommandAck& ack() { return *command_.mutable_ack(); }
    void begin(CommandAck::AckType type, std::optional<CommandAck::ValidationError> why) {
        if (open_) frames_.push_back(wire::encode_command(command_));
        open_ = true;
        command_.Clear();
        command_.set_type(BaseCommand::ACK);
        ack().set_consumer_id(consumer_id_);
        ack().set_ack_type(type);
        if (why) ack().set_validation_error(*why);
    }

    const std::uint64_t consumer_id_;
    BaseCommand command_;
    bool open_ = false;
    std::vector<Bytes> frames_;
};

}  // namespace

std::vector<Bytes> encode_acks(std::uint64_t consumer_id, const AckGroup& group,
                               std::optional<std::uint64_t> request_id) {
    AckWriter writer(consumer_id);
    for (const auto& key : group.corrupt) {
        writer.add(CommandAck::Individual, key, nullptr, CommandAck::ChecksumMismatch);
    }
    if (group.cumulative) {
        const auto& bits = group.cumulative->bits;
        writer.add(CommandAck::Cumulative, group.cumulative->key, bits.empty() ? nullptr : &bits);
    }
    for (const auto& key : group.whole) writer.add(CommandAck::Individual, key, nullptr);
    for (const auto& partial : group.partial) writer.add(CommandAck::Individual, partial.key, &partial.bits);
    if (request_id) writer.ask_for_answer(*request_id);
    return writer.finish();
}

}  // namespace weft::pulsar::detail
