// weft_fuzz_seeds DIRECTORY: writes the binary seeds of the fuzzers, each what a well-behaved peer would have
// sent.

#include <fstream>
#include <iostream>
#include <utility>
#include <vector>

#include "broker/metadata.h"
#include "model/function_details.h"
#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/PulsarApi.pb.h"
#include "worker/internal_topics.h"

namespace weft::fuzz {
namespace {

using Command = wire::proto::BaseCommand;

std::string directory;

void write(const std::string& name, const std::string& bytes) {
    std::ofstream(directory + "/" + name, std::ios::binary) << bytes;
}

std::string u16(std::size_t value) {
    return {static_cast<char>(value & 0xff), static_cast<char>(value >> 8)};
}
std::string sized(const std::string& bytes) { return u16(bytes.size()) + bytes; }

std::string entry_of(wire::Compression codec) {
    wire::BatchBuilder batch;
    const wire::Property properties[] = {{"key", "value"}};
    batch.add({.payload = "hello", .partition_key = "k", .properties = properties}, 0);
    batch.add({.payload = "hello hello hello hello"}, 1);
    return batch.seal({.producer_name = "p", .publish_time_ms = 1, .compression = codec})->str();
}

// A frame as it arrives: [size of the command, 4 bytes big-endian][command][entry].
std::string frame_of(const Command& command, const std::string& entry = {}) {
    const std::string bytes = command.SerializeAsString();
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(bytes.size() >> shift));
    return frame + bytes + entry;
}

void write_frames() {
    Command send;
    send.set_type(Command::SEND);
    send.mutable_send()->set_producer_id(1);
    send.mutable_send()->set_sequence_id(1);
    for (const auto codec : {wire::Compression::none, wire::Compression::lz4, wire::Compression::zlib,
                             wire::Compression::zstd, wire::Compression::snappy}) {
        write(str_cat("frames/entry-", wire::name_of(codec)), entry_of(codec));
        write(str_cat("frames/send-", wire::name_of(codec)), frame_of(send, entry_of(codec)));
    }
    Command producer;
    producer.set_type(Command::PRODUCER);
    producer.mutable_producer()->set_topic("persistent://public/default/t");
    producer.mutable_producer()->set_producer_id(1);
    producer.mutable_producer()->set_request_id(1);
    write("frames/producer", frame_of(producer));
    Command subscribe;
    subscribe.set_type(Command::SUBSCRIBE);
    subscribe.mutable_subscribe()->set_topic("t");
    subscribe.mutable_subscribe()->set_subscription("s");
    subscribe.mutable_subscribe()->set_subtype(wire::proto::CommandSubscribe::Shared);
    subscribe.mutable_subscribe()->set_consumer_id(2);
    subscribe.mutable_subscribe()->set_request_id(2);
    write("frames/subscribe", frame_of(subscribe));
    Command ack;
    ack.set_type(Command::ACK);
    ack.mutable_ack()->set_consumer_id(2);
    ack.mutable_ack()->set_ack_type(wire::proto::CommandAck::Individual);
    ack.mutable_ack()->add_message_id()->set_ledgerid(1);
    ack.mutable_ack()->mutable_message_id(0)->set_entryid(3);
    ack.mutable_ack()->mutable_message_id(0)->add_ack_set(1);
    write("frames/ack", frame_of(ack));
}

void write_metadata() {
    auto config = model::function_config_from_json(
        R"({"tenant":"public","namespace":"default","name":"f","className":"m.F","inputs":["in"],)"
        R"("output":"out","runtime":"PYTHON","parallelism":2,"userConfig":{"a":1},)"
        R"("producerConfig":{"compressionType":"ZSTD"}})");
    ::proto::FunctionMetaData meta;
    model::to_details(*config, *meta.mutable_functiondetails());
    meta.mutable_packagelocation()->set_packagepath("weft-package://0");
    meta.set_version(1);
    model::change_state(meta, 1, model::StateChange::stop);
    const auto put = [](char kind, const std::string& key, const std::string& payload) {
        return std::string(1, kind) + static_cast<char>(key.size()) + key + sized(payload);
    };
    std::string topic(1, '\0');
    topic += put(0, "", worker::metadata_record(worker::MetadataChange::update, meta, "w").payload);
    topic += put(0, "public/default/g", meta.SerializeAsString());
    for (std::int32_t id = 0; id < 3; ++id) {
        const auto record = worker::assignment_record(meta, id, "worker-1");
        topic += put(1, record.key, record.payload);
    }
    meta.set_version(2);
    topic += put(0, "", worker::metadata_record(worker::MetadataChange::remove, meta, "w").payload);
    write("metadata/topic", topic);

    broker::Cursor cursor(10);
    cursor.ack_range(12, 15);
    const std::int64_t bits[] = {5};
    cursor.ack_bits(20, bits);
    write("metadata/cursor", "\x01" + sized(cursor.serialize()) + "\x05\x01\x03\x02\x02\x09");
    const std::string records[] = {
        R"({"adminRoles":[],"allowedClusters":["standalone"]})",
        R"({"retention_policies":{"retentionTimeInMinutes":1,"retentionSizeInMB":2}})",
        R"({"ledger":3,"epoch":4,"properties":{"a":"b"}})", "4", std::string(4, '\0') + cursor.serialize()};
    std::string map("\x02");
    for (std::size_t i = 0; i < std::size(records); ++i) map += static_cast<char>(i) + sized(records[i]);
    wire::proto::Schema schema;
    schema.set_name("t");
    schema.set_type(wire::proto::Schema::String);
    schema.set_schema_data("");
    write("metadata/map", map + '\x05' + sized(std::string(8, '\0') + schema.SerializeAsString()));
}

void write_segments() {
    // Records of every kind, a sealed segment with its index, a snapshot: see segments.cc for what the bytes
    // mean.
    std::string log(1, '\0');
    const auto record = [](int kind, const std::string& fields) {
        return std::string(1, static_cast<char>(kind)) + '\0' + fields;
    };
    log += record(3, std::string("\x01\x01", 2));     // ledger_create 1
    log += record(0, std::string("\0\x05hello", 7));  // entry
    log += record(0, std::string("\0\x05world", 7));
    log += record(1, std::string("\x03\x06keyval", 8));          // map_put
    log += record(2, std::string("\0\x03key", 5));               // map_erase
    log += std::string("\x09\x01", 2);                           // the next segment
    log += std::string("\x0c\x01\0\x01\0\x02\x0a\0\x10\0", 10);  // an index of the one before
    log += record(0, std::string("\x01\0\x05three", 8));
    log += record(4, std::string("\0", 1));  // ledger_trim
    log += record(6, std::string("\0", 1));  // mark
    write("segments/log", log);
    write("segments/snapshot", log + std::string("\x0d\x01\x03key\x03val\x01\0\0\x03\x05\x01\0\x10\x01", 17));
    write("segments/damaged",
          log + std::string("\x0a\x10\x10\x03", 4) + record(0, std::string("\0\x05later", 7)));
    write("segments/cut", log + std::string("\x0b\x40\x10", 3));
}

}  // namespace
}  // namespace weft::fuzz

int main(int count, char** words) {
    if (count != 2) {
        std::cerr << "usage: weft_fuzz_seeds tests/fuzz/corpus\n";
        return 2;
    }
    weft::fuzz::directory = words[1];
    weft::fuzz::write_frames();
    weft::fuzz::write_metadata();
    weft::fuzz::write_segments();
    return 0;
}
