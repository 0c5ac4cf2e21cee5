#include "observe/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::observe {
namespace {

using ::testing::HasSubstr;

TEST(MetricsPage, the_samples_of_a_metric_stand_together_behind_its_type) {
    MetricsPage page;
    page.gauge("b", R"(x="1")", 2);
    page.counter("a_total", R"(x="1")", 3);
    page.gauge("b", R"(x="2")", 0.5);
    EXPECT_EQ(page.text(),
              "# TYPE a_total counter\na_total{x=\"1\"} 3\n"
              "# TYPE b gauge\nb{x=\"1\"} 2\nb{x=\"2\"} 0.5\n");
}

TEST(MetricsPage, what_a_label_may_not_hold_is_escaped) {
    EXPECT_EQ(escaped_label("a\"b\\c\nd"), R"(a\"b\\c\nd)");
}

TEST(MetricsPage, a_timing_has_quantiles_of_its_newest_values) {
    Timing timing;
    EXPECT_FALSE(timing.values().quantile(0.5));
    MetricsPage page;
    page.summary("t", R"(x="1")", timing);
    EXPECT_THAT(page.text(), HasSubstr("t{x=\"1\",quantile=\"0.5\"} NaN\n"));
    for (std::size_t i = 0; i < Timing::kNewestKept; ++i) timing.add(1h);  // fall out of the ring
    for (std::size_t i = 1; i <= Timing::kNewestKept; ++i) timing.add(i * 1ms);
    const auto values = timing.values();
    EXPECT_EQ(values.count, 2 * Timing::kNewestKept);
    EXPECT_EQ(values.quantile(0.5), 256);
    EXPECT_EQ(values.quantile(1.0), 512);
}

}  // namespace
}  // namespace weft::observe
