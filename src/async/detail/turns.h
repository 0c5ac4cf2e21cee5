#pragma once
// Turns: steps that wait, of which each address has one taken in turn.

#include <boost/asio/ip/address.hpp>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace weft::async {

/// One that floods makes a line for itself alone. Of one loop. As many wait as are added: their owner bounds
/// it.
class Turns {
  public:
    /// False: there was nothing left to do.
    using Step = std::move_only_function<bool()>;

    void add(const boost::asio::ip::address& of, Step step) { waiting_[of].push_back(std::move(step)); }
    bool empty() const { return waiting_.empty(); }
    /// Takes one that has something to do: of the next address the one that has waited longest.
    void take_one() {
        while (!waiting_.empty()) {
            auto next = waiting_.upper_bound(last_);
            if (next == waiting_.end()) next = waiting_.begin();
            last_ = next->first;
            Step step = std::move(next->second.front());
            next->second.pop_front();
            if (next->second.empty()) waiting_.erase(next);
            if (step()) return;
        }
    }

  private:
    std::map<boost::asio::ip::address, std::deque<Step>> waiting_;  // none is empty
    boost::asio::ip::address last_;
};

}  // namespace weft::async
