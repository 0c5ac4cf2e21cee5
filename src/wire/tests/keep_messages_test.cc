#include "wire/keep_messages.h"

#include <gtest/gtest.h>

#include "wire/entry.h"

namespace weft::wire {
namespace {

Bytes batch_of(Compression codec) {
    BatchBuilder builder;
    for (const char* text : {"zero", "one", "two"}) {
        OutgoingMessage message;
        message.payload = text;
        message.partition_key = text;
        builder.add(message, 7 + builder.num_messages());
    }
    return *builder.seal(
        {.producer_name = "p", .sequence_id = 7, .publish_time_ms = 5, .compression = codec});
}

class KeepMessages : public testing::TestWithParam<Compression> {};

TEST_P(KeepMessages, leaves_the_others_in_their_places_without_content) {
    const std::uint32_t kept[] = {1};
    const auto left = keep_messages(batch_of(GetParam()), kept);
    ASSERT_TRUE(left) << left.error().message;
    const auto entry = read_entry(*left, ChecksumCheck::verify);
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->metadata.num_messages, 3U);
    EXPECT_EQ(entry->metadata.sequence_id, 7U);
    EXPECT_EQ(entry->metadata.compression, GetParam());
    const auto plain = decompress(GetParam(), entry->payload, entry->metadata.uncompressed_size);
    ASSERT_TRUE(plain) << plain.error().message;
    MessageReader reader(entry->metadata, plain->view());
    MessageView message;
    for (int index = 0; index < 3; ++index) {
        ASSERT_EQ(reader.next(message), true);
        EXPECT_EQ(message.compacted_out, index != 1) << index;
        EXPECT_EQ(message.payload, index == 1 ? "one" : "") << index;
        EXPECT_EQ(message.partition_key.has_value(), index == 1) << index;
    }
    EXPECT_EQ(reader.next(message), false);
}

INSTANTIATE_TEST_SUITE_P(Codecs, KeepMessages,
                         testing::Values(Compression::none, Compression::lz4, Compression::zstd,
                                         Compression::zlib, Compression::snappy));

TEST(KeepMessagesTest, refuses_what_is_cut_short) {
    const Bytes whole = batch_of(Compression::none);
    const std::uint32_t kept[] = {0, 1, 2};
    EXPECT_TRUE(keep_messages(whole, kept));
    const auto cut = keep_messages(whole.slice(0, whole.size() - 2), kept);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace weft::wire
