#include "broker/schema_registry.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/clock.h"
#include "broker/avro_compatibility.h"
#include "observe/log.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

namespace proto = ::pulsar::proto;

const observe::Logger kLog("broker");
constexpr std::size_t kTimestampBytes = 8;
// In the order of PulsarApi's Schema.Type.
constexpr std::array<std::string_view, 23> kTypeNames{"NONE",
                                                      "STRING",
                                                      "JSON",
                                                      "PROTOBUF",
                                                      "AVRO",
                                                      "BOOLEAN",
                                                      "INT8",
                                                      "INT16",
                                                      "INT32",
                                                      "INT64",
                                                      "FLOAT",
                                                      "DOUBLE",
                                                      "DATE",
                                                      "TIME",
                                                      "TIMESTAMP",
                                                      "KEY_VALUE",
                                                      "INSTANT",
                                                      "LOCAL_DATE",
                                                      "LOCAL_TIME",
                                                      "LOCAL_DATE_TIME",
                                                      "PROTOBUF_NATIVE",
                                                      "AUTO_CONSUME",
                                                      "EXTERNAL"};

std::string key_prefix(const wire::TopicName& topic) { return str_cat("schema/", topic.full(), "/"); }

std::string key_of(const wire::TopicName& topic, std::uint64_t version) {
    const auto digits = str_cat(version);
    return str_cat(key_prefix(topic), std::string(20 - digits.size(), '0'), digits);
}

std::string to_record(const Schema& schema) {
    proto::Schema message;
    message.set_name(schema.name);
    message.set_schema_data(schema.data);
    message.set_type(static_cast<proto::Schema::Type>(schema.type));
    for (const auto& [key, value] : schema.properties) {
        auto* property = message.add_properties();
        property->set_key(key);
        property->set_value(value);
    }
    return SchemaRegistry::encode_version(schema.timestamp_ms) + message.SerializeAsString();
}

std::optional<Schema> from_record(std::string_view record) {
    const auto timestamp = SchemaRegistry::decode_version(record.substr(0, kTimestampBytes));
    proto::Schema message;
    if (!timestamp || !message.ParseFromArray(record.data() + kTimestampBytes,
                                              static_cast<int>(record.size() - kTimestampBytes))) {
        return std::nullopt;
    }
    Schema schema{message.type(), message.name(), message.schema_data(), {}, *timestamp};
    for (const auto& property : message.properties()) schema.properties[property.key()] = property.value();
    return schema;
}

// The types whose definition is Avro. A JSON schema may also be in a format of older clients, which isn't
// compared (Pulsar neither).
Result<std::optional<AvroSchema>> avro_of(const Schema& schema) {
    const auto type = schema.type;
    if (type != proto::Schema::Json && type != proto::Schema::Avro && type != proto::Schema::Protobuf)
        return std::nullopt;
    auto read = AvroSchema::parse(schema.data);
    if (!read && type == proto::Schema::Json) return std::nullopt;
    if (!read) return std::unexpected(std::move(read).error());
    return std::move(*read);
}

enum class Direction : std::uint8_t { read_by_new, both };

Answer<> check(const Schema& newest, const Schema& schema, Direction direction) {
    if (newest.type != schema.type) {
        return refuse(ServerError::incompatible_schema, "Incompatible schema: exists schema type ",
                      schema_type_name(newest.type), ", new schema type ", schema_type_name(schema.type));
    }
    const auto from = avro_of(newest), to = avro_of(schema);
    if (!to) {
        return refuse(ServerError::incompatible_schema,
                      "Invalid schema definition data: ", to.error().message);
    }
    if (!from || !*from || !*to) return {};
    auto reason = (*to)->why_unreadable(**from);
    if (reason.empty() && direction == Direction::both) reason = (*from)->why_unreadable(**to);
    if (reason.empty()) return {};
    return refuse(ServerError::incompatible_schema, "Incompatible schema: ", reason);
}

}  // namespace

