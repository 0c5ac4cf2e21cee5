#pragma once
// Who is in a cluster of workers: the consumers of the coordination topic's subscription. Pure.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace weft::worker {

/// The subscription, and the property of its consumers that tells a Weft worker from Pulsar's own.
inline constexpr std::string_view kParticipants = "participants";
inline constexpr std::string_view kWeftProperty = "weft";
/// Its value where the worker's REST is behind TLS.
inline constexpr std::string_view kWeftTls = "tls";
/// And one that is another each time such a process starts.
inline constexpr std::string_view kLifeProperty = "life";

/// One worker.
struct Member {
    std::string worker_id, host;
    std::uint16_t port = 0;
    bool is_weft = true;    // else Pulsar's own worker, which runs Java and Go functions
    bool tls = false;       // its REST is https
    std::string life = {};  // another one: it was started again; empty: of one that doesn't say
    bool operator==(const Member&) const = default;

    std::string url() const;  // of its REST
};

/// Reads "workerId:host:port"; nothing if it isn't that.
std::optional<Member> parse_participant(std::string_view text);

struct Participants {
    std::vector<Member> members;
    std::string leader;  // its worker id; empty: nobody leads

    const Member* find(std::string_view worker_id) const;
    bool operator==(const Participants&) const = default;
};

/// How long workers have been away that instances are assigned to.
class Absences {
  public:
    /// Those of `holders` that are not `present` for less than `grace`: they may come back, and what they
    /// have stays theirs.
    std::set<std::string> waited_for(const std::set<std::string>& holders,
                                     const std::set<std::string>& present, SteadyTime now, Duration grace);
    /// When the first of those that were waited for last is waited for no more.
    std::optional<SteadyTime> next_end(SteadyTime now, Duration grace) const;

  private:
    std::map<std::string, SteadyTime> since_;
};

}  // namespace weft::worker
