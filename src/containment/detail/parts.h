#pragma once
// The parts that containment is made of. What is called while entering is safe between fork() and exec().

#include <linux/filter.h>

#include <string>
#include <vector>

#include "containment/containment.h"

namespace weft::containment::detail {

/// 0: the kernel has none, or it is off.
std::uint32_t landlock_version();
/// A descriptor, close-on-exec; -1 where the kernel has no Landlock.
Result<int> make_ruleset(const Rules& rules, std::uint32_t version);
bool enter_ruleset(int ruleset);

bool has_filters();
using Filter = std::vector<sock_filter>;
Result<Filter> make_filter(const Rules& rules, const Kernel& kernel);
/// Puts this process's id where the filter asks for it.
bool enter_filter(Filter& filter);

/// Everything read-only but these, in this process alone. False: errno.
bool take_own_mounts(const std::vector<std::string>& writable);

}  // namespace weft::containment::detail
