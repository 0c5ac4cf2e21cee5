// Debian's libprotobuf.a addresses libc's `stderr` directly; the linker would put a copy of it into this
// program, defined and visible. With -Wl,--wrap=stderr such uses come here instead.

#include <cstdio>

extern "C" {
extern FILE* __real_stderr;  // libc's own
FILE* __wrap_stderr;

__attribute__((constructor(101))) static void take_stderr() { __wrap_stderr = __real_stderr; }
}
