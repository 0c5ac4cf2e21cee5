#include "broker/avro_compatibility.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "base/str_cat.h"

namespace weft::broker {

struct AvroField {
    std::string name;
    std::vector<std::string> aliases;
    const AvroType* type = nullptr;
    bool has_default = false;
};

/// A node. Types refer to each other by plain pointers, because a record may hold itself; the root owns all.
struct AvroType {
    std::string kind;  // "int", ..., "record", "enum", "fixed", "array", "map", "union"
    std::string name;  // of record, enum, fixed: without its namespace, as Avro compares them
    std::vector<std::string> aliases;
    std::vector<AvroField> fields;       // record
    std::vector<const AvroType*> parts;  // of a union; the items of an array, the values of a map
    std::set<std::string> symbols;       // enum
    bool has_default = false;            // enum
    std::uint64_t size = 0;              // fixed
    std::vector<std::unique_ptr<AvroType>> owned;
};

namespace {

using json = nlohmann::json;

constexpr int kDepthMax = 100;
constexpr std::size_t kPairsMax = 20'000;
constexpr std::array<std::string_view, 8> kPrimitives{"null",  "boolean", "int",   "long",
                                                      "float", "double",  "bytes", "string"};

std::string without_namespace(const std::string& name) { return name.substr(name.rfind('.') + 1); }

class Reading {
  public:
    explicit Reading(AvroType& owner) : owner_(owner) {}

    Result<const AvroType*> read(const json& from, const std::string& space, int depth) {
        if (depth > kDepthMax)
            return fail(ErrorCode::invalid_argument, "nested deeper than ", kDepthMax, " types");
        if (from.is_string()) return named_or_primitive(from.get<std::string>(), space);
        if (from.is_array()) return read_union(from, space, depth);
        if (!from.is_object() || !from.contains("type"))
            return fail(ErrorCode::invalid_argument, "no type in ", from.dump());
        const auto& type = from["type"];
        if (!type.is_string()) return read(type, space, depth + 1);
        const auto kind = type.get<std::string>();
        if (kind == "array" || kind == "map") {
            const char* const inside = kind == "array" ? "items" : "values";
            if (!from.contains(inside)) return fail(ErrorCode::invalid_argument, kind, " without ", inside);
            WEFT_TRY(const auto* part, read(from[inside], space, depth + 1));
            auto& made = make(kind);
            made.parts = {part};
            return &made;
        }
        if (kind == "record" || kind == "error" || kind == "enum" || kind == "fixed")
            return definition(from, kind, space, depth);
        return named_or_primitive(kind, space);
    }

  private:
    AvroType& make(std::string kind) {
        owner_.owned.push_back(std::make_unique<AvroType>());
        owner_.owned.back()->kind = std::move(kind);
        return *owner_.owned.back();
    }

    Result<const AvroType*> named_or_primitive(const std::string& name, const std::string& space) {
        if (std::ranges::find(kPrimitives, name) != kPrimitives.end()) return &make(name);
        const auto full = name.contains('.') || space.empty() ? name : str_cat(space, ".", name);
        for (const auto& candidate : {full, name}) {
            if (const auto it = named_.find(candidate); it != named_.end()) return it->second;
        }
        return fail(ErrorCode::invalid_argument, "unknown type ", name);
    }

    Result<const AvroType*> read_union(const json& from, const std::string& space, int depth) {
        auto& made = make("union");
        for (const auto& each : from) {
            WEFT_TRY(const auto* part, read(each, space, depth + 1));
            made.parts.push_back(part);
        }
        return &made;
    }

    Result<const AvroType*> definition(const json& from, const std::string& kind, std::string space,
                                       int depth) {
        const auto name = text(from, "name");
        if (name.empty()) return fail(ErrorCode::invalid_argument, "a ", kind, " without a name");
        if (const auto dot = name.rfind('.'); dot != std::string::npos) {
            space = name.substr(0, dot);
        } else if (from.contains("namespace")) {
            space = text(from, "namespace");
        }
        auto& made = make(kind == "error" ? "record" : kind);
        made.name = without_namespace(name);
        made.aliases = aliases_of(from);
        named_[space.empty() ? made.name : str_cat(space, ".", made.name)] = &made;
        made.has_default = from.contains("default");
        if (from.contains("size") && from["size"].is_number_unsigned()) made.size = from["size"];
        for (const auto& symbol : from.value("symbols", json::array())) {
            if (symbol.is_string()) made.symbols.insert(symbol.get<std::string>());
        }
        if (made.kind != "record") return &made;
        if (!from.contains("fields") || !from["fields"].is_array())
            return fail(ErrorCode::invalid_argument, "the record ", name, " has no fields");
        for (const auto& field : from["fields"]) {
            if (!field.is_object() || text(field, "name").empty() || !field.contains("type"))
                return fail(ErrorCode::invalid_argument, "a field of ", name, " has no name or no type");
            WEFT_TRY(const auto* type, read(field["type"], space, depth + 1));
            made.fields.push_back({text(field, "name"), aliases_of(field), type, field.contains("default")});
        }
        return &made;
    }

