#include "wire/compression.h"

#include <lz4.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <limits>

namespace weft::wire {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY"};

/// Memory that is about to be written whole: not zeroed first.
struct Block {
    explicit Block(std::size_t size) : memory(std::make_shared_for_overwrite<char[]>(size)), size_max(size) {}
    Bytes take(std::size_t size) && {
        char* const data = memory.get();
        return Bytes(std::move(memory), data, size);
    }

    std::shared_ptr<char[]> memory;  // becomes the owner of the Bytes
    std::size_t size_max;
};

/// Zstd's contexts are large, and made once per thread that uses them.
template <class Context, Context* (*Make)(), std::size_t (*Free)(Context*)>
Context* context_of_thread() {
    struct Freer {
        void operator()(Context* context) const { Free(context); }
    };
    static thread_local const std::unique_ptr<Context, Freer> context(Make());
    return context.get();
}

std::unexpected<Error> cannot_compress(Compression codec, std::size_t size) {
    return fail(ErrorCode::internal, "cannot compress with ", name_of(codec), ": payload of ", size,
                " bytes");
}

Result<Bytes> compress_lz4(std::string_view plain) {
    const int size = static_cast<int>(plain.size());
    Block out(static_cast<std::size_t>(LZ4_compressBound(size)));
    const int written =
        LZ4_compress_default(plain.data(), out.memory.get(), size, static_cast<int>(out.size_max));
    if (written <= 0) return cannot_compress(Compression::lz4, plain.size());
    return std::move(out).take(static_cast<std::size_t>(written));
}

Result<Bytes> compress_zlib(std::string_view plain) {
    Block out(compressBound(plain.size()));
    uLongf written = out.size_max;
    const int status =
        compress2(reinterpret_cast<Bytef*>(out.memory.get()), &written,
                  reinterpret_cast<const Bytef*>(plain.data()), plain.size(), Z_DEFAULT_COMPRESSION);
    if (status != Z_OK) return cannot_compress(Compression::zlib, plain.size());
    return std::move(out).take(written);
}

Result<Bytes> compress_zstd(std::string_view plain) {
    constexpr int kLevel = 3;  // as Pulsar's clients
    auto* const context = context_of_thread<ZSTD_CCtx, ZSTD_createCCtx, ZSTD_freeCCtx>();
    Block out(ZSTD_compressBound(plain.size()));
    const std::size_t written =
        ZSTD_compressCCtx(context, out.memory.get(), out.size_max, plain.data(), plain.size(), kLevel);
    if (ZSTD_isError(written)) return cannot_compress(Compression::zstd, plain.size());
    return std::move(out).take(written);
}

Result<Bytes> compress_snappy(std::string_view plain) {
    Block out(snappy::MaxCompressedLength(plain.size()));
    std::size_t written = 0;
    snappy::RawCompress(plain.data(), plain.size(), out.memory.get(), &written);
    return std::move(out).take(written);
}

/// Fills all of `out`, or says no.
bool unpack(Compression codec, std::string_view packed, Block& out) {
    char* const to = out.memory.get();
    switch (codec) {
        case Compression::lz4:
            return LZ4_decompress_safe(packed.data(), to, static_cast<int>(packed.size()),
                                       static_cast<int>(out.size_max)) == static_cast<int>(out.size_max);
        case Compression::zlib: {
            uLongf written = out.size_max;
            return uncompress(reinterpret_cast<Bytef*>(to), &written,
                              reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK &&
                   written == out.size_max;
        }
        case Compression::zstd: {
            auto* const context = context_of_thread<ZSTD_DCtx, ZSTD_createDCtx, ZSTD_freeDCtx>();
            return ZSTD_decompressDCtx(context, to, out.size_max, packed.data(), packed.size()) ==
                   out.size_max;
        }
        case Compression::snappy: {
            std::size_t size = 0;
            return snappy::GetUncompressedLength(packed.data(), packed.size(), &size) &&
                   size == out.size_max && snappy::RawUncompress(packed.data(), packed.size(), to);
        }
        case Compression::none:
            break;
    }
    return false;
}

constexpr std::size_t kSizeMax = LZ4_MAX_INPUT_SIZE;  // the least of the codecs' own limits: 2016 MiB

}  // namespace

Result<Compression> parse_compression(std::string_view name) {
    std::string upper(name);
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (upper == kNames[i]) return static_cast<Compression>(i);
    }
    return fail(ErrorCode::invalid_argument, "unknown compression '", name,
                "': use NONE, LZ4, ZLIB, ZSTD or SNAPPY");
}

std::string_view name_of(Compression codec) {
    const auto number = static_cast<std::size_t>(codec);
    return number < kNames.size() ? kNames[number] : "UNKNOWN";
}

Result<Bytes> compress(Compression codec, const Bytes& plain) {
    if (codec == Compression::none) return plain;
    if (plain.size() > kSizeMax) {
        return fail(ErrorCode::too_large, "payload of ", plain.size(),
                    " bytes is too large to be compressed: at most ", kSizeMax);
    }
    switch (codec) {
        case Compression::lz4:
            return compress_lz4(plain.view());
        case Compression::zlib:
            return compress_zlib(plain.view());
        case Compression::zstd:
            return compress_zstd(plain.view());
        case Compression::snappy:
            return compress_snappy(plain.view());
        case Compression::none:
            break;
    }
    return fail(ErrorCode::invalid_argument, "unknown compression ", static_cast<int>(codec));
}

Result<Bytes> decompress(Compression codec, const Bytes& packed, std::uint32_t plain_size,
                         std::uint32_t plain_size_max) {
    if (codec == Compression::none) return packed;
    if (plain_size > plain_size_max) {
        return fail(ErrorCode::too_large, "payload of ", plain_size,
                    " bytes uncompressed is over the limit of ", plain_size_max);
    }
    if (plain_size > kSizeMax || packed.size() > kSizeMax) {
        return fail(ErrorCode::too_large, "payload of ", packed.size(), " bytes, ", plain_size,
                    " uncompressed, is over ", kSizeMax);
    }
    Block out(plain_size);
    if (!unpack(codec, packed.view(), out)) {
        return fail(ErrorCode::corrupt, "payload of ", packed.size(), " bytes does not decompress with ",
                    name_of(codec), " to the ", plain_size, " bytes that its metadata says");
    }
    return std::move(out).take(plain_size);
}

}  // namespace weft::wire
