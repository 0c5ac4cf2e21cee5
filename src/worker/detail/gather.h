#pragma once
// Asking many at once.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace weft::worker {

inline constexpr std::size_t kGatherersMax = 16;

/// Calls `ask(i)` for each i below `count`, several at a time, and returns when all have ended: `ask` keeps a
/// deadline.
template <class Ask>
void gather(std::size_t count, const Ask& ask) {
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next++; i < count; i = next++) ask(i);
    };
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(count, kGatherersMax); ++i) helpers.emplace_back(work);
    work();
}

}  // namespace weft::worker
