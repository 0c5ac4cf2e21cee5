#pragma once
// run_program: a child process with bounds: its time, its output, and everything that it leaves behind.

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::package {

struct Program {
    std::vector<std::string> arguments;    // the first one is the program's path
    std::vector<std::string> environment;  // NAME=value; nothing is inherited
    std::string input;                     // its standard input
    std::filesystem::path directory;       // it runs in
    std::size_t output_bytes_max = 64U << 10;
};

struct ProgramEnd {
    int exit_code = -1;          // -1: ended by a signal
    std::string output, errors;  // what it wrote, the first output_bytes_max of each
};

/// Runs a program to its end, in a process group of its own that is killed when it ends or the deadline
/// passes
/// (`deadline_exceeded`), or when `cancel_fd` becomes readable (`cancelled`). `io`: it can't be started.
Result<ProgramEnd> run_program(const Program& program, Deadline deadline, int cancel_fd);

}  // namespace weft::package
