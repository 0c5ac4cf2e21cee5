#include "face.h"

#include <openssl/evp.h>
#include <algorithm>
#include <future>

#include "wire/entry.h"

namespace weft::client_table {

using namespace weft::pulsar;

namespace {

Deadline soon() { return Deadline::after(60s); }

std::unexpected<Error> unsupported(const std::string& why) { return fail(ErrorCode::not_supported, why); }

std::string from_base64(const std::string& text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    const auto size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    const auto padding = std::ranges::count(text, '=');
    bytes.resize(static_cast<std::size_t>(std::max(size, 0) - static_cast<int>(padding)));
    return bytes;
}

std::string to_base64(const std::string& bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP ends it with a zero
    const auto size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

Properties properties_of(const json& r) {
    Properties all;
    for (const auto& [key, value] : r.value("properties", json::object()).items()) all[key] = value;
    return all;
}

std::optional<SchemaInfo> schema_of(const json& r) {
    if (!r.contains("schema")) return std::nullopt;
    const auto& wanted = r["schema"];
    SchemaInfo schema;
    schema.name = "Trip";
    schema.type = wanted["type"];
    if (wanted.contains("definition")) schema.data = wanted["definition"].dump();
    return schema;
}

/// A message, and what it points to.
struct Parts {
    std::string payload, key, ordering_key;
    Properties all;
    std::vector<wire::Property> properties;
    wire::OutgoingMessage message;

    static Result<std::unique_ptr<Parts>> of(const json& m, const std::string& schema_type) {
        auto parts = std::make_unique<Parts>();
        if (m.contains("payload")) {
            parts->payload = from_base64(m["payload"]);
        } else if (schema_type == "STRING") {
            parts->payload = m["value"];
        } else if (schema_type == "JSON") {
            parts->payload = m["value"].dump();
        } else {
            return unsupported("no Avro encoding in this client");
        }
        parts->all = properties_of(m);
        for (const auto& [key, value] : parts->all) parts->properties.push_back({key, value});
        parts->key = m.value("key", "");
        parts->ordering_key = m.value("ordering_key", "");
        auto& message = parts->message;
        message.payload = parts->payload;
        message.properties = parts->properties;
        if (m.contains("key")) message.partition_key = parts->key;
        if (m.contains("ordering_key")) message.ordering_key = parts->ordering_key;
        message.event_time_ms = m.value("event_time", std::uint64_t{0});
        if (m.contains("sequence_id")) message.sequence_id = m["sequence_id"];
        return parts;
    }
};

}  // namespace

json Face::keep(Handle handle) {
    const std::lock_guard lock(mutex_);
    handles_[++next_] = std::make_shared<Handle>(std::move(handle));
    return {{"handle", next_}};
}

std::shared_ptr<Face::Handle> Face::handle(const json& r) {
    const std::lock_guard lock(mutex_);
    return handles_.at(r["handle"]);
}

json Face::told(const MessageId& id, std::uint32_t batch_size) {
    const std::lock_guard lock(mutex_);
    places_[++next_] = {id, batch_size};
    return {{"ref", next_},
            {"ledger", id.ledger},
            {"entry", id.entry},
            {"partition", id.partition},
            {"batch", id.batch_index}};
}

Face::Place Face::place(const json& where) {
    if (where == "earliest") return {MessageId::earliest()};
    if (where == "latest") return {MessageId::latest()};
    const std::lock_guard lock(mutex_);
    return places_.at(where);
}

Result<json> Face::perform(const json& request) {
    static const std::map<std::string, Result<json> (Face::*)(const json&)> kOperations{
        {"producer", &Face::producer},     {"send", &Face::send},
        {"consumer", &Face::consumer},     {"reader", &Face::reader},
        {"receive", &Face::receive},       {"ack", &Face::acknowledge},
        {"nack", &Face::acknowledge},      {"ack_cumulative", &Face::acknowledge},
        {"redeliver", &Face::acknowledge}, {"seek", &Face::seek},
        {"close", &Face::close},           {"partitions", &Face::partitions},
    };
    const std::string op = request["op"];
    if (const auto it = kOperations.find(op); it != kOperations.end()) return (this->*it->second)(request);
    if (op == "last_sequence_id") return unsupported("no last sequence id in this client");
    const auto one = handle(request);
    if (op == "last_id") {
        if (!one->consumer) return unsupported("no last message id of a reader in this client");
        WEFT_TRY(const auto last, one->consumer->last_message_id(soon()));
        return json{{"id", told(last.id, 0)}};
    }
    if (op == "available") {
        WEFT_TRY(const bool more, one->reader->has_message_available(soon()));
        return json{{"value", more}};
    }
    if (op == "unsubscribe") {
        WEFT_TRY_VOID(one->consumer->unsubscribe(soon()));
        return json();
    }
    return unsupported(str_cat("no operation ", op));
}

Result<> Face::is_one_partition(const std::string& topic) {
    const auto count = client_.partitions_of(topic, soon());
    // A broker that just comes back refuses once; what follows tries again until its deadline.
    if (!count && is_retriable(count.error().code)) return {};
    if (!count) return std::unexpected(count.error());
    if (*count > 0) return unsupported("one partition a producer or consumer in this client");
    return {};
}

Result<json> Face::producer(const json& r) {
    if (r.value("chunking", false)) return unsupported("no chunked messages in this client");
    if (r.value("batch_by_key", false)) return unsupported("no batches by key in this client");
    ProducerOptions options;
    options.topic = r["topic"];
    WEFT_TRY_VOID(is_one_partition(options.topic));
    options.name = r.value("name", "");
    options.schema = schema_of(r);
    options.properties = properties_of(r);
    WEFT_TRY(options.compression, wire::parse_compression(r.value("compression", "none")));
    options.batching =
        r.value("batching", true) ? ProducerOptions::Batching::on : ProducerOptions::Batching::off;
    options.batch_messages_max = r.value("batch_max", 1000U);
    if (r.contains("initial_sequence_id")) options.initial_sequence_id = r["initial_sequence_id"];
    static const std::map<std::string, ProducerOptions::Access> kAccess{
        {"shared", ProducerOptions::Access::shared},
        {"exclusive", ProducerOptions::Access::exclusive},
        {"wait", ProducerOptions::Access::wait_for_exclusive},
        {"fencing", ProducerOptions::Access::exclusive_with_fencing}};
    options.access = kAccess.at(r.value("access", "shared"));
    Handle made;
    made.schema_type = options.schema ? options.schema->type : "";
    if (options.batching == ProducerOptions::Batching::on) made.batch_max = options.batch_messages_max;
    made.compression = options.compression;
    WEFT_TRY(made.producer, client_.create_producer(std::move(options), soon()));
    const auto name = made.producer->name();
    auto ok = keep(std::move(made));
    ok["name"] = name;
    ok["topic"] = r["topic"];
    return ok;
}

Result<> Face::send_one(Handle& handle, const json& m, std::function<void(Result<MessageId>)> done) {
    WEFT_TRY(const auto parts, Parts::of(m, handle.schema_type));
    const auto& message = parts->message;
    if (!m.contains("deliver_after_ms")) return handle.producer->send_async(message, std::move(done), soon());
    // Delays are the business of who builds the entry.
    const std::string name = handle.producer->name();
    wire::EntryHeader header;
    header.producer_name = name;
    header.sequence_id = handle.producer->reserve_sequence_ids(1);
    header.publish_time_ms = wall_clock_ms();
    header.deliver_at_ms =
        static_cast<std::int64_t>(wall_clock_ms()) + m["deliver_after_ms"].get<std::int64_t>();
    WEFT_TRY(auto entry, wire::encode_single(message, header));
    return handle.producer->send_entry(std::move(entry), header.sequence_id, 1, std::move(done), soon());
}

Result<json> Face::send(const json& r) {
    const auto one = handle(r);
    if (one->batch_max > 0 && r["messages"].size() > 1) return send_batches(*one, r["messages"]);
    struct Outcome {
        std::mutex mutex;
        std::map<std::size_t, Result<MessageId>> receipts;
    };
    const auto outcome = std::make_shared<Outcome>();  // shared with receipts that come after the deadline
    const auto& messages = r["messages"];
    for (std::size_t i = 0; i < messages.size(); ++i) {
        WEFT_TRY_VOID(send_one(*one, messages[i], [outcome, i](Result<MessageId> receipt) {
            const std::lock_guard lock(outcome->mutex);
            outcome->receipts.emplace(i, std::move(receipt));
        }));
    }
    const auto flushed = one->producer->flush(soon());
    const std::lock_guard lock(outcome->mutex);
    json ids = json::array();
    for (auto& [index, receipt] : outcome->receipts) {
        if (!receipt) return std::unexpected(receipt.error());
        ids.push_back(told(*receipt, 0));
    }
    if (!flushed) return std::unexpected(flushed.error());
    return json{{"ids", std::move(ids)}};
}

// Batches as the runtime builds them: how many messages an entry gets is the builder's choice, not the
// clock's.
Result<json> Face::send_batches(Handle& handle, const json& messages) {
    const std::string name = handle.producer->name();
    const auto version = handle.producer->schema_version();
    std::vector<std::shared_ptr<std::promise<Result<MessageId>>>> receipts;
    std::vector<std::uint32_t> sizes;
    for (std::size_t begin = 0; begin < messages.size(); begin += handle.batch_max) {
        const auto size =
            static_cast<std::uint32_t>(std::min<std::size_t>(handle.batch_max, messages.size() - begin));
        wire::EntryHeader header;
        header.producer_name = name;
        header.sequence_id = handle.producer->reserve_sequence_ids(size);
        header.publish_time_ms = wall_clock_ms();
        header.compression = handle.compression;
        if (version) header.schema_version = *version;
        wire::BatchBuilder builder;
        for (std::uint32_t i = 0; i < size; ++i) {
            WEFT_TRY(const auto parts, Parts::of(messages[begin + i], handle.schema_type));
            builder.add(parts->message, header.sequence_id + i);
        }
        WEFT_TRY(auto entry, builder.seal(header));
        const auto receipt = std::make_shared<std::promise<Result<MessageId>>>();
        WEFT_TRY_VOID(handle.producer->send_entry(
            std::move(entry), header.sequence_id, size,
            [receipt](Result<MessageId> id) { receipt->set_value(std::move(id)); }, soon()));
        receipts.push_back(receipt);
        sizes.push_back(size);
    }
    WEFT_TRY_VOID(handle.producer->flush(soon()));
    json ids = json::array();
    for (std::size_t n = 0; n < receipts.size(); ++n) {
        WEFT_TRY(auto id, receipts[n]->get_future().get());
        for (std::uint32_t i = 0; i < sizes[n]; ++i) {
            id.batch_index = static_cast<std::int32_t>(i);
            ids.push_back(told(id, sizes[n]));
        }
    }
    return json{{"ids", std::move(ids)}};
}

Result<json> Face::consumer(const json& r) {
    if (r.contains("topics") || r.contains("pattern"))
        return unsupported("one topic a consumer in this client");
    if (r.contains("dead_letter")) return unsupported("no dead letters in this client");
    if (r.contains("schema") && r["schema"]["type"] == "AUTO")
        return unsupported("no AUTO_CONSUME schema in this client");
    ConsumerOptions options;
    options.topic = r["topic"];
    WEFT_TRY_VOID(is_one_partition(options.topic));
    options.subscription = r["subscription"];
    static const std::map<std::string, SubscriptionType> kTypes{{"exclusive", SubscriptionType::exclusive},
                                                                {"shared", SubscriptionType::shared},
                                                                {"failover", SubscriptionType::failover},
                                                                {"key_shared", SubscriptionType::key_shared}};
    options.type = kTypes.at(r.value("type", "exclusive"));
    options.initial_position =
        r.value("position", "earliest") == "earliest" ? InitialPosition::earliest : InitialPosition::latest;
    options.name = r.value("name", "");
    options.receiver_queue_messages = r.value("queue", 1000U);
    options.read_compacted = r.value("read_compacted", false);
    options.properties = properties_of(r);
    options.schema = schema_of(r);
    if (r.contains("nack_ms")) options.negative_ack_delay = std::chrono::milliseconds(r["nack_ms"]);
    if (r.contains("ack_timeout_ms")) options.ack_timeout = std::chrono::milliseconds(r["ack_timeout_ms"]);
    Handle made;
    made.shared = options.type == SubscriptionType::shared || options.type == SubscriptionType::key_shared;
    made.schema_type = options.schema ? options.schema->type : "";
    WEFT_TRY(made.consumer, client_.subscribe(std::move(options), soon()));
    return keep(std::move(made));
}

Result<json> Face::reader(const json& r) {
    ReaderOptions options;
    options.topic = r["topic"];
    WEFT_TRY_VOID(is_one_partition(options.topic));
    options.start = place(r["start"]).id;
    options.start_inclusive = r.value("inclusive", false);
    options.read_compacted = r.value("read_compacted", false);
    Handle made;
    WEFT_TRY(made.reader, Reader::create(client_, options, soon()));
    return keep(std::move(made));
}

Result<json> Face::receive(const json& r) {
    const auto one = handle(r);
    const auto until = Deadline::after(std::chrono::milliseconds(r["timeout_ms"]));
    json messages = json::array();
    while (messages.size() < r["count"].get<std::size_t>()) {
        auto message = one->reader ? one->reader->read_next(until) : one->consumer->receive(until);
        if (!message && message.error().code == ErrorCode::deadline_exceeded) break;
        if (!message) return std::unexpected(message.error());
        if (one->schema_type == "AVRO") return unsupported("no Avro encoding in this client");
        messages.push_back(told(*message, one->schema_type));
    }
    return json{{"messages", std::move(messages)}};
}

json Face::told(const Message& message, const std::string& schema_type) {
    const auto or_null = [](const std::optional<std::string>& text) { return text ? json(*text) : json(); };
    json all{{"id", told(message.id, message.batch_size)},
             {"payload", to_base64(message.payload)},
             {"key", or_null(message.key)},
             {"ordering_key", or_null(message.ordering_key)},
             {"properties", message.properties},
             {"event_time", message.event_time_ms},
             {"publish_time", message.publish_time_ms},
             {"producer", message.producer_name},
             {"redelivery", message.redelivery_count},
             {"topic", message.topic}};
    if (schema_type == "STRING") all["value"] = message.payload;
    if (schema_type == "JSON") all["value"] = json::parse(message.payload);
    return all;
}

Result<json> Face::acknowledge(const json& r) {
    const auto one = handle(r);
    auto& consumer = *one->consumer;
    if (r["op"] == "redeliver") {
        WEFT_TRY_VOID(consumer.redeliver_unacknowledged());
    } else if (r["op"] == "ack_cumulative") {
        if (one->shared)
            return unsupported("a cumulative ack of a shared subscription is logged and ignored");
        const auto at = place(r["ref"]);
        consumer.acknowledge_cumulative(at.id, at.batch_size);
    } else {
        for (const auto& ref : r["refs"]) {
            const auto at = place(ref);
            if (r["op"] == "nack") {
                consumer.negative_acknowledge(at.id);
            } else {
                consumer.acknowledge(at.id, at.batch_size);
            }
        }
    }
    return json();
}

Result<json> Face::seek(const json& r) {
    const auto one = handle(r);
    Result<> done;
    if (r.contains("time")) {
        const std::uint64_t time = r["time"];
        done =
            one->reader ? one->reader->seek_to_time(time, soon()) : one->consumer->seek_to_time(time, soon());
    } else {
        if (r["place"].is_number()) return unsupported("a seek to a message begins with it, not behind it");
        const auto id = place(r["place"]).id;
        done = one->reader ? one->reader->seek(id, soon()) : one->consumer->seek(id, soon());
    }
    if (!done) return std::unexpected(done.error());
    return json();
}

Result<json> Face::close(const json& r) {
    const auto one = handle(r);
    Result<> done;
    if (one->producer) done = one->producer->close(soon());
    if (one->consumer) done = one->consumer->close(soon());
    if (one->reader) done = one->reader->close(soon());
    const std::lock_guard lock(mutex_);
    handles_.erase(r["handle"].get<int>());
    if (!done) return std::unexpected(done.error());
    return json();
}

Result<json> Face::partitions(const json& r) {
    const std::string topic = r["topic"];
    WEFT_TRY(const auto count, client_.partitions_of(topic, soon()));
    json topics = json::array();
    for (std::uint32_t n = 0; n < count; ++n) topics.push_back(str_cat(topic, "-partition-", n));
    if (count == 0) topics.push_back(topic);
    return json{{"topics", std::move(topics)}};
}

}  // namespace weft::client_table
