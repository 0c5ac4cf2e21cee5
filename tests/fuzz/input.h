#pragma once
// Input: the fuzzer's bytes, read as numbers and texts; beyond the end everything is zero or empty.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace weft::fuzz {

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

    bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const auto value = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    std::uint16_t u16() {
        const std::uint16_t low = byte();
        return static_cast<std::uint16_t>(low | byte() << 8);
    }
    /// Mostly small; now and then one of those where sums overflow.
    std::uint64_t number() {
        const std::uint8_t kind = byte();
        if (kind < 0xf0) return kind;
        if (kind < 0xf8) return u16();
        std::uint64_t value = 0;
        for (int i = 0; i < 8; ++i) value = value << 8 | byte();
        return value;
    }
    std::string_view bytes(std::size_t count) {
        const auto taken = rest_.substr(0, std::min(count, rest_.size()));
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view text() { return bytes(byte()); }
    std::string_view rest() { return bytes(rest_.size()); }

  private:
    std::string_view rest_;
};

/// What must hold whatever the input is.
inline void must(bool holds, std::string_view what) {
    if (holds) return;
    std::cerr << "does not hold: " << what << '\n';
    std::abort();
}

}  // namespace weft::fuzz
