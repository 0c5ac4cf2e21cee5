#pragma once
// TokenRefresher: a token of an issuer that is asked for anew before it is over.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "security/oauth2.h"

namespace weft::security {

/// What is known of the token, and when the issuer is asked again: at nine tenths of its life, and after a
/// failure with a growing pause. Pure: the time is told.
class TokenLife final {
  public:
    /// `seed`: of the pauses' jitter, so that those whom one issuer has failed don't come back at once.
    explicit TokenLife(std::uint64_t seed) : seed_(seed) {}

    /// `asked`: when. The lifetime counts from there.
    void granted(Grant grant, SteadyTime asked);
    void failed(Error why, SteadyTime now);
    /// Who was shown `token` doesn't take it: the issuer is asked at once, though not more often than each
    /// second.
    void refused(std::string_view token, SteadyTime now);

    /// The one to show; `unauthorized` or `unavailable` say why there is none.
    Result<std::string> token(SteadyTime now) const;
    /// Whether a moment's waiting is better than the answer that token() has.
    bool pending(SteadyTime now) const { return renewing_ || (!is_good(now) && failures_ == 0); }
    SteadyTime next_ask() const { return next_ask_; }
    std::uint32_t failures() const { return failures_; }

  private:
    bool is_good(SteadyTime now) const { return !token_.empty() && now < ends_; }

    std::uint64_t seed_;
    std::string token_;  // empty: there never was one
    SteadyTime ends_{}, next_ask_ = SteadyTime::min();
    std::optional<SteadyTime> asked_;
    bool renewing_ = false;  // token_ was refused, and no answer of the issuer has come since
    std::uint32_t failures_ = 0;
    std::optional<Error> why_;
};

/// Asks on a thread of its own, which begins with the first use. Any thread.
class TokenRefresher final {
  public:
    using Ask = std::function<Result<Grant>()>;

    TokenRefresher(Ask ask, std::string issuer);
    /// Waits until a question that is under way is over.
    ~TokenRefresher();
    TokenRefresher(const TokenRefresher&) = delete;
    TokenRefresher& operator=(const TokenRefresher&) = delete;

    /// Waits while it is pending, until the deadline.
    Result<std::string> token(Deadline deadline);
    bool pending();
    void refused(std::string_view token);

  private:
    void begin();
    void run();
    void learn(Result<Grant> answer, SteadyTime asked);

    const Ask ask_;
    const std::string issuer_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // guarded by mutex_
    TokenLife life_;
    ErrorCode told_{};  // of the last failure
    bool stopping_ = false;
    std::thread thread_;  // begin() and the destructor
};

}  // namespace weft::security
