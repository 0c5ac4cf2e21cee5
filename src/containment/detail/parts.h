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

/// Of what leads to the files that a user may see through folders that others can't pass, in the order of
/// their doing.
struct CoverStep {
    enum class What : std::uint8_t {
        cover,   // an empty folder that everybody can pass, in the place of this one
        make,    // a folder in such a one
        folder,  // what stood there before
        file,
    };
    What what;
    std::string path;
    int tree = -1;  // of folder and file, while it is done
};
/// For rules.user, in whose way are others' private folders.
std::vector<CoverStep> plan_covers(const Rules& rules);

/// Everything read-only but these, in this process alone, with these covers. False: errno.
bool take_own_mounts(const std::vector<std::string>& writable, std::vector<CoverStep>& covers);

/// Of the superuser: this process and its group are `user`'s, with no others, for good. Its files in /proc
/// are, too, and the signal that it gets when its parent ends stays. False: errno.
bool take_user(std::uint32_t user);
/// Whether this process can let a child be `user`'s, and still do with it what it must.
bool can_give_user(std::uint32_t user);

}  // namespace weft::containment::detail
