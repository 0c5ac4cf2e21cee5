#pragma once
// Whether data written with one Avro schema can be read with another: Avro's schema resolution. Pure.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::broker {

struct AvroType;

/// An Avro schema, read from its JSON.
class AvroSchema {
  public:
    /// `invalid_argument` says what is wrong with the text.
    static Result<AvroSchema> parse(std::string_view text);

    /// Empty if what was written with `writer` can be read with this one; else why not.
    std::string why_unreadable(const AvroSchema& writer) const;

  private:
    std::shared_ptr<const AvroType> root_;  // shared by the schema's copies: nobody changes it
};

}  // namespace weft::broker
