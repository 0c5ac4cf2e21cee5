#pragma once
// Instance: one function at work in this process: its client, consumers, producers, host and record loop.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "host/host.h"
#include "pulsar/client.h"
#include "runtime/function_spec.h"
#include "runtime/function_stats.h"

namespace weft::runtime {

class FunctionLog;
class RecordLoop;
class Settlement;

class Instance final {
  public:
    /// `client` may be shared with others; null: it makes its own.
    explicit Instance(FunctionSpec spec, std::shared_ptr<pulsar::Client> client = nullptr);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    struct Events {
        std::function<void()> running;             // the first message can come
        std::function<void(const Error&)> failed;  // the function can't run; told as soon as it is known
        /// On the function thread, while it connects, before the function's code is loaded. What it returns
        /// is why it can't run.
        std::function<Result<>()> before_code = {};
        /// Before it subscribes, where the specification says that it asks; it waits for admit(), of this
        /// number or a later one. Any thread; must not block.
        std::function<void(Subscribing what, std::uint64_t number)> asks = {};
    };
    /// Loads the function, connects (trying again for as long as the broker is away), and processes until
    /// stop(). The caller's thread becomes the function thread.
    void run(const Events& events);
    /// Any thread, any time: what is under way is finished, until the deadline.
    void stop(Deadline drain);
    /// What it asked, up to this number, it may. Any thread.
    void admit(std::uint64_t number);

    // Any thread.
    /// What the function thread does, and about what: "message 5:3:-1:0 of persistent://...".
    struct Health {
        std::uint64_t steps = 0;  // differs from an earlier look if there was progress since
        bool in_user_code = false;
        std::string about;
    };
    Health health() const;
    void status(::proto::FunctionStatus& status) const;
    void metrics(::proto::MetricsData& metrics) const;

  private:
    Result<> load_and_run(const Events& events);
    Result<> connect();
    Result<> connect_once(Deadline deadline);
    Result<> wait_until_admitted();
    void ask(Subscribing what, std::function<void()> admitted);
    Result<> subscribe(std::uint32_t input, Deadline deadline);
    void wait_before_retry(Duration pause);
    Result<std::unique_ptr<host::Host>> load_host(const Events& events);
    void close(Deadline deadline);
    void set_state(bool running, std::string why_not);

    const FunctionSpec spec_;
    FunctionStats stats_;
    std::unique_ptr<FunctionLog> log_;
    std::shared_ptr<Settlement> settlement_;  // see Settlement
    std::shared_ptr<pulsar::Client> client_;
    std::unique_ptr<RecordLoop> loop_;          // set and reset under mutex_
    std::vector<struct InputConsumer> inputs_;  // while connecting
    std::unique_ptr<host::Host> host_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_.
    bool stopping_ = false;
    bool running_ = false;
    bool loaded_ = false;   // the function
    bool closing_ = false;  // who asks now gets no answer
    std::string why_not_running_ = "starting";
    std::function<void(Subscribing, std::uint64_t)> asks_;
    std::uint64_t asked_ = 0;
    std::map<std::uint64_t, std::function<void()>> waiting_;  // for admit(), by number
};

}  // namespace weft::runtime
