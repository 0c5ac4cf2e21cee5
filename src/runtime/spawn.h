#pragma once
// Starts this program again as an instance: `weft instance NAME`, with a control channel and its output in a
// pipe.

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace weft::runtime {

/// The descriptors are the caller's, close-on-exec; control and output do not block.
struct Child {
    pid_t pid = -1;
    int pidfd = -1;    // readable when the child has ended
    int control = -1;  // socket
    int output = -1;   // what the child writes to standard output and error
};

/// `name` is only for people who look at the process list. `lease` is handed to the child as its descriptor
/// kLeaseFd; -1: none. The thread that calls this must live as long as the child: the child is killed with
/// it.
Result<Child> spawn_instance(const std::string& name, int lease = -1);

/// Takes the end of a child that has ended: "exit code 1", "killed by signal 6 (Aborted)".
std::string reap(const Child& child);

}  // namespace weft::runtime
