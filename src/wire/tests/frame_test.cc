#include "wire/frame.h"

#include <gtest/gtest.h>

#include "wire/detail/proto_coding.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

using proto::BaseCommand;

/// Takes off the length prefix, after checking it against the frame's and its entry's size.
Bytes without_prefix(const Bytes& frame, std::size_t entry_size = 0) {
    EXPECT_EQ(detail::get_big_endian(frame.data()), frame.size() - 4 + entry_size);
    return frame.slice(4);
}

BaseCommand decoded(const Bytes& frame, std::size_t entry_size = 0) {
    BaseCommand command;
    const auto entry = decode_frame(without_prefix(frame, entry_size), command);
    EXPECT_TRUE(entry) << entry.error().message;
    EXPECT_TRUE(entry->empty());
    return command;
}

std::string bytes_of(const BaseCommand& command) { return command.SerializeAsString(); }

TEST(FrameTest, a_command_comes_back) {
    BaseCommand command;
    command.set_type(BaseCommand::SUCCESS);
    command.mutable_success()->set_request_id(77);
    EXPECT_EQ(bytes_of(decoded(encode_command(command))), bytes_of(command));
    EXPECT_EQ(bytes_of(decoded(encode_command_head(command, 1000), 1000)), bytes_of(command));
}

TEST(FrameTest, the_entry_is_what_stands_behind_the_command) {
    const Bytes head = encode_send_head(1, 2, 3, 9);
    const Bytes frame = Bytes::from(head.str() + "the entry").slice(4);
    BaseCommand command;
    const auto entry = decode_frame(frame, command);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->view(), "the entry");
    EXPECT_EQ(entry->owner(), frame.owner());
    EXPECT_EQ(command.send().num_messages(), 3);
}

TEST(FrameTest, hot_commands_are_what_protobuf_writes) {
    const MessageId id{1ULL << 33, 70'000, -1, -1};

    BaseCommand send;
    send.set_type(BaseCommand::SEND);
    send.mutable_send()->set_producer_id(3);
    send.mutable_send()->set_sequence_id(1ULL << 40);
    send.mutable_send()->set_num_messages(1000);
    EXPECT_EQ(bytes_of(decoded(encode_send_head(3, 1ULL << 40, 1000, 5), 5)), bytes_of(send));
    send.mutable_send()->set_highest_sequence_id((1ULL << 40) + 999);
    EXPECT_EQ(bytes_of(decoded(encode_send_head(3, 1ULL << 40, 1000, 5, (1ULL << 40) + 999), 5)),
              bytes_of(send));

    BaseCommand receipt;
    receipt.set_type(BaseCommand::SEND_RECEIPT);
    receipt.mutable_send_receipt()->set_producer_id(3);
    receipt.mutable_send_receipt()->set_sequence_id(128);
    receipt.mutable_send_receipt()->mutable_message_id()->set_ledgerid(id.ledger);
    receipt.mutable_send_receipt()->mutable_message_id()->set_entryid(id.entry);
    EXPECT_EQ(bytes_of(decoded(encode_send_receipt(3, 128, id))), bytes_of(receipt));

    BaseCommand message;
    message.set_type(BaseCommand::MESSAGE);
    message.mutable_message()->set_consumer_id(300);
    message.mutable_message()->mutable_message_id()->set_ledgerid(id.ledger);
    message.mutable_message()->mutable_message_id()->set_entryid(id.entry);
    EXPECT_EQ(bytes_of(decoded(encode_message_head(300, id, 0, {}, 5), 5)), bytes_of(message));
    message.mutable_message()->mutable_message_id()->set_partition(4);
    message.mutable_message()->set_redelivery_count(2);
    std::vector<std::int64_t> ack_set(400);
    for (std::size_t i = 0; i < ack_set.size(); ++i) {
        ack_set[i] = i % 2 == 0 ? -1 : static_cast<std::int64_t>(i);
        message.mutable_message()->add_ack_set(ack_set[i]);
    }
    EXPECT_EQ(bytes_of(decoded(encode_message_head(300, {id.ledger, id.entry, 4, -1}, 2, ack_set, 5), 5)),
              bytes_of(message));

    BaseCommand flow;
    flow.set_type(BaseCommand::FLOW);
    flow.mutable_flow()->set_consumer_id(1);
    flow.mutable_flow()->set_messagepermits(500);
    EXPECT_EQ(bytes_of(decoded(encode_flow(1, 500))), bytes_of(flow));
}

TEST(FrameTest, refuses_every_truncation) {
    const Bytes frame = encode_send_head(1, 2, 3, 0).slice(4);
    for (std::size_t size = 0; size < frame.size(); ++size) {
        BaseCommand command;
        const auto entry = decode_frame(frame.slice(0, size), command);
        ASSERT_FALSE(entry) << size;
        EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
    }
}

TEST(FrameTest, refuses_commands_without_what_the_protocol_requires) {
    BaseCommand command;
    command.set_type(BaseCommand::SEND);
    command.mutable_send()->set_producer_id(1);
    std::string body = command.SerializePartialAsString();
    std::string frame = {0, 0, 0, static_cast<char>(body.size())};
    BaseCommand parsed;
    const auto entry = decode_frame(Bytes::from(frame + body), parsed);
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
    EXPECT_FALSE(decode_frame(Bytes::literal(std::string_view("\0\0\0\0", 4)), parsed));
    EXPECT_FALSE(decode_frame(Bytes::literal(std::string_view("\xff\xff\xff\xff"
                                                              "abc",
                                                              7)),
                              parsed));
}

}  // namespace
}  // namespace weft::wire
