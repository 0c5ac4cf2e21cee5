#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace weft {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected

constexpr std::array<std::uint32_t, 256> make_byte_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        table[byte] = crc;
    }
    return table;
}
constexpr auto kByteTable = make_byte_table();

// `crc` is the bare register here and below: not inverted.
constexpr std::uint32_t add_byte(std::uint32_t crc, std::uint8_t byte) {
    return (crc >> 8) ^ kByteTable[(crc ^ byte) & 0xFF];
}

#if defined(__SSE4_2__)
// The instruction takes three cycles but a new one can start each cycle: three lanes run side by side, and
// the first two results are then moved over the lanes behind them. Moving over n zero bytes is linear, so a
// table per byte of the register does it.
constexpr std::size_t kLane = 512;
using ShiftTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr ShiftTable make_shift_table() {
    std::array<std::uint32_t, 32> bits{};
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
        std::uint32_t crc = 1U << bit;
        for (std::size_t i = 0; i < kLane; ++i) crc = add_byte(crc, 0);
        bits[bit] = crc;
    }
    ShiftTable table{};
    for (std::uint32_t position = 0; position < 4; ++position) {
        for (std::uint32_t byte = 0; byte < 256; ++byte) {
            std::uint32_t crc = 0;
            for (std::uint32_t bit = 0; bit < 8; ++bit) {
                if ((byte >> bit & 1) != 0) crc ^= bits[position * 8 + bit];
            }
            table[position][byte] = crc;
        }
    }
    return table;
}
constexpr ShiftTable kShift = make_shift_table();

std::uint64_t over_one_lane(std::uint64_t crc) {
    return kShift[0][crc & 0xFF] ^ kShift[1][crc >> 8 & 0xFF] ^ kShift[2][crc >> 16 & 0xFF] ^
           kShift[3][crc >> 24 & 0xFF];
}

std::uint64_t word_at(const char* data) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, sizeof word);
    return word;
}

std::uint32_t update(std::uint32_t start, const char* data, std::size_t size) {
    std::uint64_t crc = start;
    for (; size >= 3 * kLane; data += 3 * kLane, size -= 3 * kLane) {
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = 0; i < kLane; i += 8) {
            crc = _mm_crc32_u64(crc, word_at(data + i));
            second = _mm_crc32_u64(second, word_at(data + kLane + i));
            third = _mm_crc32_u64(third, word_at(data + 2 * kLane + i));
        }
        crc = over_one_lane(over_one_lane(crc) ^ second) ^ third;
    }
    for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, word_at(data));
    auto last = static_cast<std::uint32_t>(crc);
    for (; size > 0; ++data, --size) last = _mm_crc32_u8(last, static_cast<std::uint8_t>(*data));
    return last;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed) {
    std::uint32_t crc = ~seed;
    for (const char c : data) crc = add_byte(crc, static_cast<std::uint8_t>(c));
    return ~crc;
}

std::uint32_t crc32c(std::string_view data, std::uint32_t seed) {
#if defined(__SSE4_2__)
    return ~update(~seed, data.data(), data.size());
#else
    return crc32c_portable(data, seed);
#endif
}

}  // namespace weft
