#include "runtime/start_gate.h"

#include <algorithm>
#include <utility>

namespace weft::runtime {

StartGate::Turn::~Turn() {
    std::erase(gate_.waiting_, this);
    gate_.end(*this);
}

std::unique_ptr<StartGate::Turn> StartGate::enter(std::function<void()> begin) {
    std::unique_ptr<Turn> turn(new Turn(*this, std::move(begin)));  // its constructor is the gate's alone
    if (free_ > 0) {
        this->begin(*turn);
    } else {
        waiting_.push_back(turn.get());
    }
    return turn;
}

void StartGate::begin(Turn& turn) {
    --free_;
    turn.begun_ = true;
    turn.timer_ = loop_.after(turn_max_, [this, &turn] { end(turn); });
}

void StartGate::end(Turn& turn) {
    if (turn.timer_ == 0) return;
    loop_.cancel(std::exchange(turn.timer_, 0));
    ++free_;
    if (waiting_.empty()) return;
    Turn& next = *waiting_.front();
    waiting_.pop_front();
    begin(next);
    const auto go = next.begin_;  // it may end its turn
    go();
}

}  // namespace weft::runtime