    static std::string text(const json& from, const char* key) {
        return from.contains(key) && from[key].is_string() ? from[key].get<std::string>() : "";
    }

    static std::vector<std::string> aliases_of(const json& from) {
        std::vector<std::string> all;
        for (const auto& alias : from.value("aliases", json::array())) {
            if (alias.is_string()) all.push_back(without_namespace(alias.get<std::string>()));
        }
        return all;
    }

    AvroType& owner_;
    std::map<std::string, const AvroType*> named_;  // by full name
};

class Comparing {
  public:
    /// Empty: readable.
    std::string why(const AvroType& reader, const AvroType& writer) {
        const auto pair = std::pair(&reader, &writer);
        // A pair that is being compared already, further out, is taken as readable: a record in itself.
        const auto [known, is_new] = known_.try_emplace(pair);
        if (!is_new) return known->second;
        if (known_.size() > kPairsMax) return str_cat("more than ", kPairsMax, " pairs of types to compare");
        return known_[pair] = compare(reader, writer);
    }

  private:
    std::string compare(const AvroType& reader, const AvroType& writer) {
        if (writer.kind == "union") {
            for (const auto* part : writer.parts) {
                if (auto reason = why(reader, *part); !reason.empty()) return reason;
            }
            return "";
        }
        if (reader.kind == "union") {
            const bool one = std::ranges::any_of(
                reader.parts, [&](const AvroType* part) { return why(*part, writer).empty(); });
            return one ? "" : str_cat(writer.kind, " is none of the union's types");
        }
        if (reader.kind != writer.kind) return why_not_promoted(reader, writer);
        if (reader.kind == "record") return why_record(reader, writer);
        if (reader.kind == "enum") return why_enum(reader, writer);
        if (reader.kind == "array" || reader.kind == "map") return why(*reader.parts[0], *writer.parts[0]);
        if (reader.kind == "fixed" && (!same_name(reader, writer) || reader.size != writer.size))
            return str_cat("fixed ", reader.name, " and ", writer.name, " differ in name or size");
        return "";
    }

    static bool same_name(const AvroType& reader, const AvroType& writer) {
        return reader.name == writer.name ||
               std::ranges::find(reader.aliases, writer.name) != reader.aliases.end();
    }

    static std::string why_not_promoted(const AvroType& reader, const AvroType& writer) {
        static const std::map<std::string_view, std::set<std::string_view>> kReads{
            {"long", {"int"}},
            {"float", {"int", "long"}},
            {"double", {"int", "long", "float"}},
            {"string", {"bytes"}},
            {"bytes", {"string"}}};
        const auto it = kReads.find(reader.kind);
        if (it != kReads.end() && it->second.contains(writer.kind)) return "";
        return str_cat(writer.kind, " can't be read as ", reader.kind);
    }

    std::string why_record(const AvroType& reader, const AvroType& writer) {
        if (!same_name(reader, writer))
            return str_cat("record ", writer.name, " can't be read as ", reader.name);
        for (const auto& field : reader.fields) {
            const auto written = std::ranges::find_if(writer.fields, [&](const AvroField& other) {
                return other.name == field.name ||
                       std::ranges::find(field.aliases, other.name) != field.aliases.end();
            });
            if (written == writer.fields.end()) {
                if (field.has_default) continue;
                return str_cat("field ", field.name, " has no default, and is not written");
            }
            if (auto reason = why(*field.type, *written->type); !reason.empty())
                return str_cat("field ", field.name, ": ", reason);
        }
        return "";
    }

    static std::string why_enum(const AvroType& reader, const AvroType& writer) {
        if (!same_name(reader, writer))
            return str_cat("enum ", writer.name, " can't be read as ", reader.name);
        if (reader.has_default || std::ranges::includes(reader.symbols, writer.symbols)) return "";
        return str_cat("enum ", reader.name, " lacks symbols, and has no default");
    }

    std::map<std::pair<const AvroType*, const AvroType*>, std::string> known_;
};

}  // namespace

Result<AvroSchema> AvroSchema::parse(std::string_view text) {
    const auto document = json::parse(text, nullptr, false);
    if (document.is_discarded()) return fail(ErrorCode::invalid_argument, "the definition is not JSON");
    auto root = std::make_shared<AvroType>();
    root->kind = "union";  // of the one type that is the schema
    WEFT_TRY(const auto* type, Reading(*root).read(document, "", 0));
    root->parts.push_back(type);
    AvroSchema schema;
    schema.root_ = std::move(root);
    return schema;
}

std::string AvroSchema::why_unreadable(const AvroSchema& writer) const {
    return Comparing().why(*root_->parts[0], *writer.root_->parts[0]);
}

}  // namespace weft::broker
