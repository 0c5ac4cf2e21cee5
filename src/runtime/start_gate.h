#pragma once
// StartGate: how many children of a process start at the same time.
//
// When a worker gets the instances of another that died or leaves, all at once, they would share the
// processors while each of them starts, and each would be away for as long as all of them take. One behind
// the other they take no longer together, and each is away for as long as it takes itself.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "async/loop.h"

namespace weft::runtime {

/// On its loop only.
class StartGate final {
  public:
    /// From it to its end, or to `turn_max` after it began, one of the places is taken.
    class Turn {
      public:
        ~Turn();
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        bool has_begun() const { return begun_; }

      private:
        friend class StartGate;
        Turn(StartGate& gate, std::function<void()> begin) : gate_(gate), begin_(std::move(begin)) {}
        StartGate& gate_;
        std::function<void()> begin_;
        bool begun_ = false;
        async::TimerId timer_ = 0;  // 0: it holds no place
    };

    /// `turn_max`: what takes longer than that waits for something else than a processor.
    StartGate(async::Loop& loop, std::size_t at_once, Duration turn_max)
        : loop_(loop), free_(at_once), turn_max_(turn_max) {}
    /// A turn that has begun; or one whose `begin` is called, from the loop, when it begins. The gate
    /// outlives its turns.
    std::unique_ptr<Turn> enter(std::function<void()> begin);

  private:
    void begin(Turn& turn);
    void end(Turn& turn);

    async::Loop& loop_;
    std::size_t free_;
    const Duration turn_max_;
    std::deque<Turn*> waiting_;
};

}  // namespace weft::runtime
