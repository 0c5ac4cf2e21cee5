#pragma once
// TopicName: the names a topic has (Pulsar protocol, "Topic names"; only the form without a cluster is
// taken).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::wire {

/// A full topic name `persistent://tenant/namespace/local`, made from the full or a short form.
class TopicName {
  public:
    /// Takes `local`, `tenant/namespace/local` and `[non-]persistent://tenant/namespace/local`; says what is
    /// wrong otherwise.
    static Result<TopicName> parse(std::string_view text);

    const std::string& full() const { return full_; }  // persistent://t/n/local
    bool persistent() const { return persistent_; }
    std::string_view tenant() const { return tenant_; }
    std::string_view namespace_local() const { return namespace_; }            // "n"
    std::string namespace_full() const { return tenant_ + "/" + namespace_; }  // "t/n"
    std::string_view local() const { return local_; }
    /// N of a name that ends in "-partition-N".
    std::optional<std::uint32_t> partition() const;
    /// The name without its "-partition-N".
    TopicName without_partition() const;

    bool operator==(const TopicName& other) const { return full_ == other.full_; }

  private:
    TopicName() = default;
    std::string full_, tenant_, namespace_, local_;
    bool persistent_ = true;
};

/// Whether a tenant or namespace name has only the characters Pulsar allows ([-=:.\w]*, not empty).
bool is_valid_name_part(std::string_view part);

}  // namespace weft::wire
