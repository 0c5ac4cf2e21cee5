#include "store/bit_flip.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/crc32c.h"
#include "store/format.h"

namespace weft::store {
namespace {

std::string some_bytes(std::size_t size, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

void flip(std::string& bytes, std::uint64_t bit) {
    bytes.at(bit / 8) = static_cast<char>(bytes.at(bit / 8) ^ (1 << (bit % 8)));
}

TEST(BitFlip, every_bit_is_found) {
    for (const std::size_t size : {1U, 8U, 36U, 333U}) {
        const std::string bytes = some_bytes(size, size);
        const std::uint32_t crc = crc32c(bytes);
        EXPECT_FALSE(flipped_bit(bytes, crc));
        for (std::uint64_t bit = 0; bit < size * 8; ++bit) {
            std::string wrong = bytes;
            flip(wrong, bit);
            ASSERT_EQ(flipped_bit(wrong, crc), bit);
        }
        for (unsigned bit = 0; bit < 32; ++bit)
            ASSERT_EQ(flipped_bit(bytes, crc ^ (1U << bit)), size * 8 + bit) << "in the CRC itself";
    }
}

TEST(RecordHeader, an_entry_id_that_nobody_gives_is_not_read) {
    RecordHeader header;
    header.kind = RecordKind::entry;
    header.ledger = 1;
    std::string bytes(kRecordHeaderBytes, '\0');
    for (const std::uint64_t id : {kEntryIdMax, kEntryIdMax + 1, ~std::uint64_t{0}}) {
        header.entry = id;
        encode_record_header(header, 7, bytes.data());
        EXPECT_EQ(decode_record_header(bytes.data(), 7).has_value(), id == kEntryIdMax) << id;
    }
}

TEST(BitFlip, two_wrong_bits_of_a_header_are_not_taken_for_one) {
    const std::string bytes = some_bytes(36, 7);
    const std::uint32_t crc = crc32c(bytes);
    for (std::uint64_t one = 0; one < 36 * 8; ++one) {
        for (std::uint64_t other = one + 1; other < 36 * 8; ++other) {
            std::string wrong = bytes;
            flip(wrong, one);
            flip(wrong, other);
            ASSERT_FALSE(flipped_bit(wrong, crc)) << one << ' ' << other;
        }
    }
}

TEST(BitFlip, a_record_header_is_read_with_any_one_bit_wrong) {
    std::string bytes(kRecordHeaderBytes, '\0');
    encode_record_header({.kind = RecordKind::entry,
                          .epoch = 3,
                          .body_size = 1000,
                          .body_crc = 0x12345678,
                          .confirmed = 4096,
                          .ledger = 7,
                          .entry = 99},
                         0xfeedbeef, bytes.data());
    for (std::uint64_t bit = 0; bit < kRecordHeaderBytes * 8; ++bit) {
        std::string wrong = bytes;
        flip(wrong, bit);
        const auto header = decode_record_header(wrong.data(), 0xfeedbeef);
        ASSERT_TRUE(header) << bit;
        EXPECT_TRUE(header->mended);
        EXPECT_EQ(header->ledger, 7U);
        EXPECT_EQ(header->entry, 99U);
        EXPECT_EQ(header->body_size, 1000U);
        EXPECT_FALSE(decode_record_header(wrong.data(), 0xfeedbeee)) << "another use of the file";
    }
    EXPECT_FALSE(decode_record_header(bytes.data(), 0xfeedbeee)) << "whole, but of another use of the file";
}

}  // namespace
}  // namespace weft::store
