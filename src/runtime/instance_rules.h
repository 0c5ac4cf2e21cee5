#pragma once
// What an instance may at its level of containment: which files, which ports.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "containment/containment.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

/// The files and folders that it reads besides those of every program: its package and what runs it, what it
/// needs to speak to the broker; the operator's.
std::vector<std::string> files_of(const InstanceSpec& spec);
/// What stands as an absolute path in "file:///PATH", "tlsCertFile:PATH,tlsKeyFile:PATH" or JSON, replaced.
std::string with_named_files(std::string_view parameters,
                             const std::function<std::string(std::string path)>& replaced);

/// Its package and what runs it, what it needs to speak to the broker, its scratch folder; the operator's
/// folders.
containment::Rules rules_of(const InstanceSpec& spec, std::vector<std::uint16_t> ports);

/// Nothing: it isn't contained.
Result<std::optional<containment::Containment>> containment_for(const InstanceSpec& spec,
                                                                std::vector<std::uint16_t> ports);

/// Into its scratch directory, which is also where temporary files go. An instance whose code runs in this
/// process is contained from here on.
Result<> enter_scratch(const InstanceSpec& spec);

/// For its status: the level that is held, and what of it is not. `why_no_user`: as of OwnUser.
std::string containment_of(const InstanceSpec& spec, const std::vector<std::string>& not_held_by_group,
                           std::string_view why_no_user = {});

/// `precondition_failed`: at its level it is not run, as something of that can't be held.
Result<> check_strict(const InstanceSpec& spec, const std::vector<std::string>& not_held_by_group,
                      std::string_view why_no_user);

}  // namespace weft::runtime
