#pragma once
// CRC32C byte by byte: the way of processors without the instruction, and what tests check the fast way
// against.

#include <cstdint>
#include <string_view>

namespace weft::wire::detail {

/// Continues a sum that is neither inverted before nor after.
std::uint32_t crc32c_by_table(std::string_view data, std::uint32_t sum);

}  // namespace weft::wire::detail
