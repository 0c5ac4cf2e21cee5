#include "observe/metrics_page.h"

namespace weft::observe {

std::string escaped_label(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out.push_back('\\');
        if (c == '\n') {
            out += "\\n";
        } else {
            out.push_back(c);
        }
    }
    return out;
}

std::string& MetricsPage::lines_of(std::string_view name, std::string_view type) {
    auto found = metrics_.find(name);
    if (found == metrics_.end())
        found = metrics_.emplace(std::string(name), str_cat("# TYPE ", name, ' ', type, '\n')).first;
    return found->second;
}

void MetricsPage::add(std::string_view name, std::string_view type, std::string_view labels,
                      std::string_view value) {
    str_append(lines_of(name, type), name, '{', labels, "} ", value, '\n');
}

void MetricsPage::summary(std::string_view name, std::string_view labels, double sum, double count) {
    str_append(lines_of(name, "summary"), name, "_count{", labels, "} ", count, '\n', name, "_sum{", labels,
               "} ", sum, '\n');
}

void MetricsPage::summary(std::string_view name, std::string_view labels, const Timing& timing) {
    const Timing::Values values = timing.values();
    std::string& lines = lines_of(name, "summary");
    for (const auto& [quantile, label] :
         {std::pair(0.5, "0.5"), std::pair(0.9, "0.9"), std::pair(1.0, "1.0")}) {
        str_append(lines, name, '{', labels, ",quantile=\"", label, "\"} ");
        const auto value = values.quantile(quantile);
        value ? str_append(lines, *value, '\n') : str_append(lines, "NaN\n");
    }
    summary(name, labels, values.sum_ms, static_cast<double>(values.count));
}

std::string MetricsPage::text() const {
    std::string all;
    for (const auto& [name, lines] : metrics_) all += lines;
    return all;
}

}  // namespace weft::observe
