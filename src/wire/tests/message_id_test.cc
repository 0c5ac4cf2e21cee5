#include "wire/message_id.h"

#include <gtest/gtest.h>

#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

TEST(MessageIdTest, prints_as_pulsars_tools) {
    EXPECT_EQ(to_string({12, 34, -1, -1}), "12:34:-1");
    EXPECT_EQ(to_string({12, 34, 2, 7}), "12:34:2:7");
    EXPECT_EQ(to_string(MessageId::earliest()), "-1:-1:-1");
    EXPECT_EQ(to_string(MessageId::latest()), "9223372036854775807:9223372036854775807:-1");
}

TEST(MessageIdTest, serialized_form_is_that_of_protobuf) {
    for (const MessageId& id : {MessageId{1, 2, -1, -1}, MessageId{1ULL << 40, 300, 3, 0},
                                MessageId{0, 0, 0, 127}, MessageId::earliest(), MessageId::latest()}) {
        pulsar::proto::MessageIdData expected;
        expected.set_ledgerid(id.ledger);
        expected.set_entryid(id.entry);
        if (id.partition >= 0) expected.set_partition(id.partition);
        if (id.batch_index >= 0) expected.set_batch_index(id.batch_index);
        EXPECT_EQ(serialize(id), expected.SerializeAsString()) << to_string(id);
        expected.set_batch_size(1000);
        EXPECT_EQ(serialize(id, 1000), expected.SerializeAsString()) << to_string(id);
        EXPECT_EQ(deserialize(serialize(id, 1000)), id);
    }
}

TEST(MessageIdTest, reads_explicit_defaults_and_skips_unknown_fields) {
    pulsar::proto::MessageIdData written;
    written.set_ledgerid(5);
    written.set_entryid(6);
    written.set_partition(-1);
    written.set_batch_index(-1);
    written.add_ack_set(-2);
    written.mutable_first_chunk_message_id()->set_ledgerid(1);
    written.mutable_first_chunk_message_id()->set_entryid(1);
    EXPECT_EQ(deserialize(written.SerializeAsString()), (MessageId{5, 6, -1, -1}));
}

TEST(MessageIdTest, refuses_every_truncation) {
    const std::string whole = serialize({1ULL << 40, 1ULL << 20, 2, 300});
    const std::size_t optional_from = serialize({1ULL << 40, 1ULL << 20, -1, -1}).size();
    for (std::size_t size = 0; size < optional_from; ++size) {
        const auto id = deserialize(whole.substr(0, size));
        ASSERT_FALSE(id) << size;
        EXPECT_EQ(id.error().code, ErrorCode::corrupt);
    }
    EXPECT_FALSE(deserialize(whole.substr(0, whole.size() - 1)));
    EXPECT_FALSE(deserialize(std::string(20, '\xff')));
}

TEST(MessageIdTest, base64_pads) {
    EXPECT_EQ(to_base64({12, 34, -1, -1}), "CAwQIg==");        // 08 0c 10 22
    EXPECT_EQ(to_base64({300, 34, -1, -1}), "CKwCECI=");       // 08 ac 02 10 22
    EXPECT_EQ(to_base64({12, 34, 0, -1}), "CAwQIhgA");         // 08 0c 10 22 18 00
    EXPECT_EQ(to_base64({12, 34, -1, 1}, 5), "CAwQIiABMAU=");  // 08 0c 10 22 20 01 30 05
}

}  // namespace
}  // namespace weft::wire
