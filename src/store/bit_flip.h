#pragma once
// A single flipped bit can be found by the CRC: of all bits of a short text, at most one fits.

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::store {

/// The number of the bit in `bytes` (bit 0 is the lowest of the first byte) that has to be flipped for them
/// to have the CRC32C `stored`; bytes.size() * 8 and more: the bit of `stored` itself that is wrong. Nothing
/// when no single bit explains it, or nothing is wrong. Takes a few steps per bit: for short texts.
std::optional<std::uint64_t> flipped_bit(std::string_view bytes, std::uint32_t stored);

}  // namespace weft::store
