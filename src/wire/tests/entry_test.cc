#include "wire/entry.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/crc32c.h"
#include "wire/detail/proto_coding.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

namespace proto = ::pulsar::proto;

// The same by protobuf itself: what we write has to be what it reads, and the other way round.
proto::MessageMetadata metadata_by_protobuf(const Bytes& entry, std::string* payload = nullptr) {
    const std::size_t size = detail::get_big_endian(entry.data() + 6);
    proto::MessageMetadata metadata;
    EXPECT_TRUE(metadata.ParseFromArray(entry.data() + 10, static_cast<int>(size)));
    if (payload != nullptr) *payload = entry.view().substr(10 + size);
    return metadata;
}

std::string big_endian(std::uint32_t value) {
    char bytes[4];
    detail::put_big_endian(bytes, value);
    return {bytes, 4};
}

Bytes entry_by_protobuf(const proto::MessageMetadata& metadata, const std::string& payload) {
    const std::string bytes = metadata.SerializePartialAsString();
    const std::string covered = big_endian(static_cast<std::uint32_t>(bytes.size())) + bytes + payload;
    return Bytes::from("\x0e\x01" + big_endian(crc32c(covered)) + covered);
}

std::string message_by_protobuf(proto::SingleMessageMetadata metadata, const std::string& payload) {
    metadata.set_payload_size(static_cast<int>(payload.size()));
    const std::string bytes = metadata.SerializeAsString();
    return big_endian(static_cast<std::uint32_t>(bytes.size())) + bytes + payload;
}

proto::MessageMetadata required_metadata() {
    proto::MessageMetadata metadata;
    metadata.set_producer_name("p");
    metadata.set_sequence_id(9);
    metadata.set_publish_time(1'700'000'000'000);
    return metadata;
}

const EntryHeader kHeader{
    .producer_name = "standalone-0-1", .sequence_id = 41, .publish_time_ms = 1'700'000'000'123};

void expect_property(const Property& property, std::string_view key, std::string_view value) {
    EXPECT_EQ(property.key, key);
    EXPECT_EQ(property.value, value);
}

Bytes three_messages(Compression codec, BatchBuilder& builder) {
    const std::string long_value(300, 'v');
    const Property properties[] = {{"k1", "v1"}, {"k2", long_value}, {"", ""}};
    builder.add({.payload = "one", .partition_key = "key", .properties = properties}, 41);
    builder.add({.payload = "", .ordering_key = "order", .event_time_ms = 1234, .null_value = true}, 42);
    builder.add({.payload = "three", .partition_key = "", .partition_key_b64 = true}, 1ULL << 50);
    EntryHeader header = kHeader;
    header.compression = codec;
    header.schema_version = std::string_view("\0\0\0\1", 4);
    const auto entry = builder.seal(header);
    EXPECT_TRUE(entry);
    EXPECT_TRUE(builder.empty());
    EXPECT_EQ(builder.size_bytes(), 0U);
    return *entry;
}

void expect_three_messages(const EntryView& entry) {
    const auto payload =
        decompress(entry.metadata.compression, entry.payload, entry.metadata.uncompressed_size);
    ASSERT_TRUE(payload);
    MessageReader reader(entry.metadata, payload->view());
    MessageView message;
    ASSERT_EQ(reader.next(message), true);
    EXPECT_EQ(message.payload, "one");
    EXPECT_EQ(message.partition_key, "key");
    EXPECT_EQ(message.ordering_key, std::nullopt);
    EXPECT_EQ(message.sequence_id, 41U);
    EXPECT_EQ(message.batch_index, 0);
    ASSERT_EQ(message.properties.size(), 3U);
    expect_property(message.properties[0], "k1", "v1");
    expect_property(message.properties[1], "k2", std::string(300, 'v'));
    expect_property(message.properties[2], "", "");

    ASSERT_EQ(reader.next(message), true);
    EXPECT_EQ(message.payload, "");
    EXPECT_TRUE(message.null_value);
    EXPECT_EQ(message.ordering_key, "order");
    EXPECT_EQ(message.event_time_ms, 1234U);
    EXPECT_TRUE(message.properties.empty());

    ASSERT_EQ(reader.next(message), true);
    EXPECT_EQ(message.payload, "three");
    EXPECT_EQ(message.partition_key, "");
    EXPECT_TRUE(message.partition_key_b64);
    EXPECT_FALSE(message.null_value);
    EXPECT_EQ(message.sequence_id, 1ULL << 50);
    EXPECT_EQ(message.batch_index, 2);
    EXPECT_EQ(reader.next(message), false);
    EXPECT_EQ(reader.next(message), false);
}

