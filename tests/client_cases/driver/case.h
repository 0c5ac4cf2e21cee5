#pragma once
// What the cases of the client share: a table of named functions, and one-liners to send, read and check.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pulsar/admin.h"
#include "pulsar/client.h"
#include "pulsar/reader.h"
#include "pulsar/table_view.h"

namespace weft::client_cases {

using namespace weft::pulsar;

struct Context {
    Client& client;
    AdminClient& admin;
    std::string service_url;
    std::string run;              // different in each run, so that topics are new
    std::string restart_command;  // empty: the broker can't be restarted from here

    std::string topic(std::string_view name) const {
        return str_cat("persistent://public/default/", name, "-", run);
    }
};

struct Case {
    std::string name;
    std::function<Result<>(Context&)> run;
};

/// Stops a case that can't be run here; not a failure.
inline constexpr std::string_view kSkipped = "skipped: ";

#define EXPECT(condition, ...)                                                                           \
    do {                                                                                                 \
        if (!(condition)) {                                                                              \
            return ::weft::fail(::weft::ErrorCode::internal, "line ", __LINE__, ": not " #condition " ", \
                                ##__VA_ARGS__);                                                          \
        }                                                                                                \
    } while (false)

inline Deadline soon() { return Deadline::after(30s); }
/// For what must not come: long enough for a broker on this machine to have sent it.
inline Deadline shortly() { return Deadline::after(500ms); }

Result<std::unique_ptr<Producer>> producer(Context& c, const std::string& topic,
                                           ProducerOptions options = {});
Result<std::unique_ptr<Consumer>> consumer(Context& c, const std::string& topic,
                                           ConsumerOptions options = {});
ConsumerOptions subscription(std::string name, SubscriptionType type = SubscriptionType::exclusive);

/// Sends `count` messages "0".."count-1" (after `prefix`), each in an entry of its own, and waits for the
/// receipts.
Result<std::vector<MessageId>> send_numbers(Producer& producer, int count, const std::string& prefix = "");
/// Sends "0".."count-1" as one batch; the id of the entry.
Result<MessageId> send_batch(Producer& producer, int count);
/// The next `count` payloads.
Result<std::vector<Message>> receive(Consumer& consumer, std::size_t count);
/// What comes until nothing has come for a moment.
std::vector<Message> drain(Consumer& consumer);
std::vector<std::string> payloads(const std::vector<Message>& messages);
/// "0".."count-1", from `first`.
std::vector<std::string> numbers(int first, int end, const std::string& prefix = "");
std::string joined(const std::vector<std::string>& parts);
/// Ends all connections of this process to the broker, as a network that fails does.
Result<> cut_connections(const std::string& service_url);

std::vector<Case> content_cases();
std::vector<Case> subscription_cases();
std::vector<Case> ack_cases();
std::vector<Case> producer_cases();
std::vector<Case> reader_cases();
std::vector<Case> trouble_cases();

}  // namespace weft::client_cases
