#pragma once
// How soon a thread has a processor that others keep busy.

namespace weft {

/// This thread and those that it starts take short turns. So the scheduler lets them begin as soon as they
/// wake: before whoever has been computing for a while, and as often as their share allows. Without it a
/// thread that wakes waits for the other's turn to end, some milliseconds. Before Linux 6.12, and for threads
/// whose policy isn't the usual one, it changes nothing.
void take_short_turns();

/// The opposite: this thread computes what is not urgent, and whoever wakes comes first.
void take_long_turns();

/// The threads and processes that this thread starts from now on take turns of the usual length; it does not
/// itself.
void give_usual_turns_to_what_starts();

}  // namespace weft
