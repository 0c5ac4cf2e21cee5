// weft_client_driver SERVICE_URL: our own client behind the face of the table: JSON requests and answers, a
// line each (see face.py).

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <variant>

#include "face.h"
#include "observe/log.h"

namespace weft::client_table {
namespace {

constexpr int kThreads = 64;  // more than the calls that a run has under way

/// Requests from the input to the threads that perform them.
class Requests {
  public:
    void put(std::string line) {
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
        changed_.notify_one();
    }
    void end() {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        changed_.notify_all();
    }
    std::optional<std::string> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ended_ || !lines_.empty(); });
        if (lines_.empty()) return std::nullopt;
        auto line = std::move(lines_.front());
        lines_.pop_front();
        return line;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> lines_;
    bool ended_ = false;
};

json answer_to(Face& face, const std::string& line) {
    const auto request = json::parse(line);
    json answer{{"id", request["id"]}};
    auto outcome = face.perform(request);
    if (outcome) {
        answer["ok"] = outcome->is_null() ? json::object() : std::move(*outcome);
    } else if (outcome.error().code == ErrorCode::not_supported) {
        answer["unsupported"] = outcome.error().message;
    } else {
        answer["error"] = {{"name", name_of(outcome.error().code)}, {"text", outcome.error().message}};
    }
    return answer;
}

int run(const char* service_url) {
    pulsar::ClientOptions options;
    options.service_url = service_url;
    auto client = pulsar::Client::create(options);
    if (!client) {
        std::cerr << client.error().message << '\n';
        return 2;
    }
    Face face(**client);
    Requests requests;
    std::mutex writing;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                while (const auto line = requests.take()) {
                    const auto text = answer_to(face, *line).dump() + "\n";
                    const std::lock_guard lock(writing);
                    std::fwrite(text.data(), 1, text.size(), stdout);
                    std::fflush(stdout);
                }
            });
        }
        std::string line;
        while (std::getline(std::cin, line)) requests.put(std::move(line));
        requests.end();
    }
    return 0;
}

}  // namespace
}  // namespace weft::client_table

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: weft_client_driver SERVICE_URL\n";
        return 2;
    }
    weft::observe::set_level(weft::observe::Level::warn);
    return weft::client_table::run(argv[1]);
}