TEST(EntryTest, a_batch_comes_back_with_every_codec) {
    BatchBuilder builder;
    for (const Compression codec : {Compression::none, Compression::lz4, Compression::zlib, Compression::zstd,
                                    Compression::snappy, Compression::none}) {
        const Bytes bytes = three_messages(codec, builder);
        const auto entry = read_entry(bytes);
        ASSERT_TRUE(entry) << entry.error().message;
        EXPECT_EQ(entry->metadata.producer_name, kHeader.producer_name);
        EXPECT_EQ(entry->metadata.sequence_id, 41U);
        EXPECT_EQ(entry->metadata.highest_sequence_id, 1ULL << 50);
        EXPECT_EQ(entry->metadata.publish_time_ms, kHeader.publish_time_ms);
        EXPECT_EQ(entry->metadata.compression, codec);
        EXPECT_EQ(entry->metadata.num_messages, 3U);
        EXPECT_TRUE(entry->metadata.batched);
        EXPECT_EQ(entry->metadata.schema_version, std::string_view("\0\0\0\1", 4));
        expect_three_messages(*entry);
    }
}

TEST(EntryTest, protobuf_reads_what_the_builder_wrote) {
    BatchBuilder builder;
    std::string payload;
    const proto::MessageMetadata metadata =
        metadata_by_protobuf(three_messages(Compression::none, builder), &payload);
    EXPECT_EQ(metadata.num_messages_in_batch(), 3);
    EXPECT_EQ(metadata.uncompressed_size(), payload.size());
    EXPECT_EQ(metadata.highest_sequence_id(), 1ULL << 50);
    EXPECT_FALSE(metadata.has_compression());

    std::string_view rest = payload;
    std::vector<proto::SingleMessageMetadata> messages(3);
    std::vector<std::string> payloads;
    for (auto& message : messages) {
        const std::size_t size = detail::get_big_endian(rest.data());
        ASSERT_TRUE(message.ParseFromArray(rest.data() + 4, static_cast<int>(size)));
        payloads.emplace_back(rest.substr(4 + size, static_cast<std::size_t>(message.payload_size())));
        rest.remove_prefix(4 + size + static_cast<std::size_t>(message.payload_size()));
    }
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(payloads, (std::vector<std::string>{"one", "", "three"}));
    EXPECT_EQ(messages[0].properties(1).value(), std::string(300, 'v'));
    EXPECT_EQ(messages[0].partition_key(), "key");
    EXPECT_FALSE(messages[0].has_null_value());
    EXPECT_TRUE(messages[1].null_value());
    EXPECT_EQ(messages[1].event_time(), 1234U);
    EXPECT_EQ(messages[1].ordering_key(), "order");
    EXPECT_FALSE(messages[1].has_partition_key());
    EXPECT_TRUE(messages[2].has_partition_key());
    EXPECT_TRUE(messages[2].partition_key_b64_encoded());
    EXPECT_EQ(messages[2].sequence_id(), 1ULL << 50);
}

