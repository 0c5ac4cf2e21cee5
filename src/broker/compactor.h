#pragma once
// Compactor: compacts the broker's topics, one at a time, and changes them over to what came of it. On the
// loop.
//
// While one is at work a record of the store's map, compacting/<topic>, names the ledger that it fills and
// the one that it replaces: whatever a crash leaves, the next start erases those that the topic's record does
// not name.

#include <deque>
#include <memory>
#include <string>

#include "broker/compaction.h"

namespace weft::broker {

class Engine;
class Topic;

class Compactor final {
  public:
    explicit Compactor(Engine& engine);
    ~Compactor();
    /// Erases what a crash has left. Before anything else uses the store.
    void clean_up();
    /// The topic's turn will come; its state says `running` until it is done. One that waits already stays as
    /// it is.
    void request(Topic& topic);

  private:
    void start_next();
    void start(Topic& topic);
    void finished(Result<CompactionOutcome> outcome);
    void change_over(Topic& topic, const CompactionOutcome& outcome);
    void drop(store::LedgerId ledger);
    void next_later();

    // Fixed after construction.
    Engine& engine_;
    // On the loop.
    std::deque<std::weak_ptr<Topic*>> waiting_;
    std::unique_ptr<Compaction> at_work_;
    std::weak_ptr<Topic*> topic_;  // that it works on
    std::string record_;           // its key in the map
    store::LedgerId into_ = 0;
    SteadyTime started_;
    // Shared with work under way: tells it that this is gone.
    std::shared_ptr<Compactor*> self_ = std::make_shared<Compactor*>(this);
};

}  // namespace weft::broker
