#include "broker/avro_compatibility.h"

#include <gtest/gtest.h>

#include "base/str_cat.h"

namespace weft::broker {
namespace {

bool reads(std::string_view reader, std::string_view writer) {
    const auto one = AvroSchema::parse(reader), other = AvroSchema::parse(writer);
    EXPECT_TRUE(one) << (one ? "" : one.error().message);
    EXPECT_TRUE(other) << (other ? "" : other.error().message);
    return one && other && one->why_unreadable(*other).empty();
}

std::string record(std::string_view fields, std::string_view name = "R") {
    return str_cat(R"({"type":"record","name":")", name, R"(","fields":[)", fields, "]}");
}

TEST(AvroCompatibility, numbers_are_read_as_larger_ones_only) {
    EXPECT_TRUE(reads(R"("long")", R"("int")"));
    EXPECT_FALSE(reads(R"("int")", R"("long")"));
    EXPECT_TRUE(reads(R"("double")", R"("float")"));
    EXPECT_FALSE(reads(R"("float")", R"("double")"));
    EXPECT_TRUE(reads(R"("string")", R"("bytes")"));
    EXPECT_FALSE(reads(R"("string")", R"("int")"));
    EXPECT_TRUE(reads(R"({"type":"long","logicalType":"timestamp-millis"})", R"("long")"));
}

TEST(AvroCompatibility, a_new_field_needs_a_default_and_a_dropped_one_does_not) {
    const auto old = record(R"({"name":"a","type":"int"})");
    const auto with_default = record(R"({"name":"a","type":"int"},{"name":"b","type":"int","default":1})");
    const auto without = record(R"({"name":"a","type":"int"},{"name":"b","type":"int"})");
    EXPECT_TRUE(reads(with_default, old));
    EXPECT_TRUE(reads(old, with_default));
    EXPECT_FALSE(reads(without, old));
    EXPECT_TRUE(reads(old, without));
}

TEST(AvroCompatibility, a_renamed_field_is_found_by_its_alias) {
    EXPECT_TRUE(reads(record(R"({"name":"b","aliases":["a"],"type":"int"})"),
                      record(R"({"name":"a","type":"int"})")));
    EXPECT_FALSE(reads(record(R"({"name":"b","type":"int"})"), record(R"({"name":"a","type":"int"})")));
}

TEST(AvroCompatibility, records_are_compared_by_name_without_namespace) {
    EXPECT_FALSE(
        reads(record(R"({"name":"a","type":"int"})", "R"), record(R"({"name":"a","type":"int"})", "S")));
    EXPECT_TRUE(
        reads(record(R"({"name":"a","type":"int"})", "x.R"), record(R"({"name":"a","type":"int"})", "y.R")));
}

TEST(AvroCompatibility, unions_may_grow_in_the_reader) {
    EXPECT_TRUE(reads(R"(["null","int"])", R"("int")"));
    EXPECT_FALSE(reads(R"("int")", R"(["null","int"])"));
    EXPECT_TRUE(reads(R"(["null","string","long"])", R"(["null","int"])"));
    EXPECT_FALSE(reads(R"(["null","string"])", R"(["null","int"])"));
}

TEST(AvroCompatibility, enums_arrays_maps_and_fixed) {
    const auto of = [](std::string_view symbols, std::string_view rest = "") {
        return str_cat(R"({"type":"enum","name":"E","symbols":)", symbols, rest, "}");
    };
    EXPECT_TRUE(reads(of(R"(["a","b"])"), of(R"(["a"])")));
    EXPECT_FALSE(reads(of(R"(["a"])"), of(R"(["a","b"])")));
    EXPECT_TRUE(reads(of(R"(["a"])", R"(,"default":"a")"), of(R"(["a","b"])")));
    EXPECT_TRUE(reads(R"({"type":"array","items":"long"})", R"({"type":"array","items":"int"})"));
    EXPECT_FALSE(reads(R"({"type":"map","values":"int"})", R"({"type":"map","values":"string"})"));
    EXPECT_FALSE(reads(R"({"type":"fixed","name":"F","size":4})", R"({"type":"fixed","name":"F","size":8})"));
}

TEST(AvroCompatibility, a_record_may_hold_itself) {
    const auto list = record(R"({"name":"next","type":["null","R"],"default":null})");
    const auto longer =
        record(R"({"name":"next","type":["null","R"],"default":null},{"name":"v","type":"int","default":0})");
    const auto other =
        record(R"({"name":"next","type":["null","R"],"default":null},{"name":"v","type":"int"})");
    EXPECT_TRUE(reads(list, list));
    EXPECT_TRUE(reads(longer, list));
    EXPECT_FALSE(reads(other, list));
}

TEST(AvroCompatibility, refuses_what_is_no_schema) {
    for (const std::string_view text :
         {"", "{", "1", "{}", R"("unknown")", R"({"type":"record","name":"R"})", R"({"type":"array"})",
          R"({"type":"record","fields":[]})", R"({"type":"record","name":"R","fields":[{"name":"a"}]})"}) {
        EXPECT_FALSE(AvroSchema::parse(text)) << text;
    }
    std::string deep;
    for (int i = 0; i < 10'000; ++i) deep += R"({"type":"array","items":)";
    EXPECT_FALSE(AvroSchema::parse(deep + "\"int\"" + std::string(10'000, '}')));
}

}  // namespace
}  // namespace weft::broker
