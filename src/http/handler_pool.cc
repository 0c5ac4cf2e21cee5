#include "http/detail/handler_pool.h"

#include <pthread.h>

#include <system_error>

namespace weft::http {

bool HandlerPool::submit(Job job) {
    const std::lock_guard lock(mutex_);
    if (stopped_ || waiting_.size() >= waiting_max_) return false;
    if (idle_ <= waiting_.size() && threads_.size() < threads_max_) {
        try {
            threads_.emplace_back([this] { work(); });
            pthread_setname_np(threads_.back().native_handle(), "http-handler");
        } catch (const std::system_error&) {  // no more threads to be had: those that run take the work
            if (threads_.empty()) return false;
        }
    }
    waiting_.push_back(std::move(job));
    changed_.notify_one();
    return true;
}

void HandlerPool::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_;
        changed_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
        --idle_;
        if (stopped_) return;
        Job job = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        job();
        job = nullptr;  // what it holds goes before it waits for the next
        lock.lock();
    }
}

void HandlerPool::stop() {
    std::deque<Job> dropped;
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        dropped.swap(waiting_);
        threads.swap(threads_);
        changed_.notify_all();
    }
    for (auto& thread : threads) thread.join();
}

}  // namespace weft::http
