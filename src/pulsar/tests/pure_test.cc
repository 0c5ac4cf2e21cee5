// The parts of the client that only compute: service URLs, back-off, bits and commands of acks, errors,
// schemas.
#include <gtest/gtest.h>

#include "pulsar/detail/ack_tracker.h"
#include "pulsar/detail/backoff.h"
#include "pulsar/detail/failure.h"
#include "pulsar/detail/permit_window.h"
#include "pulsar/detail/schema.h"
#include "pulsar/service_url.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar {
namespace {

using namespace detail;
using wire::proto::BaseCommand;
using wire::proto::CommandAck;

TEST(ServiceUrl, names_hosts_and_ports) {
    const auto one = parse_service_url("pulsar://broker");
    ASSERT_TRUE(one);
    EXPECT_EQ(*one, (std::vector<HostPort>{{"broker", 6650}}));
    const auto many = parse_service_url("pulsar://a:1,b:65535,[::1]:7,[fe80::2]/");
    ASSERT_TRUE(many);
    EXPECT_EQ(*many, (std::vector<HostPort>{{"a", 1}, {"b", 65535}, {"::1", 7}, {"fe80::2", 6650}}));
    EXPECT_EQ(many->at(2).text(), "[::1]:7");
    EXPECT_EQ(many->at(0).text(), "a:1");
}

TEST(ServiceUrl, says_what_is_wrong) {
    for (const auto* bad :
         {"", "broker:6650", "http://a:1", "pulsar://", "pulsar://a:0", "pulsar://a:65536", "pulsar://a:x",
          "pulsar://a:1,", "pulsar://[::1", "pulsar://[::1]x", "pulsar://:5"}) {
        const auto parsed = parse_service_url(bad);
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << bad;
    }
    EXPECT_EQ(parse_service_url("pulsar+ssl://a,b:1")->at(0).port, 6651);
    EXPECT_EQ(parse_service_url("pulsar+ssl://a,b:1")->at(1).port, 1);
    std::string long_list = "pulsar://a";
    for (int i = 0; i < 100; ++i) long_list += ",a";
    EXPECT_FALSE(parse_service_url(long_list));
}

TEST(Backoff, doubles_to_its_bound_with_jitter) {
    Backoff backoff(100ms, 1s, 42);
    Duration full = 100ms;
    for (int i = 0; i < 50; ++i) {
        const auto delay = backoff.next();
        EXPECT_LE(delay, full);
        EXPECT_GE(delay, full * 8 / 10);
        full = std::min<Duration>(full * 2, 1s);
    }
    backoff.reset();
    EXPECT_LE(backoff.next(), 100ms);
}

TEST(Backoff, differs_by_seed) {
    Backoff a(100ms, 30s, 1), b(100ms, 30s, 2);
    int different = 0;
    for (int i = 0; i < 10; ++i) different += a.next() != b.next() ? 1 : 0;
    EXPECT_GT(different, 5);
}

TEST(AckSet, has_one_bit_for_each_message) {
    EXPECT_EQ(full_ack_set(1), (AckSet{1}));
    EXPECT_EQ(full_ack_set(64), (AckSet{-1}));
    EXPECT_EQ(full_ack_set(65), (AckSet{-1, 1}));
    auto bits = full_ack_set(65);
    clear_bit(bits, 64);
    EXPECT_EQ(bits, (AckSet{-1, 0}));
    clear_bit(bits, 6400);  // past the end: nothing
    for (std::uint32_t i = 0; i < 64; ++i) clear_bit(bits, i);
    EXPECT_TRUE(none_set(bits));
}

TEST(AckTracker, finds_the_last_ack_of_an_entry) {
    AckTracker tracker;
    const EntryKey key{5, 6};
    for (const std::uint32_t index : {3U, 0U, 3U, 2U}) {
        EXPECT_EQ(tracker.acknowledge(key, index, 4), AckTracker::Acked::partly);
    }
    EXPECT_EQ(*tracker.find(key), (AckSet{0b0010}));
    EXPECT_EQ(tracker.acknowledge(key, 1, 4), AckTracker::Acked::whole);
    EXPECT_TRUE(tracker.empty());
}

TEST(AckTracker, leaves_out_what_is_done_of_a_redelivered_entry) {
    AckTracker tracker;
    const EntryKey key{5, 6};
    EXPECT_TRUE(tracker.still_to_do(key, 4, {}).empty());  // nothing known: all
    tracker.acknowledge(key, 0, 4);
    EXPECT_EQ(tracker.still_to_do(key, 4, {}), (AckSet{0b1110}));
    EXPECT_EQ(tracker.still_to_do(key, 4, {0b0111}), (AckSet{0b0110}));  // the broker knew more
    EXPECT_EQ(*tracker.find(key), (AckSet{0b0110}));
    EXPECT_EQ(tracker.still_to_do(key, 4, {0b1000}), (AckSet{0}));
    EXPECT_TRUE(tracker.empty());
}

TEST(AckTracker, takes_the_brokers_bits_for_an_entry_it_did_not_know) {
    AckTracker tracker;
    EXPECT_EQ(tracker.still_to_do({1, 1}, 70, {0, 0b100}), (AckSet{0, 0b100}));
    EXPECT_EQ(tracker.acknowledge({1, 1}, 66, 70), AckTracker::Acked::whole);
}

TEST(AckTracker, cumulative_ack_ends_all_before) {
    AckTracker tracker;
    tracker.acknowledge({1, 1}, 0, 4);
    tracker.acknowledge({1, 3}, 3, 4);
    EXPECT_EQ(tracker.acknowledge_up_to({1, 3}, 1, 4), AckTracker::Acked::partly);
    EXPECT_EQ(tracker.find({1, 1}), nullptr);
    EXPECT_EQ(*tracker.find({1, 3}), (AckSet{0b0100}));
    EXPECT_EQ(tracker.acknowledge_up_to({1, 3}, 2, 4), AckTracker::Acked::whole);
}

TEST(AckTracker, is_bounded) {
    AckTracker tracker;
    for (std::uint64_t i = 0; i < AckTracker::kEntriesMax + 10; ++i) tracker.acknowledge({1, i}, 0, 2);
    EXPECT_EQ(tracker.find({1, 0}), nullptr);
    EXPECT_NE(tracker.find({1, 10}), nullptr);
}

std::vector<CommandAck> decoded(const std::vector<Bytes>& frames) {
    std::vector<CommandAck> acks;
    for (const auto& frame : frames) {
        BaseCommand command;
        EXPECT_TRUE(wire::decode_frame(frame.slice(4), command));
        EXPECT_EQ(command.type(), BaseCommand::ACK);
        acks.push_back(command.ack());
    }
    return acks;
}

TEST(EncodeAcks, puts_a_turns_acks_into_one_command) {
    AckGroup group;
    group.whole = {{1, 1}, {1, 2}};
    group.partial.push_back({{1, 3}, {0b101, -1}});
    const auto acks = decoded(encode_acks(7, group, 99));
    ASSERT_EQ(acks.size(), 1U);
    EXPECT_EQ(acks[0].consumer_id(), 7U);
    EXPECT_EQ(acks[0].ack_type(), CommandAck::Individual);
    EXPECT_EQ(acks[0].request_id(), 99U);
    ASSERT_EQ(acks[0].message_id_size(), 3);
    EXPECT_EQ(acks[0].message_id(1).entryid(), 2U);
    EXPECT_EQ(acks[0].message_id(0).ack_set_size(), 0);
    ASSERT_EQ(acks[0].message_id(2).ack_set_size(), 2);
    EXPECT_EQ(acks[0].message_id(2).ack_set(0), 0b101);
}

TEST(EncodeAcks, keeps_kinds_apart_and_commands_small) {
    AckGroup group;
    group.corrupt = {{1, 0}};
    group.cumulative = AckGroup::Partial{{1, 1}, {}};
    for (std::uint64_t i = 0; i < kAckIdsMax + 1; ++i) group.whole.push_back({2, i});
    const auto acks = decoded(encode_acks(7, group, 5));
    ASSERT_EQ(acks.size(), 4U);
    EXPECT_EQ(acks[0].validation_error(), CommandAck::ChecksumMismatch);
    EXPECT_EQ(acks[1].ack_type(), CommandAck::Cumulative);
    EXPECT_EQ(acks[2].message_id_size(), static_cast<int>(kAckIdsMax));
    EXPECT_FALSE(acks[2].has_request_id());
    EXPECT_EQ(acks[3].message_id_size(), 1);
    EXPECT_EQ(acks[3].request_id(), 5U);
    EXPECT_TRUE(encode_acks(7, {}, std::nullopt).empty());
}

TEST(PermitWindow, begins_small_and_grows_to_what_fits) {
    PermitWindow window(1000, 1U << 20);
    EXPECT_EQ(window.take_due(), 16U);
    EXPECT_EQ(window.take_due(), 0U);
    window.consumed(1, 100);  // small ones: all the messages asked for
    EXPECT_EQ(window.take_due(), 985U);
    window.consumed(499, 49'900);
    EXPECT_EQ(window.take_due(), 0U);
    window.consumed(1, 100);
    EXPECT_EQ(window.take_due(), 500U);
}

TEST(PermitWindow, counts_bytes_where_messages_are_large) {
    PermitWindow window(1000, 64U << 20);
    EXPECT_EQ(window.take_due(), 16U);
    for (int i = 0; i < 16; ++i) window.consumed(1, 5U << 20);
    EXPECT_EQ(window.take_due(), 12U);
    PermitWindow tiny(1000, 1000);
    tiny.take_due();
    for (int i = 0; i < 16; ++i) tiny.consumed(1, 5U << 20);
    EXPECT_EQ(tiny.take_due(), 1U);  // one always
}

TEST(PermitWindow, stands_a_batch_larger_than_itself) {
    PermitWindow window(4, 1U << 20);
    EXPECT_EQ(window.take_due(), 4U);
    window.consumed(1000, 100'000);
    EXPECT_EQ(window.take_due(), 1000U);  // the broker stands at -996
    window.wasted(4);
    EXPECT_EQ(window.take_due(), 4U);
    window.restart();
    EXPECT_EQ(window.take_due(), 4U);
}

TEST(Failure, names_topic_and_cause) {
    const auto busy = from_server(::pulsar::proto::ConsumerBusy, "taken", "subscribe s on topic t");
    EXPECT_EQ(busy.error.code, ErrorCode::conflict);
    EXPECT_EQ(busy.retry, Retry::on_reconnect);
    EXPECT_EQ(busy.error.message, "subscribe s on topic t: the broker answered ConsumerBusy: taken");
    EXPECT_EQ(from_server(::pulsar::proto::TopicNotFound, "", "x").error.code, ErrorCode::not_found);
    EXPECT_EQ(from_server(::pulsar::proto::ServiceNotReady, "", "x").retry, Retry::always);
    EXPECT_EQ(from_server(::pulsar::proto::ProducerFenced, "", "x").retry, Retry::never);
    EXPECT_EQ(from_server(-5, "", "x").error.code, ErrorCode::unavailable);
    EXPECT_EQ(from_server(1000, "", "x").error.code, ErrorCode::unavailable);
}

TEST(Schema, takes_names_in_any_case) {
    ::pulsar::proto::Schema schema;
    EXPECT_EQ(put_schema({"n", "key_value", "{}", {{"a", "b"}}}, schema), Result<bool>(true));
    EXPECT_EQ(schema.type(), ::pulsar::proto::Schema::KeyValue);
    EXPECT_EQ(schema.properties(0).key(), "a");
    EXPECT_EQ(put_schema({"n", "Bytes", "", {}}, schema), Result<bool>(false));
    EXPECT_EQ(put_schema({"n", "XML", "", {}}, schema).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace weft::pulsar
