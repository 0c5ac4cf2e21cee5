// weft produce: what `pulsar-client produce` does.

#include <nlohmann/json.hpp>
#include <thread>

#include "admin_client.h"
#include "client_options.h"
#include "commands.h"
#include "progress_line.h"
#include "pulsar/client.h"

namespace weft::app {

namespace {

using config::Times;
using config::Type;

constexpr std::string_view kNoEncryption = "encrypt the content before it is given to weft";
constexpr std::string_view kBytesOnly = "give the content as bytes";

constexpr config::Option kOptions[] = {
    {.names = "-c, --chunking",
     .help = "Should split the message and publish in chunks if message size is larger than allowed max size",
     .unsupported = "split the content into messages of up to 5 MiB"},
    {.names = "-db, --disable-batching", .help = "Disable batch sending of messages"},
    {.names = "-dr, --disable-replication",
     .help = "Disable geo-replication for messages.",
     .unsupported = "leave it out: nothing is replicated"},
    {.names = "-ekn, --encryption-key-name",
     .value = "encKeyName",
     .help = "The public key name to encrypt payload",
     .unsupported = kNoEncryption},
    {.names = "-ekv, --encryption-key-value",
     .value = "encKeyValue",
     .help = "The URI of public key to encrypt payload, for example file:///path/to/public.key",
     .unsupported = kNoEncryption},
    {.names = "-f, --files",
     .value = "messageFileNames",
     .help = "Comma separated file paths to send, either -m or -f must be specified.",
     .times = Times::many},
    {.names = "-k, --key", .value = "key", .help = "Partitioning key to add to each message"},
    {.names = "-ks, --key-schema",
     .value = "keySchema",
     .help = "Schema type (can be bytes,avro,json,string...)",
     .unsupported = kBytesOnly},
    {.names = "-kvet, --key-value-encoding-type",
     .value = "keyValueEncodingType",
     .help = "Key Value Encoding Type (it can be separated or inline)",
     .unsupported = kBytesOnly},
    {.names = "-kvk, --key-value-key",
     .value = "keyValueKey",
     .help = "Value to add as message key in KeyValue schema",
     .unsupported = "use --key"},
    {.names = "-kvkf, --key-value-key-file",
     .value = "keyValueKeyFile",
     .help = "Path to file containing the value to add as message key in KeyValue schema.",
     .unsupported = "use --key"},
    {.names = "-m, --messages",
     .value = "messages",
     .help = "Messages to send, either -m or -f must be specified. Specify -m for each message.",
     .times = Times::many},
    {.names = "-n, --num-produce",
     .value = "numTimesProduce",
     .help = "Number of times to send message(s), the count of messages/files * num-produce should below "
             "than 1000.",
     .type = Type::integer,
     .fallback = "1"},
    {.names = "-p, --properties",
     .value = "properties",
     .help = "Properties to add, Comma separated key=value string, like k1=v1,k2=v2.",
     .times = Times::many},
    {.names = "-r, --rate",
     .value = "publishRate",
     .help = "Rate (in msg/sec) at which to produce, value 0 means to produce messages as fast as possible.",
     .type = Type::number,
     .fallback = "0"},
    {.names = "-s, --separator",
     .value = "separator",
     .help = "Character to split messages string on",
     .fallback = ","},
    {.names = "-vs, --value-schema",
     .value = "valueSchema",
     .help = "Schema type: bytes, string or json:<definition> (avro is not supported by Weft yet)",
     .fallback = "bytes"},
};
constexpr std::size_t kMessagesMax = 1000;  // as pulsar-client; more is a job for a program
constexpr auto kSendTimeout = 30s;

std::vector<std::string> split(std::string_view text, std::string_view by) {
    std::vector<std::string> out;
    if (by.empty()) return {std::string(text)};
    std::size_t begin = 0;
    for (std::size_t at; (at = text.find(by, begin)) != std::string_view::npos; begin = at + by.size())
        out.emplace_back(text.substr(begin, at - begin));
    out.emplace_back(text.substr(begin));
    while (out.size() > 1 && out.back().empty()) out.pop_back();  // as Java's split
    return out;
}

Result<std::vector<std::string>> bodies_of(const config::Arguments& arguments) {
    std::vector<std::string> bodies;
    for (const auto& message : arguments.values("--messages")) {
        for (auto& part : split(message, arguments.text("--separator"))) bodies.push_back(std::move(part));
    }
    for (const auto& list : arguments.values("--files")) {
        for (const auto& path : split(list, ",")) {
            auto content = read_file(path);
            if (!content) return std::unexpected(std::move(content).error().context("--files"));
            bodies.push_back(std::move(*content));
        }
    }
    return bodies;
}

Result<pulsar::Properties> properties_of(const config::Arguments& arguments) {
    pulsar::Properties properties;
    for (const auto& list : arguments.values("--properties")) {
        for (const auto& pair : split(list, ",")) {
            const std::size_t equals = pair.find('=');
            if (equals == std::string::npos || equals == 0)
                return fail(ErrorCode::invalid_argument, "Invalid value for option '--properties': '", pair,
                            "' is not key=value");
            properties[pair.substr(0, equals)] = pair.substr(equals + 1);
        }
    }
    return properties;
}

// The schema that the topic is given, or must have; none: bytes. Content is sent as it is, so what can be
// seen to break the schema is refused here, as pulsar-client does.
Result<std::optional<pulsar::SchemaInfo>> schema_of(const std::string& given,
                                                    const std::vector<std::string>& bodies) {
    if (given == "bytes") return std::nullopt;
    if (given == "string")
        return pulsar::SchemaInfo{.name = "String", .type = "STRING", .data = {}, .properties = {}};
    const auto wrong = [&](const auto&... why) {
        return fail(ErrorCode::invalid_argument, "Invalid value for option '--value-schema': '",
                    given.substr(0, 200), "': ", why...);
    };
    if (given.starts_with("avro:"))
        return wrong("avro is not supported by Weft yet: use json:<definition>, or bytes");
    if (!given.starts_with("json:")) return wrong("expected one of [bytes, string, json:<definition>]");
    const std::string definition = given.substr(5);
    if (!nlohmann::json::parse(definition, nullptr, false).is_object())
        return wrong("the definition is not a JSON object: write an Avro record as JSON");
    for (const std::string& body : bodies) {
        if (!nlohmann::json::accept(body))
            return fail(ErrorCode::invalid_argument, "the message '", body.substr(0, 200),
                        "' is not JSON, as --value-schema json wants it: correct it (commas split ",
                        "--messages, --separator changes that)");
    }
    return pulsar::SchemaInfo{.name = "client", .type = "JSON", .data = definition, .properties = {}};
}

// Waits, by the clock, for the moment when the next message of a steady stream is due.
class Pace {
  public:
    explicit Pace(double per_second) : per_second_(per_second) {}
    void wait_for_next() {
        if (per_second_ <= 0) return;
        const auto due = begin_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                                      static_cast<double>(count_++) / per_second_));
        std::this_thread::sleep_until(due);
    }

