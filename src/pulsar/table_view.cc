#include "pulsar/table_view.h"

namespace weft::pulsar {

Result<std::unique_ptr<TableView>> TableView::create(Client& client, TableViewOptions options,
                                                     Deadline deadline) {
    ReaderOptions from_the_beginning;
    from_the_beginning.topic = options.topic;
    from_the_beginning.name = options.name.empty() ? "table-view" : options.name;
    from_the_beginning.start = MessageId::earliest();
    from_the_beginning.read_compacted = true;
    WEFT_TRY(auto reader, Reader::create(client, std::move(from_the_beginning), deadline));
    auto view = std::unique_ptr<TableView>(new TableView(std::move(reader), std::move(options)));
    WEFT_TRY_VOID(view->refresh(deadline));
    return view;
}

Result<> TableView::refresh(Deadline deadline) {
    while (true) {
        if (over_limit_) return std::unexpected(*over_limit_);
        WEFT_TRY(const bool more, reader_->has_message_available(deadline));
        if (!more) return {};
        WEFT_TRY(const auto message, reader_->read_next(deadline));
        apply(message);
    }
}

/// As Pulsar's compaction goes about it: without a key it says nothing, without a payload it removes.
void TableView::apply(const Message& message) {
    if (!message.key) return;
    const auto found = values_.find(*message.key);
    const std::uint64_t before = found == values_.end() ? 0 : found->first.size() + found->second.size();
    if (message.null_value || message.payload.empty()) {
        if (found == values_.end()) return;
        values_.erase(found);
        bytes_ -= before;
        if (options_.changed) options_.changed(*message.key, nullptr);
        return;
    }
    const std::uint64_t after = bytes_ - before + message.key->size() + message.payload.size();
    if (after > options_.bytes_max) {
        over_limit_ =
            Error{ErrorCode::limit_reached,
                  str_cat("table view of topic ", options_.topic, ": more than ", options_.bytes_max,
                          " bytes of keys and values (bytes_max), at key ", *message.key)};
        return;
    }
    bytes_ = after;
    const auto& value = values_.insert_or_assign(*message.key, message.payload).first->second;
    if (options_.changed) options_.changed(*message.key, &value);
}

}  // namespace weft::pulsar
