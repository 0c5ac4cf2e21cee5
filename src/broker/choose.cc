#include "broker/choose.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/str_cat.h"

namespace weft::broker {
namespace {

constexpr int kRingPoints = 100;

std::uint32_t mix_block(std::uint32_t k) { return std::rotl(k * 0xcc9e2d51U, 15) * 0x1b873593U; }

}  // namespace

std::uint32_t murmur3_32(std::string_view data) {
    std::uint32_t h = 0;
    const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(data[i]));
    };
    std::size_t at = 0;
    for (; at + 4 <= data.size(); at += 4) {
        const auto k = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
        h = std::rotl(h ^ mix_block(k), 13) * 5 + 0xe6546b64U;
    }
    std::uint32_t tail = 0;
    for (std::size_t i = data.size(); i > at; --i) tail = tail << 8 | byte(i - 1);
    if (at < data.size()) h ^= mix_block(tail);
    h ^= static_cast<std::uint32_t>(data.size());
    h = (h ^ (h >> 16)) * 0x85ebca6bU;
    h = (h ^ (h >> 13)) * 0xc2b2ae35U;
    return (h ^ (h >> 16)) & 0x7fffffffU;
}

std::size_t choose_active(std::span<const FailoverCandidate> candidates, std::string_view topic,
                          std::optional<std::uint32_t> partition) {
    WEFT_CHECK(!candidates.empty(), "an active consumer is chosen among some");
    const auto best = std::ranges::min_element(candidates, {}, &FailoverCandidate::priority)->priority;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].priority == best) order.push_back(i);
    }
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(candidates[i].name, i); });
    if (partition) return order[*partition % order.size()];
    std::map<std::uint32_t, std::size_t> ring;
    for (const auto index : order) {
        for (int point = 0; point < kRingPoints; ++point) {
            ring[murmur3_32(str_cat(candidates[index].name, point))] = index;
        }
    }
    const auto at = ring.lower_bound(murmur3_32(topic));
    return at == ring.end() ? ring.begin()->second : at->second;
}

std::optional<std::size_t> choose_next(std::span<const SharedCandidate> candidates, std::size_t last) {
    std::optional<std::size_t> found;
    for (std::size_t step = 1; step <= candidates.size(); ++step) {
        const auto index = (last + step) % candidates.size();
        if (!candidates[index].ready) continue;
        if (!found || candidates[index].priority < candidates[*found].priority) found = index;
    }
    return found;
}

}  // namespace weft::broker
