// weft read: what `pulsar-client read` does. Nothing of it stays at the broker, as a subscription would.

#include <charconv>

#include "client_options.h"
#include "commands.h"
#include "pulsar/reader.h"
#include "received_messages.h"

namespace weft::app {

namespace {

using config::Type;

constexpr config::Option kOptions[] = {
    kAutoAckChunkOption,
    kCryptoFailureOption,
    kDecryptionKeyOption,
    kHexOption,
    kHideContentOption,
    {.names = "-i, --start-message-id-inclusive",
     .help = "Whether to include the position specified by -m option."},
    {.names = "-m, --start-message-id",
     .value = "startMessageId",
     .help = "Initial reader position, it can be 'latest', 'earliest' or '<ledgerId>:<entryId>'",
     .fallback = "latest"},
    kMaxChunkedOption,
    kMetadataOption,
    {.names = "-n, --num-messages",
     .value = "numMessagesToRead",
     .help = "Number of messages to read, 0 means to read forever.",
     .type = Type::integer,
     .fallback = "1"},
    kPoolMessagesOption,
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
    WEFT_TRY(const auto got, show_messages(
                                 arguments, [&](Deadline until) { return reader->read_next(until); },
                                 [](const pulsar::Message&) {}));
    WEFT_TRY_VOID(reader->close(deadline()));
    return got;
}

int run(const Call& call) {
    const config::Arguments& arguments = call.arguments;
    if (const std::string wrong = wrong_amount(arguments); !wrong.empty()) return call.wrong_use(wrong);
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
