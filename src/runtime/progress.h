#pragma once
// Progress: what the function thread does right now, as others may look at it. Health is progress: a thread
// that has been inside one call of user code for too long hangs; one that waits for messages does not.

#include <atomic>
#include <cstdint>

#include "wire/message_id.h"

namespace weft::runtime {

/// Written by the function thread, at the price of a few plain stores; read by any.
class Progress {
  public:
    /// User code is called; the calls are about messages from `begin()` on.
    void enter() {
        in_user_code_.store(true, std::memory_order_relaxed);
        step();
    }
    void leave() {
        in_user_code_.store(false, std::memory_order_relaxed);
        step();
    }
    /// A message's turn has come.
    void begin(const wire::MessageId& id, std::uint32_t input) {
        ledger_.store(id.ledger, std::memory_order_relaxed);
        entry_.store(id.entry, std::memory_order_relaxed);
        partition_.store(id.partition, std::memory_order_relaxed);
        batch_index_.store(id.batch_index, std::memory_order_relaxed);
        input_.store(input, std::memory_order_relaxed);
        step();
    }

    /// Held while the core itself waits, for the broker say, inside a call of user code.
    class Outside {
      public:
        explicit Outside(Progress& progress)
            : progress_(progress), was_in_user_code_(progress.seen().in_user_code) {
            if (was_in_user_code_) progress_.leave();
        }
        ~Outside() {
            if (was_in_user_code_) progress_.enter();
        }
        Outside(const Outside&) = delete;
        Outside& operator=(const Outside&) = delete;

      private:
        Progress& progress_;
        const bool was_in_user_code_;
    };

    struct Seen {
        std::uint64_t steps = 0;  // differs from an earlier look if anything was done since
        bool in_user_code = false;
        wire::MessageId id;
        std::uint32_t input = kNoInput;
    };
    static constexpr std::uint32_t kNoInput = ~0U;  // no message yet: the function is being made
    Seen seen() const {
        return {steps_.load(std::memory_order_relaxed), in_user_code_.load(std::memory_order_relaxed),
                wire::MessageId{
                    ledger_.load(std::memory_order_relaxed), entry_.load(std::memory_order_relaxed),
                    partition_.load(std::memory_order_relaxed), batch_index_.load(std::memory_order_relaxed)},
                input_.load(std::memory_order_relaxed)};
    }

  private:
    // One writer: no read-modify-write is needed.
    void step() { steps_.store(steps_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

    std::atomic<std::uint64_t> steps_{0}, ledger_{0}, entry_{0};
    std::atomic<std::int32_t> partition_{-1}, batch_index_{-1};
    std::atomic<std::uint32_t> input_{kNoInput};
    std::atomic<bool> in_user_code_{false};
};

}  // namespace weft::runtime
