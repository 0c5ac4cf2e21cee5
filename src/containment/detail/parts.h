#pragma once
// The parts that containment is made of. What is called while entering is safe between fork() and exec().

#include <linux/filter.h>

#include <functional>
#include <string>
#include <vector>

#include "containment/containment.h"

namespace weft::containment::detail {

/// 0: the kernel has none, or it is off.
std::uint32_t landlock_version();
/// A descriptor, close-on-exec; -1 where the kernel has no Landlock.
Result<int> make_ruleset(const Rules& rules, std::uint32_t version);
/// As /proc is now, for reading.
bool allow_proc(int ruleset);
bool enter_ruleset(int ruleset);

/// Whether it succeeds in a child process: what it does there, this one keeps none of.
bool succeeds_in_child(const std::function<bool()>& attempt);

bool has_filters();
using Filter = std::vector<sock_filter>;
Result<Filter> make_filter(const Rules& rules, const Kernel& kernel);
/// Puts this process's id where the filter asks for it.
bool enter_filter(Filter& filter);

/// What a process sees of the file system: everything, read-only but for some; or what is put into an empty
/// folder, in the place of one that its user can't pass, or of all.
struct Step {
    enum class What : std::uint8_t {
        empty,   // an empty folder that everybody can pass, over this one
        make,    // a folder in such a one
        folder,  // what stands elsewhere
        file,
        proc,  // a /proc in which others' processes aren't
    };
    What what;
    std::string path, from = {};
    int tree = -1;  // of folder and file, while it is done
};
struct View {
    std::vector<std::string> writable;
    std::vector<Step> steps;  // in their order
    bool own_root = false;
};
View plan_view(const Rules& rules);

/// Takes it, in this process alone. False: errno.
bool take_own_mounts(View& view);

/// Of the superuser: this process and its group are `user`'s, with no others, for good. Its files in /proc
/// are, too, and the signal that it gets when its parent ends stays. False: errno.
bool take_user(std::uint32_t user);
/// Whether this process can let a child be `user`'s, and still do with it what it must.
bool can_give_user(std::uint32_t user);

}  // namespace weft::containment::detail
