#include "broker/entry_feed.h"

#include <algorithm>

#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr auto kRetryAfter = 1s;

}  // namespace

EntryFeed::EntryFeed(Hub& hub, store::LedgerId ledger, ViewFor view_for, std::function<void()> changed)
    : hub_(hub), ledger_(ledger), view_for_(std::move(view_for)), changed_(std::move(changed)) {}

EntryFeed::~EntryFeed() {
    if (retry_ != 0) hub_.loop().cancel(retry_);
}

void EntryFeed::move_to(EntryId entry) {
    if (entry == position_) return;
    const bool ahead = entry > position_ && entry <= read_to_;
    position_ = entry;
    while (!ahead_.empty() && (!ahead || ahead_.front().id < entry)) {
        bytes_ -= ahead_.front().data.size();
        ahead_.pop_front();
    }
    if (ahead) return;
    start_over(entry);
}

void EntryFeed::start_over(EntryId entry) {
    position_ = read_to_ = entry;
    ahead_.clear();
    bytes_ = 0;
    ++generation_;
    reading_ = false;
    last_read_ = ReadFrom::nothing;
}

const store::StoredEntry* EntryFeed::front(EntryId end, std::size_t entries_wanted) {
    in_call_ = true;
    while (!reading_ && retry_ == 0 && bytes_ < kLowBytes && ahead_.size() < entries_wanted &&
           read_to_ < end) {
        const auto before = read_to_;
        start_read(read_to_, std::min<std::size_t>(entries_wanted - ahead_.size(), end - read_to_));
        if (!ahead_.empty() || read_to_ == before) break;  // else nothing was left of that: on behind it
    }
    in_call_ = false;
    return ahead_.empty() ? nullptr : &ahead_.front();
}

void EntryFeed::pop() {
    position_ = ahead_.front().id + 1;
    bytes_ -= ahead_.front().data.size();
    ahead_.pop_front();
}

void EntryFeed::start_read(EntryId from, std::size_t entries) {
    reading_ = true;
    if (const auto view = view_for_(from, last_read_)) return read_view(*view, from, entries);
    last_read_ = ReadFrom::log;
    hub_.store().read(ledger_, from, entries, kReadBytes,
                      [this, alive = std::weak_ptr(alive_), generation = generation_](auto read) {
                          if (!alive.expired()) on_read(generation, std::move(read));
                      });
}

void EntryFeed::read_view(const CompactedView& view, EntryId from, std::size_t entries) {
    last_read_ = ReadFrom::view;
    if (from == 0) view_place_ = {view.ledger, 0, 0};
    if (view_place_.ledger != view.ledger || view_place_.entry != from)
        return find_in_view(view, from, {0, view.entries}, entries);
    if (view_place_.index >= view.entries) return on_view_read(view, {});
    hub_.store().read(view.ledger, view_place_.index, entries, kReadBytes,
                      [this, alive = std::weak_ptr(alive_), generation = generation_, view](auto read) {
                          if (!alive.expired() && generation == generation_)
                              on_view_read(view, std::move(read));
                      });
}

// Binary search for the first of the view's entries that is not before `from`.
void EntryFeed::find_in_view(const CompactedView& view, EntryId from, Range among, std::size_t entries) {
    if (among.low >= among.high) {
        view_place_ = {view.ledger, from, among.low};
        return read_view(view, from, entries);
    }
    const auto middle = among.low + (among.high - among.low) / 2;
    hub_.store().read(
        view.ledger, middle, 1, 1,
        [this, alive = std::weak_ptr(alive_), generation = generation_, view, from, among, middle,
         entries](Result<std::vector<store::StoredEntry>> read) {
            if (alive.expired() || generation != generation_) return;
            if (!read) return reading_failed(read.error());
            const auto entry = read->empty() ? std::nullopt : from_view_entry(read->front().data);
            const bool before = entry && entry->id < from;
            find_in_view(view, from,
                         before ? Range{read->front().id + 1, among.high} : Range{among.low, middle},
                         entries);
        });
}

void EntryFeed::on_view_read(const CompactedView& view, Result<std::vector<store::StoredEntry>> read) {
    if (!read) return reading_failed(read.error());
    std::vector<store::StoredEntry> entries;
    for (const auto& stored : *read) {
        view_place_.index = stored.id + 1;
        if (auto entry = from_view_entry(stored.data)) entries.push_back(std::move(*entry));
    }
    if (read->empty()) view_place_.index = view.entries;  // what was left can't be read
    const bool ended = view_place_.index >= view.entries;
    take(std::move(entries));
    if (ended) read_to_ = std::max(read_to_, view.horizon);
    view_place_.entry = read_to_;
    reading_ = false;
    if (!in_call_) changed_();
}

void EntryFeed::on_read(std::uint64_t generation, Result<std::vector<store::StoredEntry>> read) {
    if (generation != generation_) return;
    if (!read) return reading_failed(read.error());
    reading_ = false;
    const bool any = !read->empty();
    take(std::move(*read));
    if (!in_call_ && any) changed_();
}

void EntryFeed::take(std::vector<store::StoredEntry> entries) {
    for (auto& entry : entries) {
        if (entry.id < read_to_) continue;
        read_to_ = entry.id + 1;
        if (entry.id < position_) continue;
        bytes_ += entry.data.size();
        ahead_.push_back(std::move(entry));
    }
}

// Also what was compacted anew while it was being read: then the next one reads that.
void EntryFeed::reading_failed(const Error& error) {
    reading_ = false;
    view_place_ = {};
    kLog.warn("can't read a topic's entries; trying again", {{"ledger", ledger_}, {"error", error.message}});
    retry_ = hub_.loop().after(kRetryAfter, [this] {
        retry_ = 0;
        changed_();
    });
}

}  // namespace weft::broker
