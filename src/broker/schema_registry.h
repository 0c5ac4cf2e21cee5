#pragma once
// SchemaRegistry: the schemas of topics, by version, as records of the store's map. On the loop.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/refusal.h"
#include "store/store.h"
#include "wire/topic_name.h"

namespace weft::broker {

struct Schema {
    std::int32_t type = 0;  // PulsarApi's Schema.Type
    std::string name;
    std::string data;
    std::map<std::string, std::string> properties;
    std::uint64_t timestamp_ms = 0;
    /// The same type and definition.
    bool same_as(const Schema& other) const { return type == other.type && data == other.data; }
};

/// "STRING", "AVRO", ... as the admin REST names a type; "NONE" for what it doesn't know.
std::string_view schema_type_name(std::int32_t type);

/// The other way; case matters.
std::optional<std::int32_t> schema_type_number(std::string_view name);

class SchemaRegistry {
  public:
    struct Version {
        std::uint64_t version = 0;
        Schema schema;
    };
    static constexpr std::size_t kSchemaBytesMax = 512U << 10;

    explicit SchemaRegistry(store::Store& store) : store_(store) {}

    /// The version of a schema that is there already, or a new version. Refused: another type than the
    /// topic's newest, and an Avro definition that can't read what the newest writes, or be read by it (FULL,
    /// Pulsar's default).
    Answer<std::uint64_t> get_or_create(const wire::TopicName& topic, Schema schema);
    /// Whether a consumer with this schema can read what the topic's newest writes. Refused: no schema there.
    Answer<> check_consumer(const wire::TopicName& topic, const Schema& schema) const;
    std::optional<Version> latest(const wire::TopicName& topic) const;
    std::optional<Version> find(const wire::TopicName& topic, std::uint64_t version) const;

    /// Forgets all versions of a topic.
    void erase_all(const wire::TopicName& topic, store::Store::Done done);

    /// A version as it goes over the wire: eight bytes, big-endian.
    static std::string encode_version(std::uint64_t version);
    static std::optional<std::uint64_t> decode_version(std::string_view bytes);

  private:
    store::Store& store_;
};

}  // namespace weft::broker
