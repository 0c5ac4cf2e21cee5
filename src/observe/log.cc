#include "observe/log.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>

namespace weft::observe {

namespace {
std::atomic<Level> g_level{Level::info};  // the process's one log level and sink: set by main
std::atomic<int> g_sink{-1};

constexpr std::string_view kNames[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void append_time(std::string& line) {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
    line.append(text, size);
    if (ms < 100) line.push_back('0');
    if (ms < 10) line.push_back('0');
    str_append(line, ms, 'Z');
}

// Values with blanks or quotes are quoted, and line ends are escaped: a value can't forge a line.
void append_value(std::string& line, std::string_view value) {
    if (!value.empty() && value.find_first_of(" \"\n\r\t=") == std::string_view::npos) {
        line.append(value);
        return;
    }
    line.push_back('"');
    for (const char c : value) {
        switch (c) {
            case '"':
                line.append("\\\"");
                break;
            case '\n':
                line.append("\\n");
                break;
            case '\r':
                line.append("\\r");
                break;
            default:
                line.push_back(c);
        }
    }
    line.push_back('"');
}
}  // namespace

void set_level(Level level) { g_level.store(level, std::memory_order_relaxed); }
bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }
void set_sink(int fd) { g_sink.store(fd, std::memory_order_relaxed); }

void Logger::write(Level level, std::string_view what, Fields fields) const {
    if (!enabled(level)) return;
    std::string line;
    line.reserve(256);
    append_time(line);
    str_append(line, ' ', kNames[static_cast<std::size_t>(level)], ' ', component_);
    if (!subject_.empty()) str_append(line, '[', subject_, ']');
    str_append(line, ": ", what);
    for (const Field& field : fields) {
        str_append(line, ' ', field.key, '=');
        append_value(line, field.value);
    }
    line.push_back('\n');
    const int sink = g_sink.load(std::memory_order_relaxed);
    // A log line that can't be written has nowhere to be reported.
    [[maybe_unused]] const auto written = ::write(sink < 0 ? STDERR_FILENO : sink, line.data(), line.size());
}

}  // namespace weft::observe
