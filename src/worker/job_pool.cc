#include "worker/job_pool.h"

#include <pthread.h>

#include "base/str_cat.h"

namespace weft::worker {

JobPool::JobPool(std::string name, std::uint32_t threads_max)
    : name_(std::move(name)), threads_max_(threads_max) {}

JobPool::~JobPool() { stop(); }

void JobPool::post(Job job, Duration delay) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.emplace(steady_now() + delay, std::move(job));
    if (jobs_.size() > idle_ && threads_.size() < threads_max_) {
        threads_.emplace_back([this] { run(); });
        pthread_setname_np(threads_.back().native_handle(), str_cat(name_, "-", threads_.size()).c_str());
    }
    changed_.notify_one();
}

void JobPool::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (jobs_.empty() || jobs_.begin()->first > steady_now()) {
            ++idle_;
            if (jobs_.empty()) {
                changed_.wait(lock);
            } else {
                const SteadyTime next =
                    jobs_.begin()->first;  // a copy: another thread may take the job meanwhile
                changed_.wait_until(lock, next);
            }
            --idle_;
            continue;
        }
        Job job = std::move(jobs_.begin()->second);
        jobs_.erase(jobs_.begin());
        if (!jobs_.empty()) changed_.notify_one();  // somebody must watch the next one's time
        lock.unlock();
        job();
        job = nullptr;
        lock.lock();
    }
}

void JobPool::stop() {
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        threads.swap(threads_);
        changed_.notify_all();
    }
    for (auto& thread : threads) thread.join();
    const std::lock_guard lock(mutex_);
    jobs_.clear();
}

}  // namespace weft::worker
