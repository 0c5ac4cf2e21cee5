#pragma once
// What an instance may at its level of containment: which files, which ports.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "containment/containment.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// Its package and what runs it, what it needs to speak to the broker, its scratch folder; the operator's
/// folders.
containment::Rules rules_of(const InstanceSpec& spec, std::vector<std::uint16_t> ports);

/// Nothing: it isn't contained.
Result<std::optional<containment::Containment>> containment_for(const InstanceSpec& spec,
                                                                std::vector<std::uint16_t> ports);

/// Into its scratch directory, which is also where temporary files go. An instance whose code runs in this
/// process is contained from here on.
Result<> enter_scratch(const InstanceSpec& spec);

/// For its status: the level that is held, and what of it is not.
std::string containment_of(const InstanceSpec& spec, const std::vector<std::string>& not_held_by_group);

}  // namespace weft::runtime
