#pragma once
// The codecs that Pulsar's clients use for payloads: NONE, LZ4 (block), ZLIB, ZSTD, SNAPPY (block).

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::wire {

/// Numbers as in PulsarApi's CompressionType.
enum class Compression : std::uint8_t { none = 0, lz4 = 1, zlib = 2, zstd = 3, snappy = 4 };

/// "NONE", "LZ4", ... in any case.
Result<Compression> parse_compression(std::string_view name);
std::string_view name_of(Compression codec);

/// Compresses whole payloads. `none` returns the same bytes.
Result<Bytes> compress(Compression codec, const Bytes& plain);
/// Undoes it; `plain_size` is the metadata's uncompressed_size, refused over `plain_size_max`.
Result<Bytes> decompress(Compression codec, const Bytes& packed, std::uint32_t plain_size,
                         std::uint32_t plain_size_max = 256U << 20);

}  // namespace weft::wire
