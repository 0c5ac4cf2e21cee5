#pragma once
// TableView: the newest value of each key of a topic, as of when it was last brought up to date. Blocking;
// one thread at a time.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pulsar/reader.h"

namespace weft::pulsar {

struct TableViewOptions {
    std::string topic;
    std::string name;                      // prefix of the reader's subscription
    std::uint64_t bytes_max = 256U << 20;  // keys and values; what goes over it is `limit_reached`
    /// Called for each change in its order, within create() and refresh(); no value: the key was removed.
    std::function<void(const std::string& key, const std::string* value)> changed;
};

class TableView final {
  public:
    using Values = std::map<std::string, std::string, std::less<>>;

    /// Reads the topic to its end. Where the broker has compacted it, only what is newest is read, and this
    /// takes no longer for a longer history.
    static Result<std::unique_ptr<TableView>> create(Client& client, TableViewOptions options,
                                                     Deadline deadline);
    /// Takes in what has come since, to the topic's end. May be tried again after an error, but for
    /// `limit_reached`: that stays.
    Result<> refresh(Deadline deadline);
    const std::string& topic() const { return reader_->topic(); }
    const Values& values() const { return values_; }
    Result<> close(Deadline deadline) { return reader_->close(deadline); }

  private:
    TableView(std::unique_ptr<Reader> reader, TableViewOptions options)
        : reader_(std::move(reader)), options_(std::move(options)) {}
    void apply(const Message& message);

    std::unique_ptr<Reader> reader_;
    const TableViewOptions options_;
    Values values_;
    std::uint64_t bytes_ = 0;
    std::optional<Error> over_limit_;
};

}  // namespace weft::pulsar