TEST(EntryTest, a_single_message_comes_back_and_is_what_protobuf_reads) {
    const Property properties[] = {{"a", "1"}, {"b", "2"}};
    const OutgoingMessage message{.payload = "payload",
                                  .partition_key = "key",
                                  .partition_key_b64 = true,
                                  .ordering_key = "order",
                                  .properties = properties,
                                  .event_time_ms = 77,
                                  .null_value = true};
    EntryHeader header = kHeader;
    header.deliver_at_ms = -5;
    header.schema_version = "v";
    for (const Compression codec :
         {Compression::none, Compression::lz4, Compression::zlib, Compression::zstd, Compression::snappy}) {
        header.compression = codec;
        const auto bytes = encode_single(message, header);
        ASSERT_TRUE(bytes);
        const proto::MessageMetadata metadata = metadata_by_protobuf(*bytes);
        EXPECT_EQ(metadata.ordering_key(), "order");
        EXPECT_EQ(metadata.properties(1).key(), "b");
        EXPECT_EQ(metadata.event_time(), 77U);
        EXPECT_EQ(metadata.deliver_at_time(), -5);
        EXPECT_EQ(static_cast<int>(metadata.compression()), static_cast<int>(codec));
        EXPECT_EQ(metadata.uncompressed_size(), 7U);
        EXPECT_FALSE(metadata.has_num_messages_in_batch());

        const auto entry = read_entry(*bytes);
        ASSERT_TRUE(entry);
        EXPECT_EQ(entry->metadata.deliver_at_ms, -5);
        const auto payload = decompress(codec, entry->payload, entry->metadata.uncompressed_size);
        MessageReader reader(entry->metadata, payload->view());
        MessageView view;
        ASSERT_EQ(reader.next(view), true);
        EXPECT_EQ(view.payload, "payload");
        EXPECT_EQ(view.partition_key, "key");
        EXPECT_TRUE(view.partition_key_b64);
        EXPECT_EQ(view.ordering_key, "order");
        EXPECT_EQ(view.event_time_ms, 77U);
        EXPECT_EQ(view.sequence_id, 41U);
        EXPECT_TRUE(view.null_value);
        EXPECT_EQ(view.batch_index, -1);
        ASSERT_EQ(view.properties.size(), 2U);
        expect_property(view.properties[1], "b", "2");
        EXPECT_EQ(reader.next(view), false);
    }
}

