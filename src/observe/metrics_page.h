#pragma once
// A page of metrics in Prometheus' text format (0.0.4): the samples of a metric stand together, as the format
// wants it.

#include <map>
#include <string>
#include <string_view>

#include "base/str_cat.h"
#include "observe/timing.h"

namespace weft::observe {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// A label's value, escaped.
std::string escaped_label(std::string_view text);

class MetricsPage {
  public:
    /// `labels`: a="b",c="d".
    template <class Number>
    void gauge(std::string_view name, std::string_view labels, Number value) {
        add(name, "gauge", labels, str_cat(value));
    }
    /// `name` ends with _total.
    template <class Number>
    void counter(std::string_view name, std::string_view labels, Number value) {
        add(name, "counter", labels, str_cat(value));
    }
    void summary(std::string_view name, std::string_view labels, double sum, double count);
    /// With the quantiles of its newest values.
    void summary(std::string_view name, std::string_view labels, const Timing& timing);
    std::string text() const;

  private:
    void add(std::string_view name, std::string_view type, std::string_view labels, std::string_view value);
    std::string& lines_of(std::string_view name, std::string_view type);
    std::map<std::string, std::string, std::less<>> metrics_;
};

}  // namespace weft::observe
