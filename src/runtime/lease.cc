#include "runtime/lease.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weft::runtime {
namespace {

constexpr int kRenewalsInDuration = 8;
constexpr Duration kDurationMin = 100ms;

std::unexpected<Error> failed(const char* what) {
    return fail(ErrorCode::io, "no page for the lease of instances: ", what, ": ", std::strerror(errno));
}

SteadyTime renewed_at(const LeasePage& page) {
    return SteadyTime(std::chrono::nanoseconds(page.renewed_ns.load(std::memory_order_relaxed)));
}

}  // namespace

Result<std::unique_ptr<Lease>> Lease::start(Duration duration, std::function<void()> lapsed,
                                            std::function<SteadyTime()> now) {
    const int fd = memfd_create("weft-lease", MFD_CLOEXEC);
    if (fd < 0) return failed("memfd_create");
    void* const page = ftruncate(fd, sizeof(LeasePage)) == 0
                           ? mmap(nullptr, sizeof(LeasePage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                           : MAP_FAILED;
    if (page == MAP_FAILED) {
        const auto why = failed("mmap");
        close(fd);
        return why;
    }
    std::unique_ptr<Lease> lease(new Lease(std::max(duration, kDurationMin), fd, new (page) LeasePage{},
                                           std::move(lapsed), std::move(now)));
    lease->thread_ = std::thread([raw = lease.get()] { raw->run(); });
    pthread_setname_np(lease->thread_.native_handle(), "weft-lease");
    return lease;
}

Lease::Lease(Duration duration, int fd, LeasePage* page, std::function<void()> lapsed,
             std::function<SteadyTime()> now)
    : duration_(duration), fd_(fd), page_(page), lapsed_(std::move(lapsed)), now_(std::move(now)) {
    renew();
}

Lease::~Lease() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        stop_.notify_all();
    }
    thread_.join();
    munmap(page_, sizeof(LeasePage));
    close(fd_);
}

void Lease::renew() { page_->renewed_ns.store(now_().time_since_epoch().count(), std::memory_order_relaxed); }

bool Lease::is_stale() const { return now_() - renewed_at(*page_) >= duration_; }

bool Lease::held() const {
    const std::lock_guard lock(mutex_);
    return !has_lapsed_ && !is_stale();
}

void Lease::reinstate() {
    const std::lock_guard lock(mutex_);
    if (!has_lapsed_) return;
    has_lapsed_ = false;
    renew();
}

void Lease::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (!has_lapsed_ && is_stale()) {
            has_lapsed_ = true;
            lock.unlock();
            lapsed_();
            lock.lock();
        }
        if (!has_lapsed_) renew();
        stop_.wait_for(lock, duration_ / kRenewalsInDuration, [this] { return stopping_; });
    }
}

Result<> end_with_lease(int fd, Duration duration) {
    void* const mapped = mmap(nullptr, sizeof(LeasePage), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return failed("mmap");
    std::thread([page = static_cast<const LeasePage*>(mapped), duration] {
        while (true) {
            const SteadyTime end = renewed_at(*page) + duration;
            if (steady_now() >= end) _exit(kLeaseOverExit);
            std::this_thread::sleep_until(end);
        }
    }).detach();
    return {};
}

}  // namespace weft::runtime