TEST(EntryTest, reads_every_field_that_protobuf_writes) {
    proto::MessageMetadata metadata = required_metadata();
    auto* const property = metadata.add_properties();
    property->set_key(std::string(200, 'k'));
    property->set_value("v");
    metadata.set_replicated_from("far");
    metadata.add_replicate_to("near");
    metadata.set_compression(proto::ZSTD);
    metadata.set_uncompressed_size(4'000'000'000U);
    metadata.set_encryption_algo("x");
    metadata.add_encryption_keys()->set_key("k");
    metadata.mutable_encryption_keys(0)->set_value("v");
    metadata.set_marker_type(3);
    metadata.set_txnid_least_bits(~0ULL);
    metadata.set_uuid("uuid");
    metadata.set_num_chunks_from_msg(3);
    metadata.set_total_chunk_msg_size(70'000);
    metadata.set_chunk_id(1);
    metadata.set_null_partition_key(true);
    const auto entry = read_entry(entry_by_protobuf(metadata, "data"));
    ASSERT_TRUE(entry) << entry.error().message;
    const EntryMetadata& read = entry->metadata;
    ASSERT_EQ(read.properties.size(), 1U);
    expect_property(read.properties[0], std::string(200, 'k'), "v");
    EXPECT_EQ(read.replicated_from, "far");
    EXPECT_EQ(read.compression, Compression::zstd);
    EXPECT_EQ(read.uncompressed_size, 4'000'000'000U);
    EXPECT_TRUE(read.encrypted);
    EXPECT_TRUE(read.marker);
    EXPECT_EQ(read.uuid, "uuid");
    EXPECT_EQ(read.num_chunks, 3);
    EXPECT_EQ(read.total_chunk_size, 70'000U);
    EXPECT_EQ(read.chunk_id, 1);
    EXPECT_FALSE(read.batched);
    EXPECT_EQ(read.num_messages, 1U);
    EXPECT_EQ(entry->payload.view(), "data");
}

TEST(EntryTest, reads_a_batch_that_protobuf_wrote) {
    proto::MessageMetadata metadata = required_metadata();
    metadata.set_num_messages_in_batch(2);
    proto::SingleMessageMetadata first;
    first.set_compacted_out(true);
    first.set_null_partition_key(true);
    proto::SingleMessageMetadata second;
    second.set_event_time(5);
    second.add_properties()->set_key("long");
    second.mutable_properties(0)->set_value(std::string(5000, 'x'));
    const auto entry = read_entry(
        entry_by_protobuf(metadata, message_by_protobuf(first, "a") + message_by_protobuf(second, "bb")));
    ASSERT_TRUE(entry);
    MessageReader reader(entry->metadata, entry->payload.view());
    MessageView message;
    ASSERT_EQ(reader.next(message), true);
    EXPECT_TRUE(message.compacted_out);
    EXPECT_EQ(message.sequence_id, 9U);  // none of its own: the batch's
    ASSERT_EQ(reader.next(message), true);
    EXPECT_EQ(message.payload, "bb");
    EXPECT_EQ(message.event_time_ms, 5U);
    EXPECT_FALSE(message.compacted_out);
    expect_property(message.properties[0], "long", std::string(5000, 'x'));
    EXPECT_EQ(reader.next(message), false);
}

TEST(EntryTest, takes_an_entry_without_checksum_and_can_skip_the_check) {
    const Bytes whole = *encode_single({.payload = "x"}, kHeader);
    const auto bare = read_entry(whole.slice(6));
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->payload.view(), "x");

    std::string changed = whole.str();
    changed.back() = 'y';
    const auto refused = read_entry(Bytes::from(changed));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
    const auto unchecked = read_entry(Bytes::from(changed), ChecksumCheck::skip);
    ASSERT_TRUE(unchecked);
    EXPECT_EQ(unchecked->payload.view(), "y");
}

TEST(EntryTest, a_long_producer_name_and_a_large_batch_fit) {
    const std::string name(5000, 'n');
    EntryHeader header = kHeader;
    header.producer_name = name;
    BatchBuilder builder;
    const std::string payload(1000, 'p');
    std::size_t size = 0;
    for (std::uint64_t i = 0; i < 5000; ++i) size += builder.add({.payload = payload}, i);
    EXPECT_EQ(builder.size_bytes(), size);
    EXPECT_EQ(builder.num_messages(), 5000U);
    const auto entry = read_entry(*builder.seal(header));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->metadata.producer_name, name);
    EXPECT_EQ(entry->payload.size(), size);
}

TEST(EntryTest, refuses_every_truncation) {
    BatchBuilder builder;
    const Bytes batch = three_messages(Compression::none, builder);
    const std::size_t payload_at = batch.size() - read_entry(batch)->payload.size();
    for (std::size_t size = 0; size < payload_at; ++size) {
        const auto entry = read_entry(Bytes::copy_of(batch.view().substr(0, size)), ChecksumCheck::skip);
        ASSERT_FALSE(entry) << size;
        EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
    }
    for (std::size_t size = payload_at; size < batch.size(); ++size) {
        const Bytes cut = Bytes::copy_of(batch.view().substr(0, size));
        EXPECT_FALSE(read_entry(cut));
        const auto entry = read_entry(cut, ChecksumCheck::skip);
        ASSERT_TRUE(entry);
        MessageReader reader(entry->metadata, entry->payload.view());
        MessageView message;
        Result<bool> more = true;
        while (more && *more) more = reader.next(message);
        ASSERT_FALSE(more) << size;
        EXPECT_EQ(more.error().code, ErrorCode::corrupt);
    }
}

TEST(EntryTest, refuses_metadata_that_lacks_or_breaks_a_field) {
    const auto refuses = [](const proto::MessageMetadata& metadata) {
        return !read_entry(entry_by_protobuf(metadata, ""));
    };
    EXPECT_FALSE(refuses(required_metadata()));
    proto::MessageMetadata metadata = required_metadata();
    metadata.clear_producer_name();
    EXPECT_TRUE(refuses(metadata));
    metadata = required_metadata();
    metadata.clear_publish_time();
    EXPECT_TRUE(refuses(metadata));
    metadata = required_metadata();
    metadata.set_num_messages_in_batch(0);
    EXPECT_TRUE(refuses(metadata));
    metadata.set_num_messages_in_batch(-1);
    EXPECT_TRUE(refuses(metadata));
    metadata = required_metadata();
    metadata.add_properties()->set_key("no value");
    EXPECT_TRUE(refuses(metadata));
}

}  // namespace
}  // namespace weft::wire