std::string_view schema_type_name(std::int32_t type) {
    const auto index = static_cast<std::size_t>(type);
    return type >= 0 && index < kTypeNames.size() ? kTypeNames[index] : kTypeNames[0];
}

std::optional<std::int32_t> schema_type_number(std::string_view name) {
    const auto it = std::ranges::find(kTypeNames, name);
    if (it == kTypeNames.end()) return std::nullopt;
    return static_cast<std::int32_t>(it - kTypeNames.begin());
}

std::string SchemaRegistry::encode_version(std::uint64_t version) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(version >> shift));
    return bytes;
}

std::optional<std::uint64_t> SchemaRegistry::decode_version(std::string_view bytes) {
    if (bytes.size() != 8) return std::nullopt;
    std::uint64_t version = 0;
    for (const char c : bytes) version = version << 8 | static_cast<unsigned char>(c);
    return version;
}

Answer<std::uint64_t> SchemaRegistry::get_or_create(const wire::TopicName& topic, Schema schema) {
    if (schema.data.size() > kSchemaBytesMax) {
        return refuse(ServerError::incompatible_schema, "the schema of ", topic.full(), " has ",
                      schema.data.size(), " bytes, more than ", kSchemaBytesMax);
    }
    const auto newest = latest(topic);
    if (newest && newest->schema.same_as(schema)) return newest->version;
    if (newest && newest->schema.type != schema.type)
        return std::unexpected(check(newest->schema, schema, Direction::both).error());
    const auto prefix = key_prefix(topic);
    const auto& map = store_.map();
    std::uint64_t next = 0;
    for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it, ++next) {
        const auto known = from_record(it->second.view());
        if (known && known->same_as(schema)) return next;
    }
    // Before there is a schema it need only be one.
    const auto fits = check(newest ? newest->schema : schema, schema, Direction::both);
    if (!fits) return std::unexpected(fits.error());
    if (newest) next = newest->version + 1;
    schema.timestamp_ms = wall_clock_ms();
    store_.put(key_of(topic, next), Bytes::from(to_record(schema)), [](Result<> written) {
        if (!written) kLog.error("a schema can't be written", {{"error", written.error().message}});
    });
    return next;
}

Answer<> SchemaRegistry::check_consumer(const wire::TopicName& topic, const Schema& schema) const {
    const auto newest = latest(topic);
    if (!newest) {
        return refuse(ServerError::incompatible_schema,
                      "Topic does not have schema to check: ", topic.full());
    }
    return check(newest->schema, schema, Direction::read_by_new);
}

std::optional<SchemaRegistry::Version> SchemaRegistry::latest(const wire::TopicName& topic) const {
    const auto prefix = key_prefix(topic);
    const auto& map = store_.map();
    auto it = map.lower_bound(str_cat(prefix, ":"));  // ':' is behind '9'
    if (it == map.begin()) return std::nullopt;
    --it;
    if (!it->first.starts_with(prefix)) return std::nullopt;
    std::uint64_t version = 0;
    std::from_chars(it->first.data() + prefix.size(), it->first.data() + it->first.size(), version);
    return find(topic, version);
}

std::optional<SchemaRegistry::Version> SchemaRegistry::find(const wire::TopicName& topic,
                                                            std::uint64_t version) const {
    const auto it = store_.map().find(key_of(topic, version));
    if (it == store_.map().end()) return std::nullopt;
    auto schema = from_record(it->second.view());
    if (!schema) return std::nullopt;
    return Version{version, std::move(*schema)};
}

void SchemaRegistry::erase_all(const wire::TopicName& topic, store::Store::Done done) {
    const auto prefix = key_prefix(topic);
    std::vector<std::string> keys;
    const auto& map = store_.map();
    for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it)
        keys.push_back(it->first);
    if (keys.empty()) return done({});
    for (std::size_t i = 0; i + 1 < keys.size(); ++i)
        store_.erase(std::move(keys[i]), [](const Result<>&) {});
    store_.erase(std::move(keys.back()), std::move(done));
}

}  // namespace weft::broker
