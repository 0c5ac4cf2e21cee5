// Readers: where they begin, what they see, and what they find after a cut.
#include "case.h"

namespace weft::client_cases {
namespace {

Result<std::unique_ptr<Reader>> reader(Context& c, const std::string& topic, MessageId start,
                                       bool inclusive = false) {
    ReaderOptions options;
    options.topic = topic;
    options.start = start;
    options.start_inclusive = inclusive;
    return Reader::create(c.client, options, soon());
}

Result<std::vector<std::string>> read_to_end(Reader& reader) {
    std::vector<std::string> all;
    while (true) {
        WEFT_TRY(const bool more, reader.has_message_available(soon()));
        if (!more) return all;
        WEFT_TRY(const auto message, reader.read_next(soon()));
        all.push_back(message.payload);
    }
}

Result<> from_latest(Context& c) {
    const std::string topic = c.topic("reader-latest");
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY_VOID(send_numbers(*out, 5, "old-"));
    WEFT_TRY(auto in, reader(c, topic, MessageId::latest()));
    WEFT_TRY(const bool before, in->has_message_available(soon()));
    EXPECT(!before);
    WEFT_TRY(auto with_last, reader(c, topic, MessageId::latest(), true));
    WEFT_TRY_VOID(send_numbers(*out, 3));
    WEFT_TRY(const auto all, read_to_end(*in));
    EXPECT(all == numbers(0, 3), joined(all));
    WEFT_TRY(const auto and_last, read_to_end(*with_last));
    EXPECT(and_last.size() == 4 && and_last[0] == "old-4", joined(and_last));
    return {};
}

Result<> from_inside_a_batch(Context& c) {
    const std::string topic = c.topic("reader-batch");
    WEFT_TRY(auto out, producer(c, topic));
    WEFT_TRY(auto id, send_batch(*out, 10));
    WEFT_TRY_VOID(send_numbers(*out, 2, "next-"));
    id.batch_index = 6;
    WEFT_TRY(auto after, reader(c, topic, id));
    WEFT_TRY(const auto behind, read_to_end(*after));
    EXPECT(behind == (std::vector<std::string>{"7", "8", "9", "next-0", "next-1"}), joined(behind));
    WEFT_TRY(auto with, reader(c, topic, id, true));
    WEFT_TRY(const auto from, read_to_end(*with));
    EXPECT(from.size() == 6 && from[0] == "6", joined(from));
    return {};
}

/// A cut in the middle: nothing twice, nothing lost.
Result<> goes_on_after_a_cut(Context& c) {
    const std::string topic = c.topic("reader-cut");
    WEFT_TRY(auto out, producer(c, topic));
    for (int i = 0; i < 20; ++i) WEFT_TRY_VOID(send_batch(*out, 10));
    WEFT_TRY(auto in, reader(c, topic, MessageId::earliest()));
    for (int i = 0; i < 200; ++i) {
        if (i == 57 || i == 140) {
            WEFT_TRY_VOID(in->has_message_available(soon()));  // it has recovered from the cut before
            WEFT_TRY_VOID(cut_connections(c.service_url));
        }
        WEFT_TRY(const auto message, in->read_next(soon()));
        EXPECT(message.payload == str_cat(i % 10), "at ", i, ": ", message.payload);
    }
    WEFT_TRY(const bool more, in->has_message_available(soon()));
    EXPECT(!more);
    return {};
}

Result<> put(Producer& out, std::string_view key, std::string_view value) {
    wire::OutgoingMessage message;
    message.partition_key = key;
    message.payload = value;
    message.null_value = value.empty();
    WEFT_TRY_VOID(out.send(message, soon()));
    return {};
}

Result<> table_view_has_the_newest(Context& c) {
    const std::string topic = c.topic("table");
    WEFT_TRY(auto out, producer(c, topic));
    for (const std::string_view value : {"old", "older than new"}) {
        for (const std::string_view key : {"a", "b", "c"}) WEFT_TRY_VOID(put(*out, key, value));
    }
    WEFT_TRY_VOID(put(*out, "b", "new"));
    WEFT_TRY_VOID(put(*out, "c", ""));
    WEFT_TRY_VOID(send_numbers(*out, 1));  // without a key: none of the table
    std::vector<std::string> changes;
    TableViewOptions options;
    options.topic = topic;
    options.changed = [&](const std::string& key, const std::string* value) {
        changes.push_back(str_cat(key, "=", value == nullptr ? "-" : *value));
    };
    WEFT_TRY(auto view, TableView::create(c.client, options, soon()));
    EXPECT(view->values() == (TableView::Values{{"a", "older than new"}, {"b", "new"}}));
    changes.clear();
    WEFT_TRY_VOID(put(*out, "a", ""));
    WEFT_TRY_VOID(cut_connections(c.service_url));
    WEFT_TRY_VOID(put(*out, "d", "last"));
    WEFT_TRY_VOID(view->refresh(soon()));
    EXPECT(changes == (std::vector<std::string>{"a=-", "d=last"}), joined(changes));
    EXPECT(view->values() == (TableView::Values{{"b", "new"}, {"d", "last"}}));
    options.changed = nullptr;
    options.bytes_max = 10;
    const auto small = TableView::create(c.client, options, soon());
    EXPECT(!small && small.error().code == ErrorCode::limit_reached);
    return view->close(soon());
}

}  // namespace

std::vector<Case> reader_cases() {
    return {{"reader_from_latest", from_latest},
            {"reader_from_inside_a_batch", from_inside_a_batch},
            {"reader_goes_on_after_a_cut", goes_on_after_a_cut},
            {"table_view_has_the_newest", table_view_has_the_newest}};
}

}  // namespace weft::client_cases
