// The first step of the demo: a line of flights.csv in, a clean flight as JSON out, keyed by carrier and
// destination. Cancelled flights (they never departed) are dropped. A line that is no flight fails, by name
// of what is wrong with it.

#include <weft/function.hpp>

#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

enum Column : unsigned {
    year,
    month,
    day,
    dep_time,
    sched_dep_time,
    dep_delay,
    arr_time,
    sched_arr_time,
    arr_delay,
    carrier,
    flight,
    tailnum,
    origin,
    dest,
    air_time,
    distance,
    hour,
    minute,
    time_hour,
    kColumns
};
using Row = std::array<std::string_view, kColumns>;
constexpr std::string_view kMissing = "NA";

Row split(std::string_view line) {
    Row row;
    unsigned count = 0;
    for (std::size_t at = 0; at <= line.size(); ++count) {
        const std::size_t end = std::min(line.find(',', at), line.size());
        if (count < kColumns) row[count] = line.substr(at, end - at);
        at = end + 1;
    }
    if (count != kColumns) {
        throw std::invalid_argument("a flight has " + std::to_string(+kColumns) + " columns, this line has " +
                                    std::to_string(count) + ": " + std::string(line));
    }
    return row;
}

/// A number, or nothing where the data has none.
std::optional<int> number(const Row& row, Column column, std::string_view name) {
    const std::string_view text = row[column];
    if (text == kMissing) return std::nullopt;
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        throw std::invalid_argument(std::string(name) + " is no number: " + std::string(text));
    return value;
}

std::string_view code(const Row& row, Column column, std::string_view name) {
    const std::string_view text = row[column];
    for (const char c : text) {
        if ((c < 'A' || c > 'Z') && (c < '0' || c > '9'))
            throw std::invalid_argument(std::string(name) + " is no code: " + std::string(text));
    }
    if (text.empty()) throw std::invalid_argument(std::string(name) + " is missing");
    return text;
}

class CleanFlights final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        const Row row = split(in.payload());
        if (row[dep_time] == kMissing) return;

        json_.clear();
        add_text("carrier", code(row, carrier, "carrier"));
        add_text("origin", code(row, origin, "origin"));
        add_text("dest", code(row, dest, "dest"));
        add_number("month", number(row, month, "month"));
        add_number("day", number(row, day, "day"));
        add_number("flight", number(row, flight, "flight"));
        add_number("distance", number(row, distance, "distance"));
        add_number("dep_delay", number(row, dep_delay, "dep_delay"));
        add_number("arr_delay", number(row, arr_delay, "arr_delay"));  // null: diverted
        json_ += '}';
        key_.assign(row[carrier]).append("-").append(row[dest]);
        context.emit(in, weft::Output{json_, key_});
    }

    void name(std::string_view field) {
        json_.append(json_.empty() ? "{\"" : ",\"").append(field).append("\":");
    }
    void add_text(std::string_view field, std::string_view value) {
        name(field);
        json_.append("\"").append(value).append("\"");
    }
    void add_number(std::string_view field, std::optional<int> value) {
        name(field);
        json_ += value ? std::to_string(*value) : "null";
    }

    std::string json_, key_;  // kept, so that their memory is used again
};

}  // namespace

WEFT_FUNCTION(CleanFlights)
