#include "store/ledger_table.h"

#include <algorithm>

#include "base/check.h"

namespace weft::store {
namespace {

// What an entry in the cache costs besides its bytes: so that tiny entries are bounded too.
constexpr std::uint64_t kCachedOverhead = 64;

}  // namespace

LedgerId LedgerTable::create() {
    const LedgerId id = next_id_;
    create(id);
    return id;
}

Ledger& LedgerTable::create(LedgerId id) {
    raise_next_id(id + 1);
    return ledgers_[id];
}

Ledger* LedgerTable::find(LedgerId id) {
    if (last_found_.second != nullptr && last_found_.first == id) return last_found_.second;
    const auto found = ledgers_.find(id);
    if (found == ledgers_.end()) return nullptr;
    last_found_ = {id, &found->second};
    return &found->second;
}

const Ledger* LedgerTable::find(LedgerId id) const {
    const auto found = ledgers_.find(id);
    return found == ledgers_.end() ? nullptr : &found->second;
}

void LedgerTable::add_entry(Ledger& ledger, LedgerId id, EntryId entry, LogPosition at, std::uint64_t size) {
    if (ledger.extents.empty() || ledger.extents.back().segment != at.segment) {
        cut(ledger, entry);
        ledger.extents.push_back(
            {.segment = at.segment, .first = entry, .end = entry, .bytes = 0, .points = {}});
        Segment& segment = segments_[at.segment];
        ++segment.live_ledgers;
        segment.ledgers.push_back(id);
    }
    Extent& extent = ledger.extents.back();
    if (extent.points.empty() || at.offset - extent.points.back().offset >= kPointDistance) {
        extent.points.push_back({entry, at.offset});
    }
    extent.end = entry + 1;
    extent.bytes += size;
    ledger.end = std::max(ledger.end, entry + 1);
}

void LedgerTable::add_extent(Ledger& ledger, Extent extent) {
    cut(ledger, extent.first);
    ++segments_[extent.segment].live_ledgers;
    ledger.end = std::max(ledger.end, extent.end);
    ledger.extents.push_back(std::move(extent));
}

void LedgerTable::cache(Ledger& ledger, LedgerId id, Bytes entry) {
    if (tail_bytes_max_ == 0) return;
    cached_.push_back({id, entry.size()});
    cached_bytes_ += entry.size() + kCachedOverhead;
    ledger.tail.push_back(std::move(entry));
    while (cached_bytes_ > tail_bytes_max_) evict();
}

void LedgerTable::evict() {
    const Cached oldest = cached_.front();
    cached_.pop_front();
    cached_bytes_ -= oldest.size + kCachedOverhead;
    // The ledger may be gone; its entries went with it.
    if (Ledger* const ledger = find(oldest.ledger); ledger != nullptr && !ledger->tail.empty())
        ledger->tail.pop_front();
}

std::size_t LedgerTable::leave(const Extent& extent) {
    const auto segment = segments_.find(extent.segment);
    WEFT_CHECK(segment != segments_.end() && segment->second.live_ledgers > 0,
               "an extent outlived its segment");
    return --segment->second.live_ledgers == 0 ? 1 : 0;
}

void LedgerTable::cut(Ledger& ledger, EntryId from) {
    while (!ledger.extents.empty() && ledger.extents.back().end > from) {
        Extent& last = ledger.extents.back();
        if (last.first >= from) {
            (void)leave(last);
            ledger.extents.pop_back();
            continue;
        }
        last.bytes = last.bytes * (from - last.first) / (last.end - last.first);
        last.end = from;
        while (last.points.back().entry >= from) last.points.pop_back();
    }
}

std::size_t LedgerTable::drop_below(Ledger& ledger, EntryId before) {
    std::size_t emptied = 0;
    while (!ledger.extents.empty() && ledger.extents.front().end <= before) {
        emptied += leave(ledger.extents.front());
        ledger.extents.pop_front();
    }
    return emptied;
}

std::size_t LedgerTable::drop(LedgerId id) {
    const auto found = ledgers_.find(id);
    if (found == ledgers_.end()) return 0;
    std::size_t emptied = 0;
    for (const Extent& extent : found->second.extents) emptied += leave(extent);
    last_found_ = {0, nullptr};
    ledgers_.erase(found);
    return emptied;
}

std::deque<Extent>::const_iterator LedgerTable::extent_of(const Ledger& ledger, EntryId entry) {
    return std::ranges::partition_point(ledger.extents,
                                        [&](const Extent& extent) { return extent.end <= entry; });
}

std::uint64_t LedgerTable::bytes_of(const Ledger& ledger) {
    std::uint64_t bytes = 0;
    for (const Extent& extent : ledger.extents) {
        const std::uint64_t entries = extent.end - extent.first;
        const std::uint64_t gone =
            ledger.first <= extent.first ? 0 : std::min(ledger.first, extent.end) - extent.first;
        bytes +=
            extent.bytes / entries * (entries - gone) + extent.bytes % entries * (entries - gone) / entries;
    }
    return bytes;
}

}  // namespace weft::store
