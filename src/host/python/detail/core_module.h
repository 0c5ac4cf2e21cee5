#pragma once
// The Python module `_weft`: what bootstrap.py can ask of the core about the message that is being processed.

#include <span>

#include "host/host.h"
#include "host/python/detail/py_ref.h"

namespace weft::host {

/// What `_weft` speaks of. One per process, as the interpreter is; touched only with the GIL held.
struct CurrentCall {
    Core* core = nullptr;
    std::span<const weft_message> messages;  // empty: nothing is being processed
    std::uint32_t index = 0;
};
CurrentCall& current_call();

/// Makes `_weft` importable; before the interpreter starts.
void register_core_module();

}  // namespace weft::host
