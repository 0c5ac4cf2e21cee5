#include "security/detail/token_refresher.h"

#include <algorithm>
#include <utility>

#include "observe/log.h"

namespace weft::security {

namespace {

constexpr Duration kAskAgainMin = 1s;  // between two questions because of a refusal
constexpr Duration kLifeMin = 500ms;   // that a token is used before the next is asked for
constexpr Duration kPauseMin = 100ms, kPauseMax = 30s;
constexpr std::uint32_t kDoublingsMax = 16;

const observe::Logger kLog("security.oauth2");

}  // namespace

void TokenLife::granted(Grant grant, SteadyTime asked) {
    token_ = std::move(grant.token);
    ends_ = asked + grant.lifetime;
    next_ask_ = asked + std::max<Duration>(grant.lifetime / 10 * 9, kLifeMin);
    asked_ = asked;
    renewing_ = false;
    failures_ = 0;
    why_.reset();
}

void TokenLife::failed(Error why, SteadyTime now) {
    const Duration pause =
        std::min<Duration>(kPauseMax, kPauseMin * (1U << std::min(failures_, kDoublingsMax)));
    seed_ = seed_ * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto eighths = static_cast<std::int64_t>(seed_ >> 62);  // of it, that are taken off: 0 to 3
    next_ask_ = now + pause - pause / 8 * eighths;
    asked_ = now;
    renewing_ = false;
    ++failures_;
    why_ = std::move(why);
}

void TokenLife::refused(std::string_view token, SteadyTime now) {
    if (token_.empty() || token != token_ || renewing_ || failures_ != 0) return;
    renewing_ = true;
    next_ask_ = std::min(next_ask_, std::max(now, *asked_ + kAskAgainMin));
}

Result<std::string> TokenLife::token(SteadyTime now) const {
    if (is_good(now)) return token_;
    if (why_) return std::unexpected(*why_);
    return fail(ErrorCode::unavailable, "the issuer was asked for a token and has not answered yet");
}

TokenRefresher::TokenRefresher(Ask ask, std::string issuer)
    : ask_(std::move(ask)),
      issuer_(std::move(issuer)),
      life_(static_cast<std::uint64_t>(steady_now().time_since_epoch().count())) {}

TokenRefresher::~TokenRefresher() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Result<std::string> TokenRefresher::token(Deadline deadline) {
    std::unique_lock lock(mutex_);
    begin();
    while (life_.pending(steady_now())) {
        if (deadline.is_never()) {
            changed_.wait(lock);
        } else if (changed_.wait_until(lock, deadline.time()) == std::cv_status::timeout) {
            break;
        }
    }
    return life_.token(steady_now());
}

bool TokenRefresher::pending() {
    const std::scoped_lock lock(mutex_);
    begin();
    return life_.pending(steady_now());
}

void TokenRefresher::refused(std::string_view token) {
    const std::scoped_lock lock(mutex_);
    life_.refused(token, steady_now());
    changed_.notify_all();
}

void TokenRefresher::begin() {
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void TokenRefresher::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const SteadyTime asked = steady_now();
        if (asked < life_.next_ask()) {
            changed_.wait_until(lock, life_.next_ask());
            continue;
        }
        lock.unlock();
        auto answer = ask_();
        lock.lock();
        learn(std::move(answer), asked);
        changed_.notify_all();
    }
}

void TokenRefresher::learn(Result<Grant> answer, SteadyTime asked) {
    const bool failed_before = life_.failures() != 0;
    const ErrorCode last = std::exchange(told_, answer ? ErrorCode{} : answer.error().code);
    if (answer) {
        if (failed_before) kLog.info("the issuer gives tokens again", {{"issuer", issuer_}});
        return life_.granted(std::move(*answer), asked);
    }
    if (!failed_before || told_ != last)
        kLog.warn("the issuer gives no token; it is asked again and again",
                  {{"issuer", issuer_}, {"why", answer.error().message}});
    life_.failed(std::move(answer).error(), steady_now());
}

}  // namespace weft::security
