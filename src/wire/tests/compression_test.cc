#include "wire/compression.h"

#include <gtest/gtest.h>

#include <random>

namespace weft::wire {
namespace {

constexpr Compression kCodecs[] = {Compression::none, Compression::lz4, Compression::zlib, Compression::zstd,
                                   Compression::snappy};

std::string random_text(std::size_t size, unsigned seed, char letters = 4) {
    std::mt19937 random(seed);
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>('a' + random() % static_cast<unsigned char>(letters));
    return text;
}

TEST(CompressionTest, every_codec_gives_back_what_it_got) {
    for (const Compression codec : kCodecs) {
        for (const std::size_t size : {0U, 1U, 100U, 10'000U, 1'000'000U}) {
            const Bytes plain = Bytes::from(random_text(size, 7));
            const auto packed = compress(codec, plain);
            ASSERT_TRUE(packed) << name_of(codec) << ' ' << size;
            if (codec != Compression::none && size >= 10'000) {
                EXPECT_LT(packed->size(), size * 3 / 4);
            }
            const auto again = decompress(codec, *packed, static_cast<std::uint32_t>(size));
            ASSERT_TRUE(again) << name_of(codec) << ' ' << size;
            EXPECT_EQ(*again, plain);
        }
    }
}

TEST(CompressionTest, a_wrong_size_or_a_changed_byte_is_corrupt_or_gives_that_size) {
    const std::string text = random_text(5000, 3);
    for (const Compression codec : kCodecs) {
        if (codec == Compression::none) continue;
        const Bytes packed = *compress(codec, Bytes::copy_of(text));
        for (const std::uint32_t size : {0U, 1U, 4999U, 5001U, 1U << 20}) {
            const auto plain = decompress(codec, packed, size);
            ASSERT_FALSE(plain) << name_of(codec) << ' ' << size;
            EXPECT_EQ(plain.error().code, ErrorCode::corrupt);
        }
        for (std::size_t size = 0; size < packed.size(); ++size) {
            EXPECT_FALSE(decompress(codec, Bytes::copy_of(packed.view().substr(0, size)), 5000)) << size;
        }
        for (std::size_t at = 0; at < packed.size(); ++at) {
            std::string changed = packed.str();
            changed[at] = static_cast<char>(changed[at] ^ 0x55);
            const auto plain = decompress(codec, Bytes::from(changed), 5000);
            if (plain) {
                EXPECT_EQ(plain->size(), 5000U);
            }
        }
    }
}

TEST(CompressionTest, refuses_sizes_over_the_limit_before_taking_memory) {
    const auto plain = decompress(Compression::zstd, Bytes::literal("x"), 4'000'000'000U);
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code, ErrorCode::too_large);
}

TEST(CompressionTest, reads_names_in_any_case) {
    for (const Compression codec : kCodecs) EXPECT_EQ(parse_compression(name_of(codec)), codec);
    EXPECT_EQ(parse_compression("zStd"), Compression::zstd);
    EXPECT_FALSE(parse_compression("brotli"));
    EXPECT_FALSE(parse_compression(""));
}

}  // namespace
}  // namespace weft::wire
