#include "store/bit_flip.h"

#include <array>
#include <bit>

#include "base/crc32c.h"

namespace weft::store {
namespace {

/// What an added zero byte makes of a difference between two CRCs. A CRC is linear but for a constant, which
/// goes away in the difference.
std::uint32_t behind_zero(std::uint32_t difference) {
    static constexpr std::string_view kZero("\0", 1);
    return crc32c(kZero, difference) ^ crc32c(kZero, 0);
}

}  // namespace

std::optional<std::uint64_t> flipped_bit(std::string_view bytes, std::uint32_t stored) {
    const std::uint32_t difference = crc32c(bytes) ^ stored;
    if (difference == 0) return std::nullopt;
    if (std::has_single_bit(difference))
        return bytes.size() * 8 + static_cast<unsigned>(std::countr_zero(difference));
    std::array<std::uint32_t, 8> bits{};  // the difference that each bit of the byte looked at makes
    for (unsigned bit = 0; bit < 8; ++bit) {
        const char one = static_cast<char>(1U << bit);
        bits.at(bit) = crc32c({&one, 1}) ^ crc32c(std::string_view("\0", 1));
    }
    for (std::size_t at = bytes.size(); at-- > 0;) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            if (bits.at(bit) == difference) return at * 8 + bit;
            bits.at(bit) = behind_zero(bits.at(bit));
        }
    }
    return std::nullopt;
}

}  // namespace weft::store
