// CRC32C, bit-reflected polynomial 0x82f63b78. With the processor's instruction a long input is walked in
// three lanes at once: the instruction takes three cycles and can be started in each. The lanes' sums are
// joined by "appending zeros" to a sum, a linear map that is tabulated when compiling.

#include <array>
#include <bit>
#include <cstring>

#include "wire/compression.h"
#include "wire/detail/crc32c_table.h"
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace weft::wire {
namespace detail {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;

constexpr std::uint32_t append_bit(std::uint32_t sum) { return sum >> 1 ^ (sum & 1 ? kPolynomial : 0); }

constexpr std::array<std::uint32_t, 256> make_byte_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t sum = byte;
        for (int bit = 0; bit < 8; ++bit) sum = append_bit(sum);
        table[byte] = sum;
    }
    return table;
}
constexpr auto kByteTable = make_byte_table();

}  // namespace

std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t sum) {
    for (const char c : data) sum = sum >> 8 ^ kByteTable[(sum ^ static_cast<unsigned char>(c)) & 0xff];
    return sum;
}

}  // namespace detail

#if defined(__SSE4_2__)
namespace {

/// A linear map of sums: what each of the 32 bits becomes.
using BitMap = std::array<std::uint32_t, 32>;

constexpr std::uint32_t apply(const BitMap& map, std::uint32_t sum) {
    std::uint32_t result = 0;
    for (unsigned bit = 0; bit < 32; ++bit) result ^= sum >> bit & 1 ? map[bit] : 0;
    return result;
}

/// What appending `2^doublings` zero bytes does to a sum.
constexpr BitMap append_zeros(unsigned doublings) {
    BitMap map{};
    for (unsigned bit = 0; bit < 32; ++bit) map[bit] = detail::append_bit(1U << bit);
    for (unsigned i = 0; i < doublings + 3; ++i) {
        BitMap twice{};
        for (unsigned bit = 0; bit < 32; ++bit) twice[bit] = apply(map, map[bit]);
        map = twice;
    }
    return map;
}

/// The same, by four look-ups.
template <unsigned Doublings>
struct Lane {
    static constexpr std::size_t kBytes = std::size_t{1} << Doublings;
    using Table = std::array<std::array<std::uint32_t, 256>, 4>;
    static constexpr Table kTable = [] {
        const BitMap map = append_zeros(Doublings);
        Table table{};
        for (std::uint32_t part = 0; part < 4; ++part) {
            for (std::uint32_t byte = 1; byte < 256; ++byte) {  // from the same byte without its lowest bit
                const auto lowest = static_cast<unsigned>(std::countr_zero(byte));
                table[part][byte] = table[part][byte & (byte - 1)] ^ map[8 * part + lowest];
            }
        }
        return table;
    }();
    static std::uint64_t shift(std::uint64_t sum) {
        return kTable[0][sum & 0xff] ^ kTable[1][sum >> 8 & 0xff] ^ kTable[2][sum >> 16 & 0xff] ^
               kTable[3][sum >> 24 & 0xff];
    }
};

std::uint64_t word_at(const char* at) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

template <class OfLane>
std::uint64_t walk_three_lanes(const char*& at, const char* end, std::uint64_t sum) {
    constexpr std::size_t kBytes = OfLane::kBytes;
    while (static_cast<std::size_t>(end - at) >= 3 * kBytes) {
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (const char* stop = at + kBytes; at != stop; at += 8) {
            sum = _mm_crc32_u64(sum, word_at(at));
            second = _mm_crc32_u64(second, word_at(at + kBytes));
            third = _mm_crc32_u64(third, word_at(at + 2 * kBytes));
        }
        sum = OfLane::shift(OfLane::shift(sum) ^ second) ^ third;
        at += 2 * kBytes;
    }
    return sum;
}

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t seed) {
    std::uint64_t sum = ~seed;
    const char* at = data.data();
    const char* const end = at + data.size();
    sum = walk_three_lanes<Lane<12>>(at, end, sum);
    sum = walk_three_lanes<Lane<8>>(at, end, sum);
    for (; end - at >= 8; at += 8) sum = _mm_crc32_u64(sum, word_at(at));
    auto narrow = static_cast<std::uint32_t>(sum);
    for (; at != end; ++at) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*at));
    return ~narrow;
}
#else
std::uint32_t crc32c(std::string_view data, std::uint32_t seed) {
    return ~detail::crc32c_by_table(data, ~seed);
}
#endif

}  // namespace weft::wire
