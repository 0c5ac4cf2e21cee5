#pragma once
// call_on: asks a loop for an answer from another thread, and waits for it with a deadline.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "async/loop.h"
#include "base/result.h"

namespace weft::async {

/// Runs `start(done)` on the loop and waits until `done(Result<T>)` was called (once, from any thread). Must
/// not be called on the loop itself. When the deadline passes first the answer is `deadline_exceeded` and the
/// late result is dropped.
template <class T>
Result<T> call_on(Loop& loop, Deadline deadline,
                  std::move_only_function<void(std::move_only_function<void(Result<T>)>)> start) {
    struct Shared {  // shared by the caller, who may give up, and the callee, who may be late
        std::mutex mutex;
        std::condition_variable arrived;
        std::optional<Result<T>> answer;
    };
    auto shared = std::make_shared<Shared>();
    loop.post([shared, start = std::move(start)]() mutable {
        start([shared](Result<T> answer) {
            const std::lock_guard lock(shared->mutex);
            shared->answer = std::move(answer);
            shared->arrived.notify_all();
        });
    });
    std::unique_lock lock(shared->mutex);
    const auto there = [&] { return shared->answer.has_value(); };
    if (deadline.is_never()) {
        shared->arrived.wait(lock, there);
    } else if (!shared->arrived.wait_until(lock, deadline.time(), there)) {
        return fail(ErrorCode::deadline_exceeded, "no answer within the deadline");
    }
    return std::move(*shared->answer);
}

}  // namespace weft::async
