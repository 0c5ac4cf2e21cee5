#include "pulsar/detail/schema.h"

#include <array>
#include <cctype>

#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {

namespace {

using ProtoSchema = ::pulsar::proto::Schema;

struct TypeName {
    std::string_view name;  // without '_', as both BOOLEAN and BOOL, KEY_VALUE and KeyValue are written
    ProtoSchema::Type type;
};

constexpr std::array kTypes = {
    TypeName{"STRING", ProtoSchema::String},
    TypeName{"JSON", ProtoSchema::Json},
    TypeName{"PROTOBUF", ProtoSchema::Protobuf},
    TypeName{"AVRO", ProtoSchema::Avro},
    TypeName{"BOOL", ProtoSchema::Bool},
    TypeName{"BOOLEAN", ProtoSchema::Bool},
    TypeName{"INT8", ProtoSchema::Int8},
    TypeName{"INT16", ProtoSchema::Int16},
    TypeName{"INT32", ProtoSchema::Int32},
    TypeName{"INT64", ProtoSchema::Int64},
    TypeName{"FLOAT", ProtoSchema::Float},
    TypeName{"DOUBLE", ProtoSchema::Double},
    TypeName{"DATE", ProtoSchema::Date},
    TypeName{"TIME", ProtoSchema::Time},
    TypeName{"TIMESTAMP", ProtoSchema::Timestamp},
    TypeName{"KEYVALUE", ProtoSchema::KeyValue},
    TypeName{"INSTANT", ProtoSchema::Instant},
    TypeName{"LOCALDATE", ProtoSchema::LocalDate},
    TypeName{"LOCALTIME", ProtoSchema::LocalTime},
    TypeName{"LOCALDATETIME", ProtoSchema::LocalDateTime},
    TypeName{"PROTOBUFNATIVE", ProtoSchema::ProtobufNative},
    TypeName{"AUTOCONSUME", ProtoSchema::AutoConsume},
};

}  // namespace

Result<bool> put_schema(const SchemaInfo& info, ProtoSchema& out) {
    std::string type;
    for (const char c : info.type) {
        if (c != '_') type.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
    if (type.empty() || type == "BYTES" || type == "NONE") return false;
    for (const auto& known : kTypes) {
        if (known.name != type) continue;
        out.set_type(known.type);
        out.set_name(info.name);
        out.set_schema_data(info.data);
        for (const auto& [key, value] : info.properties) {
            auto& property = *out.add_properties();
            property.set_key(key);
            property.set_value(value);
        }
        return true;
    }
    return fail(ErrorCode::invalid_argument, "schema type '", info.type,
                "' is unknown; use one of Pulsar's, such as BYTES, STRING, JSON, AVRO");
}

}  // namespace weft::pulsar::detail
