#include "broker/compaction.h"

#include <algorithm>

#include "wire/entry.h"
#include "wire/keep_messages.h"

namespace weft::broker {
namespace {

// One step: what is read, looked at and written before others have their turn.
constexpr std::size_t kStepBytes = 256U << 10;
constexpr std::size_t kStepEntries = 500;
constexpr std::size_t kIdBytes = 8;

}  // namespace

Bytes to_view_entry(store::EntryId id, std::string_view entry) {
    std::string stored;
    stored.reserve(kIdBytes + entry.size());
    for (unsigned i = 0; i < kIdBytes; ++i) stored.push_back(static_cast<char>(id >> (8 * i)));
    stored += entry;
    return Bytes::from(std::move(stored));
}

std::optional<store::StoredEntry> from_view_entry(const Bytes& stored) {
    if (stored.size() < kIdBytes) return std::nullopt;
    store::EntryId id = 0;
    for (unsigned i = 0; i < kIdBytes; ++i) {
        id |= static_cast<store::EntryId>(static_cast<unsigned char>(stored.data()[i])) << (8 * i);
    }
    return store::StoredEntry{id, stored.slice(kIdBytes)};
}

Compaction::Compaction(Hub& hub, CompactionInput input, CompactionKeys keys, Done done)
    : hub_(hub), input_(std::move(input)), done_(std::move(done)), keys_(std::move(keys)) {}

void Compaction::start() { begin(Phase::collect); }

void Compaction::later(void (Compaction::*call)()) {
    hub_.loop().post([self = std::weak_ptr(self_), call] {
        if (const auto here = self.lock()) ((*here)->*call)();
    });
}

void Compaction::begin(Phase phase) {
    phase_ = phase;
    place_ = input_.before ? Place::view : Place::log;
    next_ = input_.before ? 0 : input_.first;
    later(&Compaction::step);
}

void Compaction::step() {
    const bool in_view = place_ == Place::view;
    if (in_view && next_ >= input_.before->entries) {
        place_ = Place::log;
        next_ = std::max(input_.first, input_.before->horizon);
        return step();
    }
    if (!in_view && next_ >= input_.end) return go_on();
    const auto ledger = in_view ? input_.before->ledger : input_.ledger;
    const auto left = (in_view ? input_.before->entries : input_.end) - next_;
    hub_.store().read(ledger, next_, std::min<std::size_t>(kStepEntries, left), kStepBytes,
                      [self = std::weak_ptr(self_)](auto read) {
                          if (const auto here = self.lock()) (*here)->on_read(std::move(read));
                      });
}

/// A phase has come to its end.
void Compaction::go_on() {
    if (phase_ == Phase::collect) {
        kept_ = keys_.kept();
        return begin(Phase::copy);
    }
    finish(CompactionOutcome{{input_.into, input_.end, written_},
                             keys_.messages() - std::min(keys_.messages(), kept_messages_)});
}

void Compaction::on_read(Result<std::vector<store::StoredEntry>> read) {
    if (!read) return finish(std::unexpected(std::move(read).error()));
    const bool in_view = place_ == Place::view;
    const auto limit = in_view ? input_.before->entries : input_.end;
    if (read->empty()) next_ = limit;  // what was left can't be read
    ++appending_;                      // holds the next step back until all of this one is under way
    for (const auto& stored : *read) {
        next_ = stored.id + 1;
        if (stored.id >= limit) break;
        const auto entry = in_view ? from_view_entry(stored.data) : std::optional(stored);
        if (!entry) continue;
        if (auto done = phase_ == Phase::collect ? take(*entry) : copy(*entry); !done && !failed_)
            failed_ = done.error();
    }
    next_ = std::min(next_, limit);
    if (--appending_ != 0) return;
    if (failed_) return finish(std::unexpected(*failed_));
    later(&Compaction::step);
}

Result<> Compaction::take(const store::StoredEntry& entry) { return keys_.take(entry.id, entry.data); }

Result<> Compaction::copy(const store::StoredEntry& entry) {
    while (kept_at_ < kept_.size() && kept_[kept_at_].entry < entry.id) ++kept_at_;
    if (kept_at_ == kept_.size() || kept_[kept_at_].entry != entry.id) return {};
    const auto& messages = kept_[kept_at_].messages;
    kept_messages_ += messages.size();
    Bytes bytes = entry.data;
    if (!messages.empty()) {
        WEFT_TRY(const auto read, wire::read_entry(bytes, wire::ChecksumCheck::skip));
        const bool part =
            read.metadata.batched && !read.metadata.encrypted && messages.size() < read.metadata.num_messages;
        if (part) {
            WEFT_TRY(bytes, wire::keep_messages(bytes, messages));
        }
    }
    ++written_;
    ++appending_;
    hub_.store().append(input_.into, to_view_entry(entry.id, bytes.view()),
                        [self = std::weak_ptr(self_)](const Result<store::EntryId>& appended) {
                            if (const auto here = self.lock()) (*here)->on_appended(appended);
                        });
    return {};
}

void Compaction::on_appended(const Result<store::EntryId>& appended) {
    if (!appended && !failed_) failed_ = appended.error();
    if (--appending_ != 0) return;
    if (failed_) return finish(std::unexpected(*failed_));
    later(&Compaction::step);
}

void Compaction::finish(Result<CompactionOutcome> outcome) {
    hub_.loop().post([self = std::weak_ptr(self_), outcome = std::move(outcome)]() mutable {
        const auto here = self.lock();
        if (!here) return;
        const auto done = (*here)->done_;  // which may be the end of this
        done(std::move(outcome));
    });
}

}  // namespace weft::broker
