#pragma once
// FunctionLog: what a function logs, to the instance's standard error and to the function's log topic. Any
// thread; never waits for the broker: when it can't keep up, lines for the topic are dropped and counted.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "observe/log.h"
#include "pulsar/client.h"

namespace weft::runtime {

class FunctionLog {
  public:
    /// `producer` of the log topic; null: none.
    FunctionLog(std::string fqfn, std::int32_t instance_id);
    ~FunctionLog();
    void set_producer(std::unique_ptr<pulsar::Producer> producer) { producer_ = std::move(producer); }

    /// `level` as in weft/function.h.
    void write(int level, std::string_view text);
    void error(std::string_view text) { write(3, text); }
    std::uint64_t dropped() const { return dropped_->load(); }
    void close(Deadline deadline);

    /// A longer line is cut.
    static constexpr std::size_t kLineBytesMax = 64U << 10;
    /// Lines to standard error in one second; what is over is left out and counted. The log topic gets all.
    static constexpr std::uint32_t kLinesPerSecondMax = 500;

  private:
    void write_to_stderr(int level, std::string_view text);
    void print(int level, std::string_view text) const;

    const std::string fqfn_, instance_id_;
    const observe::Logger logger_;
    std::unique_ptr<pulsar::Producer> producer_;  // set before the function runs
    // Shared with receipts that come late.
    std::shared_ptr<std::atomic<std::uint64_t>> dropped_;
    std::mutex mutex_;
    // Guarded by mutex_.
    SteadyTime second_{};
    std::uint32_t lines_in_second_ = 0, left_out_ = 0;
};

}  // namespace weft::runtime
