#pragma once
// How far long work is, on one line of standard error that is written over; nothing unless that is a
// terminal.

#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/clock.h"
#include "base/str_cat.h"

namespace weft::app {

class ProgressLine {
  public:
    /// `shared`: messages go to standard output meanwhile. On the same terminal they say enough.
    enum class Output : std::uint8_t { quiet, shared };
    explicit ProgressLine(Output output = Output::quiet)
        : on_(::isatty(STDERR_FILENO) == 1 && (output == Output::quiet || ::isatty(STDOUT_FILENO) == 0)) {}
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// Ten times a second at most; the first at once.
    void show(const std::string& text) {
        if (is_due()) write(text);
    }
    /// The same for each of many messages; `wanted` 0: nobody knows how many. Makes a text only to show it.
    void show_count(std::uint64_t done, std::uint64_t wanted) {
        if (!is_due()) return;
        write(wanted == 0 ? str_cat(done, " messages") : str_cat(done, " of ", wanted, " messages"));
    }
    void clear() {
        if (shown_) std::fputs("\r\033[K", stderr);
        shown_ = false;
    }

  private:
    bool is_due() const { return on_ && (!shown_ || steady_now() - last_ >= kEvery); }
    void write(const std::string& text) {
        last_ = steady_now();
        shown_ = true;
        std::fprintf(stderr, "\r\033[K%s", text.c_str());
    }

    static constexpr auto kEvery = 100ms;
    const bool on_;
    bool shown_ = false;
    SteadyTime last_;
};

}  // namespace weft::app
