#include "broker/cursor.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

namespace weft::broker {
namespace {

constexpr char kFormat = 1;

std::uint32_t count_bits(std::span<const std::int64_t> words) {
    std::uint32_t count = 0;
    for (const auto word : words) {
        count += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint64_t>(word)));
    }
    return count;
}

void put_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<char>(value));
}

std::optional<std::uint64_t> take_varint(std::string_view& in) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
}

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorCode::corrupt, "a cursor's record is damaged: ", what);
}

}  // namespace

bool Cursor::is_acked(EntryId entry) const {
    if (entry < position_) return true;
    auto after = ranges_.upper_bound(entry);
    return after != ranges_.begin() && std::prev(after)->second > entry;
}

EntryId Cursor::next_unacked(EntryId from) const {
    if (from < position_) return position_;
    auto after = ranges_.upper_bound(from);
    if (after != ranges_.begin() && std::prev(after)->second > from) return std::prev(after)->second;
    return from;
}

std::uint64_t Cursor::backlog(EntryId end) const {
    if (end <= position_) return 0;
    const auto open = end - position_;
    return open > in_ranges_ ? open - in_ranges_ : 0;
}

std::uint64_t Cursor::ack_range(EntryId from, EntryId end) {
    from = std::max(from, position_);
    if (from >= end) return 0;
    if (!partial_.empty()) partial_.erase(partial_.lower_bound(from), partial_.lower_bound(end));
    if (from == position_ && ranges_.empty()) {  // in order: the common case
        const auto count = end - from;
        position_ = end;
        return count;
    }
    std::uint64_t known = 0;
    EntryId start = from;
    EntryId stop = end;
    auto it = ranges_.upper_bound(from);
    if (it != ranges_.begin() && std::prev(it)->second >= from) --it;
    while (it != ranges_.end() && it->first <= end) {
        known += it->second - it->first;
        start = std::min(start, it->first);
        stop = std::max(stop, it->second);
        it = ranges_.erase(it);
    }
    const auto grown = (stop - start) - known;
    ranges_.emplace_hint(it, start, stop);
    in_ranges_ += grown;
    absorb_ranges();
    return grown;
}

void Cursor::absorb_ranges() {
    while (!ranges_.empty() && ranges_.begin()->first <= position_) {
        const auto [start, end] = *ranges_.begin();
        in_ranges_ -= end - start;
        position_ = std::max(position_, end);
        ranges_.erase(ranges_.begin());
    }
}

void Cursor::ack_below(EntryId end) {
    if (end <= position_) return;
    partial_.erase(partial_.begin(), partial_.lower_bound(end));
    position_ = end;
    while (!ranges_.empty() && ranges_.begin()->first < end && ranges_.begin()->second <= end) {
        in_ranges_ -= ranges_.begin()->second - ranges_.begin()->first;
        ranges_.erase(ranges_.begin());
    }
    absorb_ranges();
}

std::uint32_t Cursor::ack_bits(EntryId entry, std::span<const std::int64_t> still_unacked) {
    if (is_acked(entry)) return 0;
    if (count_bits(still_unacked) == 0) {
        ack(entry);
        return 0;
    }
    if (still_unacked.size() > kPartialWordsMax) return count_bits(still_unacked);
    auto it = partial_.find(entry);
    if (it == partial_.end()) {
        if (partial_.size() < kPartialEntriesMax) {
            partial_.emplace(entry, std::vector<std::int64_t>(still_unacked.begin(), still_unacked.end()));
        }
        return count_bits(still_unacked);
    }
    auto& words = it->second;
    words.resize(std::min(words.size(), still_unacked.size()));
    for (std::size_t i = 0; i < words.size(); ++i) words[i] &= still_unacked[i];
    const auto left = count_bits(words);
    if (left == 0) ack(entry);
    return left;
}

std::span<const std::int64_t> Cursor::pending_bits(EntryId entry) const {
    if (partial_.empty()) return {};
    const auto it = partial_.find(entry);
    return it == partial_.end() ? std::span<const std::int64_t>{} : std::span<const std::int64_t>(it->second);
}

void Cursor::reset(EntryId position) { *this = Cursor(position); }

bool Cursor::fits_record() const {
    std::size_t words = 0;
    for (const auto& [entry, bits] : partial_) words += bits.size();
    return ranges_.size() <= kRecordRangesMax && words <= kRecordWordsMax;
}

std::string Cursor::serialize() const {
    std::string out(1, kFormat);
    put_varint(out, position_);
    put_varint(out, std::min(ranges_.size(), kRecordRangesMax));
    std::size_t written = 0;
    EntryId last = position_;
    for (const auto& [start, end] : ranges_) {
        if (written++ == kRecordRangesMax) break;
        put_varint(out, start - last);
        put_varint(out, end - start);
        last = end;
    }
    std::size_t words = 0;
    std::size_t entries = 0;
    for (const auto& [entry, bits] : partial_) {
        if ((words += bits.size()) > kRecordWordsMax) break;
        ++entries;
    }
    put_varint(out, entries);
    last = position_;
    for (const auto& [entry, bits] : partial_) {
        if (entries-- == 0) break;
        put_varint(out, entry - last);
        put_varint(out, bits.size());
        for (const auto word : bits) put_varint(out, static_cast<std::uint64_t>(word));
        last = entry;
    }
    return out;
}

Result<Cursor> Cursor::parse(std::string_view record) {
    if (record.empty()) return damaged("it is empty");
    if (record.front() != kFormat) return damaged("its format is of another version of Weft");
    record.remove_prefix(1);
    const auto position = take_varint(record);
    const auto ranges = take_varint(record);
    if (!position || !ranges || *ranges > kRecordRangesMax) return damaged("position or number of ranges");
    Cursor cursor(*position);
    EntryId last = *position;
    constexpr auto kMax = std::numeric_limits<EntryId>::max() / 4;
    for (std::uint64_t i = 0; i < *ranges; ++i) {
        const auto gap = take_varint(record);
        const auto length = take_varint(record);
        if (!gap || !length || *gap > kMax || *length > kMax || last > kMax) return damaged("a range");
        cursor.ack_range(last + *gap, last + *gap + *length);
        last += *gap + *length;
    }
    const auto partial = take_varint(record);
    if (!partial || *partial > kPartialEntriesMax) return damaged("number of partially acked batches");
    last = *position;
    for (std::uint64_t i = 0; i < *partial; ++i) {
        const auto gap = take_varint(record);
        const auto count = take_varint(record);
        if (!gap || !count || *count > kPartialWordsMax || *gap > kMax || last > kMax)
            return damaged("a batch");
        std::vector<std::int64_t> words;
        for (std::uint64_t w = 0; w < *count; ++w) {
            const auto word = take_varint(record);
            if (!word) return damaged("the bits of a batch");
            words.push_back(static_cast<std::int64_t>(*word));
        }
        last += *gap;
        cursor.ack_bits(last, words);
    }
    return cursor;
}

}  // namespace weft::broker
