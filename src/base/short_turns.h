#pragma once
// How soon a thread has a processor that others keep busy.

#include <sys/types.h>

#include <cstdint>

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

/// For a thread that waits for a device, then wakes another, and waits again: when it wakes it comes before
/// all whose policy is the usual one, so that the turn of its group is the other's. (With the usual policy
/// the two share the turn; what the first has had of it, even microseconds, makes the scheduler choose
/// another group, and until the next tick nothing makes it choose again.) Without the right to it
/// (CAP_SYS_NICE), or where the process was started with less than the usual priority, it changes nothing.
class FirstTurns final {
  public:
    /// Of the calling thread.
    FirstTurns();
    /// From now on; on that thread.
    void take();
    /// As before; on any thread, at the same time as nothing else here.
    void give_back();

  private:
    const pid_t thread_;
    std::int32_t nice_ = 0;
    std::uint64_t turn_ = 0;
    bool may_ = false, taken_ = false;
};

}  // namespace weft
