#pragma once
// Structured logs on standard error: one line an event, `time LEVEL component: what key=value ...`.
// error = someone must act; warn = degraded, heals itself; info = a state changed; debug = per request.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/str_cat.h"

namespace weft::observe {

enum class Level : std::uint8_t { debug, info, warn, error, off };

/// Lines below this level are dropped, for the whole process; `info` at start. Any thread.
void set_level(Level level);
bool enabled(Level level);
/// Sends lines to a file descriptor other than standard error (-1: back). Any thread.
void set_sink(int fd);

/// One key and its value, turned into text only when the line is written.
struct Field {
    std::string_view key;
    std::string value;
    template <class Value>
    Field(std::string_view k, const Value& v) : key(k), value(str_cat(v)) {}
};

/// A named voice: cheap to copy, safe from any thread. Never in a hot path.
class Logger {
  public:
    /// `component` must outlive the logger (a literal); `subject` (a topic, a function) is put into every
    /// line.
    explicit Logger(std::string_view component, std::string subject = {})
        : component_(component), subject_(std::move(subject)) {}

    using Fields = std::initializer_list<Field>;
    void debug(std::string_view what, Fields fields = {}) const { write(Level::debug, what, fields); }
    void info(std::string_view what, Fields fields = {}) const { write(Level::info, what, fields); }
    void warn(std::string_view what, Fields fields = {}) const { write(Level::warn, what, fields); }
    void error(std::string_view what, Fields fields = {}) const { write(Level::error, what, fields); }

  private:
    void write(Level level, std::string_view what, Fields fields) const;
    std::string_view component_;
    std::string subject_;
};

}  // namespace weft::observe