  private:
    const double per_second_;
    const SteadyTime begin_ = steady_now();
    std::uint64_t count_ = 0;
};

Result<std::size_t> produce(const Call& call, const std::vector<std::string>& bodies) {
    const config::Arguments& arguments = call.arguments;
    WEFT_TRY(const auto properties, properties_of(arguments));
    std::vector<wire::Property> views;
    for (const auto& [key, value] : properties) views.push_back({key, value});
    const std::string key = arguments.text("--key");
    WEFT_TRY(const auto client, pulsar::Client::create(client_options(call)));
    pulsar::ProducerOptions options;
    options.topic = arguments.positional();
    WEFT_TRY(options.schema, schema_of(arguments.text("--value-schema"), bodies));
    if (arguments.is_set("--disable-batching")) options.batching = pulsar::ProducerOptions::Batching::off;
    WEFT_TRY(const auto producer, client->create_producer(std::move(options), Deadline::after(kSendTimeout)));
    std::size_t sent = 0;
    const auto wanted = static_cast<std::size_t>(arguments.integer("--num-produce")) * bodies.size();
    ProgressLine progress;
    Pace pace(arguments.number("--rate"));
    for (std::int64_t time = 0; time < arguments.integer("--num-produce"); ++time) {
        for (const std::string& body : bodies) {
            progress.show_count(sent, wanted);
            pace.wait_for_next();
            wire::OutgoingMessage message{.payload = body, .properties = views};
            if (arguments.has("--key")) message.partition_key = key;
            WEFT_TRY_VOID(producer->send_async(
                message, [](const Result<pulsar::MessageId>&) {}, Deadline::after(kSendTimeout)));
            ++sent;
        }
    }
    WEFT_TRY_VOID(
        producer->close(Deadline::after(kSendTimeout)));  // which tells of the first message refused
    return sent;
}

int run(const Call& call) {
    const config::Arguments& arguments = call.arguments;
    if (!arguments.has("--messages") && !arguments.has("--files"))
        return call.wrong_use(
            "Please supply message content with either --messages or --files (nothing was given)");
    const std::int64_t times = arguments.integer("--num-produce");
    if (times <= 0)
        return call.wrong_use(str_cat("Number of times need to be positive number. (--num-produce = ", times,
                                      ": use 1 to 1000)"));
    if (!(arguments.number("--rate") >= 0))
        return call.wrong_use(
            str_cat("Invalid value for option '--rate': '", arguments.text("--rate"),
                    "' is not a rate: use 0 for as fast as possible, or messages per second"));
    const auto bodies = bodies_of(arguments);
    if (!bodies) return print_error(bodies.error().message), kFailed;
    if (static_cast<std::uint64_t>(times) > kMessagesMax ||
        bodies->size() * static_cast<std::size_t>(times) > kMessagesMax) {
        print_error(str_cat("Attempting to send ", bodies->size(), " x ", times,
                            " messages. Please do not send more than ", kMessagesMax, " messages"));
        return kFailed;
    }
    const auto sent = produce(call, *bodies);
    if (!sent) return print_error(str_cat("Error while producing messages\n", sent.error().message)), kFailed;
    print(str_cat(*sent, " messages successfully produced"));
    return kDone;
}

}  // namespace

Entry produce_command() {
    return {.word = "produce",
            .summary = "Produce messages to a specified topic",
            .options = kOptions,
            .positional = "<topic>",
            .run = run};
}

}  // namespace weft::app
