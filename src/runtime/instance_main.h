#pragma once
// The program of an instance: `weft instance`, which only a Supervisor starts.

namespace weft::runtime {

/// The descriptor on which a supervisor's child finds its control channel.
inline constexpr int kControlFd = 3;
/// And the page of its worker's lease, if its specification names one.
inline constexpr int kLeaseFd = 4;

/// Makes the function thread, which is the instance's main thread, write where it stands to standard error.
inline constexpr int kWhereSignal = 12;  // SIGUSR2

/// Reads its specification from the channel, runs the function and answers the supervisor until told to stop
/// or the channel ends. Returns the exit code: 0 when it was asked to stop. `main` calls it first thing when
/// argv[1] is "instance", before it does anything else: the start of a function waits for it.
int run_instance(int control_fd = kControlFd);

}  // namespace weft::runtime
