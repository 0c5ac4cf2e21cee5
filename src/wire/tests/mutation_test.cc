// Bytes from the network may be anything: valid frames and entries, changed at random, must be read or
// refused, and never read beyond their end (run it in the `dev` preset: each input stands in a block of
// exactly its size).

#include <gtest/gtest.h>

#include <random>

#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

constexpr int kRounds = 100'000;

class Mutator {
  public:
    explicit Mutator(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

    /// One to four changes: a bit, a byte, a length that lies, a cut, a removed, doubled or inserted part.
    std::string mutated(std::string bytes) {
        for (std::size_t n = 1 + below(4); n > 0; --n) change(bytes);
        return bytes;
    }

  private:
    void change(std::string& bytes) {
        const std::size_t at = below(bytes.size());
        const std::size_t count = std::min(below(16) + 1, bytes.size() - at);
        if (bytes.empty()) return;
        switch (below(7)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
                return;
            case 1:
                bytes[at] = static_cast<char>(random_());
                return;
            case 2:
                bytes[at] = static_cast<char>(0xff);
                return;
            case 3:
                bytes.resize(at);
                return;
            case 4:
                bytes.erase(at, count);
                return;
            case 5:
                bytes.insert(at, bytes.substr(at, count));
                return;
            default:
                bytes.replace(at, count, count, static_cast<char>(random_()));
                return;
        }
    }

    std::mt19937 random_;
};

/// A block of exactly the size, so that the sanitizer sees one byte too far.
Bytes tight(std::string_view text) {
    auto block = std::make_unique<char[]>(text.size());
    std::copy(text.begin(), text.end(), block.get());
    const char* const data = block.get();
    return Bytes(std::shared_ptr<const char[]>(std::move(block)), data, text.size());
}

std::vector<std::string> valid_entries() {
    const std::string long_text(200, 'x');
    const Property properties[] = {{"key", "value"}, {long_text, long_text}};
    std::vector<std::string> entries;
    for (const Compression codec :
         {Compression::none, Compression::lz4, Compression::zlib, Compression::zstd, Compression::snappy}) {
        EntryHeader header{
            .producer_name = "producer", .sequence_id = 1, .publish_time_ms = 1, .compression = codec};
        BatchBuilder builder;
        for (std::uint64_t i = 0; i < 5; ++i) {
            builder.add(
                {.payload = long_text, .partition_key = "k", .properties = properties, .event_time_ms = i},
                i);
        }
        entries.push_back(builder.seal(header)->str());
        entries.push_back(encode_single({.payload = "payload", .properties = properties}, header)->str());
    }
    return entries;
}

/// Reads all there is; gives the bytes seen, so that nothing of it is optimised away.
std::size_t read_all(const Bytes& bytes) {
    const auto entry = read_entry(bytes, ChecksumCheck::skip);
    if (!entry) {
        EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
        return 0;
    }
    const EntryMetadata& metadata = entry->metadata;
    const auto payload =
        decompress(metadata.compression, entry->payload, metadata.uncompressed_size, 1U << 20);
    if (!payload) return 0;
    MessageReader reader(metadata, payload->view());
    MessageView message;
    std::size_t seen = 0;
    Result<bool> more = true;
    while ((more = reader.next(message)) && *more) {
        for (const char c : message.payload) seen += static_cast<unsigned char>(c);
        for (const Property& property : message.properties) {
            for (const char c : property.key) seen += static_cast<unsigned char>(c);
            for (const char c : property.value) seen += static_cast<unsigned char>(c);
        }
    }
    return seen;
}

TEST(MutationTest, changed_entries_are_read_or_refused) {
    const std::vector<std::string> entries = valid_entries();
    Mutator mutator(20'240'901);
    std::size_t readable = 0;
    for (int round = 0; round < kRounds; ++round) {
        const std::string bytes = mutator.mutated(entries[mutator.below(entries.size())]);
        if (read_all(tight(bytes)) > 0) ++readable;
        EXPECT_LE(read_entry(tight(bytes)).has_value(), bytes.size() >= 4);
    }
    EXPECT_GT(readable, 0U);  // the changes are small enough to get past the first check
    EXPECT_LT(readable, static_cast<std::size_t>(kRounds));
}

TEST(MutationTest, changed_frames_are_read_or_refused) {
    const std::vector<std::int64_t> ack_set(3, -1);
    proto::BaseCommand subscribe;
    subscribe.set_type(proto::BaseCommand::SUBSCRIBE);
    subscribe.mutable_subscribe()->set_topic("persistent://public/default/topic");
    subscribe.mutable_subscribe()->set_subscription("subscription");
    subscribe.mutable_subscribe()->set_subtype(proto::CommandSubscribe::Shared);
    subscribe.mutable_subscribe()->set_consumer_id(1);
    subscribe.mutable_subscribe()->set_request_id(2);
    subscribe.mutable_subscribe()->mutable_start_message_id()->set_ledgerid(1);
    subscribe.mutable_subscribe()->mutable_start_message_id()->set_entryid(2);
    const std::vector<Bytes> frames = {encode_send_head(1, 2, 3, 0),
                                       encode_message_head(1, {2, 3, -1, -1}, 4, ack_set, 0),
                                       encode_send_receipt(1, 2, {3, 4, -1, -1}), encode_command(subscribe)};
    Mutator mutator(7);
    int readable = 0;
    for (int round = 0; round < kRounds; ++round) {
        const Bytes& frame = frames[mutator.below(frames.size())];
        proto::BaseCommand command;
        const auto entry = decode_frame(tight(mutator.mutated(frame.str().substr(4))), command);
        if (entry) {
            ++readable;
        } else {
            EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
        }
    }
    EXPECT_GT(readable, 0);
    EXPECT_LT(readable, kRounds);
}

TEST(MutationTest, changed_message_ids_are_read_or_refused) {
    const std::string whole = serialize({1ULL << 40, 77, 3, 4}, 1000);
    Mutator mutator(9);
    for (int round = 0; round < kRounds; ++round) {
        const Bytes bytes = tight(mutator.mutated(whole));
        if (const auto id = deserialize(bytes.view()))
            EXPECT_EQ(deserialize(serialize(*id))->ledger, id->ledger);
    }
}

}  // namespace
}  // namespace weft::wire
