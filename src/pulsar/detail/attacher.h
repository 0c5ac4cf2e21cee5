#pragma once
// Attacher: brings a producer or consumer to its broker and keeps it there: lookup, connection, the opening
// command, and all of it again, with back-off, when that fails or the broker lets go. On the loop only.

#include <functional>
#include <memory>
#include <string>

#include "pulsar/detail/backoff.h"
#include "pulsar/detail/client_core.h"

namespace weft::pulsar::detail {

class Attacher final {
  public:
    using Opened = std::move_only_function<void(Outcome<>)>;

    /// What is brought.
    class Passenger {
      public:
        virtual ~Passenger() = default;
        /// Sends the opening command on the connection and reports its answer.
        virtual void open(Connection& connection, Deadline deadline, Opened opened) = 0;
        /// The connection carries it now.
        virtual void on_attached(Connection& connection) = 0;
        /// No more attempts are made: the first failed, or a later one in a way that will not change.
        virtual void on_given_up(const Error& why) = 0;
    };

    Attacher(ClientCore& client, Passenger& passenger, std::string topic);
    /// Makes the first attempts, until `deadline`.
    void start(Deadline deadline);
    /// The broker let go, or the connection ended: back to it, first after a short while.
    void lost(const Error& why);
    /// The same, and the broker named the one that serves the topic now: there at once, without a lookup.
    void moved(const Error& why, Assigned to);
    void stop();
    bool attached() const { return state_ == State::attached; }

  private:
    enum class State : std::uint8_t { idle, trying, attached, stopped };

    void attempt();
    void after_attempt(Connection* connection, Outcome<> outcome);
    void retry_later(Duration delay_max);
    void give_up(Error why);
    /// Wraps a callback so that it does nothing once this attempt is over.
    template <class Function>
    auto guarded(Function function);

    ClientCore& client_;
    std::optional<Assigned> assigned_;  // for the next attempt
    Passenger& passenger_;
    const std::string topic_;
    std::shared_ptr<char> life_ = std::make_shared<char>();  // shared with callbacks that may come too late

    State state_ = State::idle;
    bool first_ = true;    // never attached yet
    bool warned_ = false;  // of this outage
    std::uint64_t attempt_ = 0;
    Deadline deadline_ = Deadline::never();
    Backoff backoff_;
    async::TimerId retry_timer_ = 0, deadline_timer_ = 0;
    Error last_error_;
};

}  // namespace weft::pulsar::detail
