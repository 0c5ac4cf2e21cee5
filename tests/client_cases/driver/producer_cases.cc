// Producers that want a topic for themselves.
#include <future>

#include "case.h"

namespace weft::client_cases {
namespace {

using Access = ProducerOptions::Access;
using MadeProducer = Result<std::unique_ptr<Producer>>;

MadeProducer with_access(Client& client, const std::string& topic, Access access) {
    ProducerOptions options;
    options.topic = topic;
    options.access = access;
    return client.create_producer(std::move(options), soon());
}

Result<> send_text(Producer& producer, std::string_view text) {
    wire::OutgoingMessage message;
    message.payload = text;
    WEFT_TRY_VOID(producer.send(message, soon()));
    return {};
}

/// It ended because another producer took its place: nothing of it is taken any more.
Result<> is_fenced(Producer& producer) {
    for (int i = 0; i < 3; ++i) {
        const auto sent = send_text(producer, "late");
        EXPECT(!sent && sent.error().code == ErrorCode::conflict, sent ? "sent" : sent.error().message);
        EXPECT(sent.error().message.find("ProducerFenced") != std::string::npos, sent.error().message);
    }
    return {};
}

Result<> holds_only(Context& c, const std::string& topic, const std::vector<std::string>& wanted) {
    auto options = subscription("all");
    options.initial_position = InitialPosition::earliest;
    WEFT_TRY(auto in, consumer(c, topic, options));
    WEFT_TRY(const auto got, receive(*in, wanted.size()));
    EXPECT(payloads(got) == wanted, joined(payloads(got)));
    const auto more = drain(*in);
    EXPECT(more.empty(), joined(payloads(more)));
    return {};
}

/// Each with a client, and so a connection, of its own, as the producers of different processes.
Result<> fenced_for_good(Context& c, Access first_access, Access second_access) {
    const std::string topic = c.topic(str_cat("fenced-", int(first_access), "-", int(second_access)));
    ClientOptions options;
    options.service_url = c.service_url;
    WEFT_TRY(const auto elsewhere, Client::create(options));
    WEFT_TRY(const auto first, with_access(*elsewhere, topic, first_access));
    WEFT_TRY_VOID(send_text(*first, "first"));
    WEFT_TRY(const auto second, with_access(c.client, topic, second_access));
    WEFT_TRY_VOID(send_text(*second, "second"));
    WEFT_TRY_VOID(is_fenced(*first));  // it has gone back to the broker meanwhile
    WEFT_TRY_VOID(send_text(*second, "third"));
    const auto third = with_access(*elsewhere, topic, Access::exclusive);
    EXPECT(!third && third.error().code == ErrorCode::conflict, "a third one beside the second");
    WEFT_TRY_VOID(cut_connections(c.service_url));
    WEFT_TRY_VOID(is_fenced(*first));
    WEFT_TRY_VOID(send_text(*second, "fourth"));  // has its turn still
    return holds_only(c, topic, {"first", "second", "third", "fourth"});
}

Result<> exclusive_is_fenced_for_good(Context& c) {
    return fenced_for_good(c, Access::exclusive, Access::exclusive_with_fencing);
}

Result<> fencing_is_fenced_for_good(Context& c) {
    return fenced_for_good(c, Access::exclusive_with_fencing, Access::exclusive_with_fencing);
}

Result<> turns_are_taken_in_order(Context& c) {
    const std::string topic = c.topic("turns");
    WEFT_TRY(auto first, with_access(c.client, topic, Access::exclusive));
    auto second = std::async(std::launch::async,
                             [&] { return with_access(c.client, topic, Access::wait_for_exclusive); });
    WEFT_TRY_VOID(send_text(*first, "first"));
    WEFT_TRY_VOID(first->close(soon()));
    WEFT_TRY(auto next, second.get());
    WEFT_TRY_VOID(send_text(*next, "second"));
    const auto shared = with_access(c.client, topic, Access::exclusive);
    EXPECT(!shared && shared.error().code == ErrorCode::conflict);
    WEFT_TRY_VOID(next->close(soon()));
    WEFT_TRY(const auto last, with_access(c.client, topic, Access::shared));
    WEFT_TRY_VOID(send_text(*last, "third"));
    return holds_only(c, topic, {"first", "second", "third"});
}

}  // namespace

std::vector<Case> producer_cases() {
    return {{"exclusive_is_fenced_for_good", exclusive_is_fenced_for_good},
            {"fencing_is_fenced_for_good", fencing_is_fenced_for_good},
            {"turns_are_taken_in_order", turns_are_taken_in_order}};
}

}  // namespace weft::client_cases
