#pragma once
// CRC32C (Castagnoli): the checksum of Pulsar's entries and of the records on disk.

#include <cstdint>
#include <string_view>

namespace weft {

/// The CRC32C of `data`, with the processor's instruction where it has one. `seed` is the CRC of what came
/// before: crc32c(b, crc32c(a)) == crc32c(a + b).
std::uint32_t crc32c(std::string_view data, std::uint32_t seed = 0);

/// The same without the instruction; slow, for comparison in tests.
std::uint32_t crc32c_portable(std::string_view data, std::uint32_t seed = 0);

}  // namespace weft
