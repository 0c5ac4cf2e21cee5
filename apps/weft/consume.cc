// weft consume: what `pulsar-client consume` does.

#include "client_options.h"
#include "commands.h"
#include "pulsar/client.h"
#include "received_messages.h"

namespace weft::app {

namespace {

using config::Times;
using config::Type;

constexpr config::Option kOptions[] = {
    kAutoAckChunkOption,
    kCryptoFailureOption,
    kDecryptionKeyOption,
    {.names = "-etp, --end-timestamp",
     .value = "endTimestamp",
     .help = "End timestamp for consuming messages",
     .unsupported = "use --num-messages"},
    kHexOption,
    kHideContentOption,
    {.names = "-m, --subscription-mode",
     .value = "subscriptionMode",
     .help = "Subscription mode (NonDurable is not supported by Weft yet).",
     .choices = "Durable",
     .fallback = "Durable"},
    kMaxChunkedOption,
    kMetadataOption,
    {.names = "-n, --num-messages",
     .value = "numMessagesToConsume",
     .help = "Number of messages to consume, 0 means to consume forever.",
     .type = Type::integer,
     .fallback = "1"},
    {.names = "-p, --subscription-position",
     .value = "subscriptionInitialPosition",
     .help = "Subscription position.",
     .choices = "Latest|Earliest",
     .fallback = "Latest"},
    kPoolMessagesOption,
    {.names = "-q, --queue-size",
     .value = "receiverQueueSize",
     .help = "Consumer receiver queue size.",
     .type = Type::integer,
     .fallback = "1000"},
    {.names = "-r, --rate",
     .value = "consumeRate",
     .help = "Rate (in msg/sec) at which to consume, value 0 means to consume messages as fast as possible.",
     .unsupported = "slow down the reader of the output"},
    {.names = "--regex",
     .help = "Indicate the topic name is a regex pattern",
     .unsupported = "name each topic"},
    {.names = "-rs, --replicated",
     .help = "Whether the subscription status should be replicated",
     .unsupported = "leave it out: nothing is replicated"},
    {.names = "-s, --subscription-name",
     .value = "subscriptionName",
     .help = "Subscription name.",
     .times = Times::required},
    {.names = "-st, --schema-type",
     .value = "schemaType",
     .help = "Set a schema type on the consumer (auto_consume is not supported by Weft yet)",
     .choices = "bytes",
     .fallback = "bytes"},
    {.names = "-stp, --start-timestamp",
     .value = "startTimestamp",
     .help = "Start timestamp for consuming messages, in milliseconds",
     .type = Type::integer},
    {.names = "-t, --subscription-type",
     .value = "subscriptionType",
     .help = "Subscription type.",
     .choices = "Exclusive|Shared|Failover|Key_Shared",
     .fallback = "Exclusive"},
};
constexpr auto kOperationTimeout = 30s;

pulsar::SubscriptionType type_of(std::string_view name) {
    if (name == "Shared") return pulsar::SubscriptionType::shared;
    if (name == "Failover") return pulsar::SubscriptionType::failover;
    return name == "Key_Shared" ? pulsar::SubscriptionType::key_shared : pulsar::SubscriptionType::exclusive;
}

Result<std::uint64_t> consume(const Call& call) {
    const config::Arguments& arguments = call.arguments;
    const auto deadline = [] { return Deadline::after(kOperationTimeout); };
    WEFT_TRY(const auto client, pulsar::Client::create(client_options(call)));
    pulsar::ConsumerOptions options;
    options.topic = arguments.positional();
    options.subscription = arguments.text("--subscription-name");
    options.type = type_of(arguments.text("--subscription-type"));
    if (arguments.text("--subscription-position") == "Earliest")
        options.initial_position = pulsar::InitialPosition::earliest;
    options.receiver_queue_messages = static_cast<std::uint32_t>(arguments.integer("--queue-size"));
    WEFT_TRY(const auto consumer, client->subscribe(std::move(options), deadline()));
    if (arguments.has("--start-timestamp")) {
        const auto from = static_cast<std::uint64_t>(arguments.integer("--start-timestamp"));
        WEFT_TRY_VOID(consumer->seek_to_time(from, deadline()));
    }
    WEFT_TRY(const auto got, show_messages(
                                 arguments, [&](Deadline until) { return consumer->receive(until); },
                                 [&](const pulsar::Message& message) { consumer->acknowledge(message); }));
    WEFT_TRY_VOID(consumer->flush_acks(deadline()));
    WEFT_TRY_VOID(consumer->close(deadline()));
    return got;
}

int run(const Call& call) {
    const config::Arguments& arguments = call.arguments;
    if (arguments.text("--subscription-name").empty())
        return call.wrong_use(
            "Subscription name is not provided. (--subscription-name = nothing: give a name)");
    if (const std::string wrong = wrong_amount(arguments); !wrong.empty()) return call.wrong_use(wrong);
    if (arguments.has("--start-timestamp") && arguments.integer("--start-timestamp") < 0)
        return call.wrong_use(str_cat("start timestamp should be positive. (--start-timestamp = ",
                                      call.arguments.integer("--start-timestamp"),
                                      ": milliseconds since 1970)"));
    const auto got = consume(call);
    if (!got) return print_error(str_cat("Error while consuming messages\n", got.error().message)), kFailed;
    print(str_cat(*got, " messages successfully consumed"));
    return kDone;
}

}  // namespace

Entry consume_command() {
    return {.word = "consume",
            .summary = "Consume messages from a specified topic",
            .options = kOptions,
            .positional = "<topic>",
            .run = run};
}

}  // namespace weft::app
