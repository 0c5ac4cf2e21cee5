// weft read: what `pulsar-client read` does. Nothing of it stays at the broker, as a subscription would.

#include "read.h"

#include <charconv>
#include <cstdio>

#include "client_options.h"
#include "message_text.h"
#include "progress_line.h"
#include "pulsar/reader.h"

namespace weft::app {

namespace {

using config::Type;

constexpr config::Option kOptions[] = {
    {.names = "-ac, --auto_ack_chunk_q_full",
     .help = "Auto ack for oldest message on queue is full",
     .unsupported = "leave it out: chunked messages are not read"},
    {.names = "-ca, --crypto-failure-action",
     .value = "cryptoFailureAction",
     .help = "Crypto Failure Action",
     .unsupported = "leave it out: encrypted messages are shown as they are"},
    {.names = "-ekv, --encryption-key-value",
     .value = "encKeyValue",
     .help = "The URI of private key to decrypt payload",
     .unsupported = "decrypt the content after weft"},
    {.names = "--hex", .help = "Display binary messages in hex."},
    {.names = "--hide-content", .help = "Do not write the message to console."},
    {.names = "-i, --start-message-id-inclusive",
     .help = "Whether to include the position specified by -m option."},
    {.names = "-m, --start-message-id",
     .value = "startMessageId",
     .help = "Initial reader position, it can be 'latest', 'earliest' or '<ledgerId>:<entryId>'",
     .fallback = "latest"},
    {.names = "-mc, --max_chunked_msg",
     .value = "maxPendingChunkedMessage",
     .help = "Max pending chunk messages",
     .unsupported = "leave it out: chunked messages are not read"},
    {.names = "-mp, --print-metadata", .help = "Message metadata"},
    {.names = "-n, --num-messages",
     .value = "numMessagesToRead",
     .help = "Number of messages to read, 0 means to read forever.",
     .type = Type::integer,
     .fallback = "1"},
    {.names = "-pm, --pool-messages",
     .value = "poolMessages",
     .help = "Use the pooled message",
     .unsupported = "leave it out: there is no such pool"},
    {.names = "-q, --queue-size",
     .value = "receiverQueueSize",
     .help = "Reader receiver queue size.",
     .type = Type::integer,
     .fallback = "1000"},
    {.names = "-r, --rate",
     .value = "readRate",
     .help = "Rate (in msg/sec) at which to read, value 0 means to read messages as fast as possible.",
     .unsupported = "slow down the reader of the output"},
    {.names = "-st, --schema-type",
     .value = "schemaType",
     .help = "Set a schema type on the reader (auto_consume is not supported by Weft yet)",
     .choices = "bytes",
     .fallback = "bytes"},
};
constexpr auto kOperationTimeout = 30s;

Result<pulsar::MessageId> start_of(const std::string& given) {
    if (given == "latest") return pulsar::MessageId::latest();
    if (given == "earliest") return pulsar::MessageId::earliest();
    pulsar::MessageId id;
    const char* const end = given.data() + given.size();
    const auto ledger = std::from_chars(given.data(), end, id.ledger);
    if (ledger.ec == std::errc() && ledger.ptr != end && *ledger.ptr == ':') {
        const auto entry = std::from_chars(ledger.ptr + 1, end, id.entry);
        if (entry.ec == std::errc() && entry.ptr == end) return id;
    }
    return fail(ErrorCode::invalid_argument, "Invalid value for option '--start-message-id': '",
                given.substr(0, 200), "': use latest, earliest or <ledgerId>:<entryId>, as 12:0");
}

Result<std::uint64_t> read(const Call& call, const pulsar::MessageId& start) {
    const config::Arguments& arguments = call.arguments;
    const auto deadline = [] { return Deadline::after(kOperationTimeout); };
    WEFT_TRY(const auto client, pulsar::Client::create(client_options(call)));
    pulsar::ReaderOptions options;
    options.topic = arguments.positional();
    options.start = start;
    options.start_inclusive = arguments.is_set("--start-message-id-inclusive");
    options.receiver_queue_messages = static_cast<std::uint32_t>(arguments.integer("--queue-size"));
    WEFT_TRY(const auto reader, pulsar::Reader::create(*client, std::move(options), deadline()));
    const auto wanted = static_cast<std::uint64_t>(arguments.integer("--num-messages"));
    std::uint64_t got = 0;
    const bool quiet = arguments.is_set("--hide-content");
    ProgressLine progress(quiet ? ProgressLine::Output::quiet : ProgressLine::Output::shared);
    while (wanted == 0 || got < wanted) {
        auto next = reader->read_next(Deadline::after(0s));
        if (!next && next.error().code == ErrorCode::deadline_exceeded) {
            std::fflush(stdout);  // before it may wait for long, not for each message
            next = reader->read_next(Deadline::never());
        }
        WEFT_TRY(const auto message, std::move(next));
        ++got;
        progress.show(wanted == 0 ? str_cat(got, " messages") : str_cat(got, " of ", wanted, " messages"));
        if (quiet) continue;
        const std::string text = text_of(message, arguments);
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
    WEFT_TRY_VOID(reader->close(deadline()));
    return got;
}

int run(const Call& call) {
    const config::Arguments& arguments = call.arguments;
    const std::int64_t wanted = arguments.integer("--num-messages");
    if (wanted < 0)
        return call.wrong_use(str_cat("Number of messages should be zero or positive. (--num-messages = ",
                                      wanted, ": use 0 for all that comes)"));
    const std::int64_t queue = arguments.integer("--queue-size");
    if (queue < 1 || queue > 1'000'000)
        return call.wrong_use(str_cat("Invalid value for option '--queue-size': '", queue,
                                      "' is out of range: use 1 to 1000000"));
    const auto start = start_of(arguments.text("--start-message-id"));
    if (!start) return call.wrong_use(start.error().message);
    const auto got = read(call, *start);
    if (!got) return print_error(str_cat("Error while reading messages\n", got.error().message)), kFailed;
    print(str_cat(*got, " messages successfully read"));
    return kDone;
}

}  // namespace

Entry read_command() {
    return {.word = "read",
            .summary = "Read messages from a specified topic",
            .options = kOptions,
            .positional = "<topic>",
            .run = run};
}

}  // namespace weft::app
