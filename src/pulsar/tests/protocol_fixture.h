#pragma once
// What the tests against a scripted broker share.

#include <gtest/gtest.h>

#include <atomic>

#include "pulsar/client.h"
#include "pulsar/tests/scripted_broker.h"

namespace weft::pulsar::testing {

namespace proto = wire::proto;
using Session = ScriptedBroker::Session;

inline Deadline soon() { return Deadline::after(20s); }

inline std::unique_ptr<Client> client_of(const std::string& url, Duration keep_alive = 30s) {
    ClientOptions options;
    options.service_url = url;
    options.keep_alive = keep_alive;
    options.backoff_min = 1ms;
    options.operation_timeout = 10s;
    auto client = Client::create(options);
    EXPECT_TRUE(client);
    return std::move(*client);
}

inline Result<std::unique_ptr<Producer>> produce(Client& client, ProducerOptions options = {}) {
    options.topic = "t";
    return client.create_producer(options, soon());
}

inline Result<std::unique_ptr<Consumer>> consume(Client& client, ConsumerOptions options = {}) {
    options.topic = "t";
    options.subscription = "s";
    return client.subscribe(options, soon());
}

inline Result<> send(Producer& producer, std::string_view payload, Producer::Receipt receipt = {},
                     Deadline deadline = soon()) {
    wire::OutgoingMessage message;
    message.payload = payload;
    return producer.send_async(message, std::move(receipt), deadline);
}

inline Bytes entry_of(std::string_view payload, std::uint64_t sequence_id = 0) {
    wire::OutgoingMessage message;
    message.payload = payload;
    wire::EntryHeader header;
    header.producer_name = "p";
    header.sequence_id = sequence_id;
    header.publish_time_ms = 1;
    return *wire::encode_single(message, header);
}

inline std::vector<std::string> payloads_of(const Bytes& entry) {
    std::vector<std::string> all;
    const auto view = wire::read_entry(entry);
    EXPECT_TRUE(view);
    wire::MessageReader reader(view->metadata, view->payload.view());
    wire::MessageView message;
    while (*reader.next(message)) all.emplace_back(message.payload);
    return all;
}

}  // namespace weft::pulsar::testing
