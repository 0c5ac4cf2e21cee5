// Connections that end, brokers that refuse, limits that are reached.
#include <atomic>
#include <cstdlib>

#include "case.h"

namespace weft::client_cases {
namespace {

/// Producer and consumer go on after `trouble`; nothing sent is lost, order is kept (duplicates of what was
/// unconfirmed aside).
Result<> goes_on_after(Context& c, const std::string& name,
                       const std::function<Result<>(const std::string& topic)>& trouble) {
    const std::string topic = c.topic(name);
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    constexpr int kMessages = 3000;
    std::atomic<int> receipts = 0;
    for (int i = 0; i < kMessages; ++i) {
        if (i == 2000) WEFT_TRY_VOID(out->flush(Deadline::after(120s)));  // it has recovered from the first
        if (i == 1000 || i == 2000) WEFT_TRY_VOID(trouble(topic));
        const std::string payload = str_cat(i);
        wire::OutgoingMessage message;
        message.payload = payload;
        WEFT_TRY_VOID(out->send_async(
            message,
            [&](Result<MessageId> id) {
                if (id) ++receipts;
            },
            Deadline::after(120s)));
    }
    WEFT_TRY_VOID(out->flush(Deadline::after(120s)));
    EXPECT(receipts == kMessages);
    std::set<int> seen;
    int highest = -1;
    while (seen.size() < kMessages) {
        WEFT_TRY(const auto message, in->receive(Deadline::after(60s)));
        const int number = std::atoi(message.payload.c_str());
        EXPECT(number <= highest + 1, "a gap before ", number, " after ", highest);
        highest = std::max(highest, number);
        seen.insert(number);
        in->acknowledge(message);
    }
    WEFT_TRY_VOID(in->flush_acks(soon()));
    return {};
}

Result<> after_a_cut(Context& c) {
    return goes_on_after(c, "cut", [&](const std::string&) { return cut_connections(c.service_url); });
}

Result<> after_a_restart(Context& c) {
    if (c.restart_command.empty()) return fail(ErrorCode::unavailable, kSkipped, "no --restart-command");
    return goes_on_after(c, "restart", [&](const std::string&) -> Result<> {
        if (std::system(c.restart_command.c_str()) != 0)
            return fail(ErrorCode::internal, "the restart command failed");
        return {};
    });
}

Result<> unacked_come_again_after_a_cut(Context& c) {
    const std::string topic = c.topic("cut-unacked");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 20));
    WEFT_TRY(const auto got, receive(*in, 10));
    for (std::size_t i = 0; i < 5; ++i) in->acknowledge(got[i]);
    WEFT_TRY_VOID(in->flush_acks(soon()));
    WEFT_TRY_VOID(cut_connections(c.service_url));
    WEFT_TRY(auto message, in->receive(soon()));
    while (message.payload != "5") {  // what was local may be read before the cut is seen
        WEFT_TRY(message, in->receive(soon()));
    }
    WEFT_TRY(const auto rest, receive(*in, 14));
    EXPECT(payloads(rest) == numbers(6, 20), joined(payloads(rest)));
    return {};
}

Result<> names_are_checked(Context& c) {
    for (const std::string topic : {"", "persistent://a", "a/b", "http://t/n/x"}) {
        const auto made = producer(c, topic);
        EXPECT(!made && !is_retriable(made.error().code), topic, made ? "" : made.error().message);
    }
    const auto missing = producer(c, str_cat("persistent://no-tenant-", c.run, "/ns/topic"));
    EXPECT(!missing);
    EXPECT(missing.error().message.contains("no-tenant"), missing.error().message);
    return {};
}

Result<> nobody_listens(Context&) {
    ClientOptions options;
    options.service_url = "pulsar://127.0.0.1:1";
    WEFT_TRY(auto client, Client::create(options));
    ProducerOptions producer;
    producer.topic = "nowhere";
    const auto begin = steady_now();
    const auto made = client->create_producer(producer, Deadline::after(700ms));
    EXPECT(!made && made.error().code == ErrorCode::deadline_exceeded, made ? "" : made.error().message);
    EXPECT(made.error().message.contains("127.0.0.1:1"), made.error().message);
    EXPECT(steady_now() - begin < 5s);
    return {};
}

Result<> closing_ends_what_waits(Context& c) {
    const std::string topic = c.topic("closing");
    WEFT_TRY(auto in, consumer(c, topic));
    WEFT_TRY_VOID(in->close(soon()));
    const auto got = in->receive(soon());
    EXPECT(!got && got.error().code == ErrorCode::cancelled);
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(out->close(soon()));
    const auto sent = out->send({}, soon());
    EXPECT(!sent && sent.error().code == ErrorCode::cancelled);
    return {};
}

}  // namespace

std::vector<Case> trouble_cases() {
    return {{"goes_on_after_a_cut", after_a_cut},
            {"unacked_come_again_after_a_cut", unacked_come_again_after_a_cut},
            {"names_are_checked", names_are_checked},
            {"nobody_listens", nobody_listens},
            {"closing_ends_what_waits", closing_ends_what_waits},
            {"goes_on_after_a_restart", after_a_restart}};
}

}  // namespace weft::client_cases
