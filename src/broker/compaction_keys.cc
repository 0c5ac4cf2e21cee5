#include "broker/compaction_keys.h"

#include <algorithm>
#include <utility>

#include "wire/entry.h"

namespace weft::broker {
namespace {

// What a key takes besides its bytes.
constexpr std::uint64_t kKeyOverhead = 128;

/// The payload as it was before compression; an error: it can't be read.
Result<Bytes> plain_payload(const wire::EntryView& entry) {
    return wire::decompress(entry.metadata.compression, entry.payload, entry.metadata.uncompressed_size);
}

}  // namespace

std::optional<CompactionKey> CompactionKeys::key_of(std::optional<std::string_view> key,
                                                    std::string_view payload) const {
    if (reader_) return reader_(key, payload);
    if (!key) return std::nullopt;
    return CompactionKey{std::string(*key), payload.empty()};
}

Result<> CompactionKeys::take(store::EntryId id, const Bytes& entry) {
    const auto read = wire::read_entry(entry, wire::ChecksumCheck::skip);
    if (!read) {
        whole_.push_back(id);
        return {};
    }
    const auto& metadata = read->metadata;
    if (metadata.marker) return {};
    Place place{.entry = id, .publish_time_ms = metadata.publish_time_ms, .earlier_chunks = {}};
    if (metadata.encrypted) {  // its content is its owners': one message, by the key outside
        ++messages_;
        if (metadata.partition_key)
            return note({std::string(*metadata.partition_key), false}, std::move(place));
        return {};
    }
    if (metadata.chunk_id) {
        ++messages_;
        auto& chunks = open_chunks_[std::string(metadata.uuid)];
        if (*metadata.chunk_id + 1 < metadata.num_chunks) {
            chunks.push_back(id);
            if (open_chunks_.size() <= kOpenChunksMax) return {};
            return fail(ErrorCode::limit_reached, "more than ", kOpenChunksMax,
                        " chunked messages have no end");
        }
        place.earlier_chunks = std::move(chunks);
        open_chunks_.erase(std::string(metadata.uuid));
        if (metadata.partition_key)
            return note({std::string(*metadata.partition_key), false}, std::move(place));
        return {};
    }
    const auto payload = plain_payload(*read);
    if (!payload) {
        whole_.push_back(id);
        return {};
    }
    wire::MessageReader reader(metadata, payload->view());
    wire::MessageView message;
    for (std::uint32_t index = 0;; ++index) {
        const auto more = reader.next(message);
        if (!more) {
            whole_.push_back(id);
            return {};
        }
        if (!*more) return {};
        if (message.compacted_out) continue;
        ++messages_;
        place.message = index;
        if (keeps_last_) last_ = place;
        if (auto key = key_of(message.partition_key, message.payload)) {
            WEFT_TRY_VOID(note(std::move(*key), place));
        }
    }
}

Result<> CompactionKeys::note(CompactionKey key, Place place) {
    place.removes = key.removes;
    place.version = key.version;
    const auto found = newest_.find(key.key);
    const bool known = found != newest_.end();
    if (known && !found->second.removes && key.version && found->second.version >= key.version) return {};
    if (place.removes && !keeps_last_) {
        if (!known) return {};
        bytes_ -= key.key.size() + kKeyOverhead;
        newest_.erase(found);
        return {};
    }
    const auto size = key.key.size() + kKeyOverhead;
    const auto [at, is_new] = newest_.insert_or_assign(std::move(key.key), std::move(place));
    if (is_new && (bytes_ += size) > kBytesMax) {
        return fail(ErrorCode::limit_reached, "the topic's keys take more than ", kBytesMax, " bytes (",
                    newest_.size(), " keys so far)");
    }
    return {};
}

void CompactionKeys::drop_old_removals() {
    std::vector<std::pair<store::EntryId, std::uint32_t>> young;
    for (const auto& [key, place] : newest_) {
        if (place.removes && place.publish_time_ms >= removals_.from_ms)
            young.emplace_back(place.entry, place.message);
    }
    std::pair<store::EntryId, std::uint32_t> oldest{};
    if (young.size() > removals_.count_max) {
        const auto at = young.end() - static_cast<std::ptrdiff_t>(removals_.count_max);
        std::ranges::nth_element(young, at);
        oldest = at == young.end() ? std::pair<store::EntryId, std::uint32_t>(~0ULL, 0U) : *at;
    }
    std::erase_if(newest_, [&](const auto& item) {
        const auto& place = item.second;
        if (!place.removes) return false;
        return place.publish_time_ms < removals_.from_ms || std::pair(place.entry, place.message) < oldest;
    });
}

std::vector<KeptEntry> CompactionKeys::kept() {
    drop_old_removals();
    constexpr auto kWhole = ~0U;
    std::vector<std::pair<store::EntryId, std::uint32_t>> places;
    for (const auto& [key, place] : newest_) {
        places.emplace_back(place.entry, place.message);
        for (const auto chunk : place.earlier_chunks) places.emplace_back(chunk, 0);
    }
    newest_.clear();
    if (last_) places.emplace_back(last_->entry, last_->message);
    for (const auto entry : whole_) places.emplace_back(entry, kWhole);
    std::ranges::sort(places);
    places.erase(std::ranges::unique(places).begin(), places.end());
    std::vector<KeptEntry> kept;
    for (const auto& [entry, message] : places) {
        if (kept.empty() || kept.back().entry != entry) kept.push_back({entry, {}});
        if (message == kWhole) {
            kept.back().messages.clear();
        } else {
            kept.back().messages.push_back(message);
        }
    }
    return kept;
}

}  // namespace weft::broker
