#pragma once
// Face: the operations of the table's face over our client. Any thread.

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <variant>

#include "pulsar/client.h"
#include "pulsar/reader.h"

namespace weft::client_table {

using json = nlohmann::json;

class Face {
  public:
    explicit Face(pulsar::Client& client) : client_(client) {}
    /// `not_supported` says what the client doesn't have.
    Result<json> perform(const json& request);

  private:
    struct Place {
        pulsar::MessageId id;
        std::uint32_t batch_size = 0;
    };
    struct Handle {
        std::unique_ptr<pulsar::Producer> producer;
        std::unique_ptr<pulsar::Consumer> consumer;
        std::unique_ptr<pulsar::Reader> reader;
        std::uint32_t batch_max = 0;  // of a producer; 0: no batches
        wire::Compression compression = wire::Compression::none;
        bool shared = false;      // a consumer that others may stand beside: no cumulative acks
        std::string schema_type;  // empty: bytes
    };

    Result<json> producer(const json& r);
    Result<json> send(const json& r);
    Result<> send_one(Handle& handle, const json& message,
                      std::function<void(Result<pulsar::MessageId>)> done);
    Result<json> send_batches(Handle& handle, const json& messages);
    Result<json> consumer(const json& r);
    Result<json> reader(const json& r);
    Result<json> receive(const json& r);
    Result<json> acknowledge(const json& r);
    Result<json> seek(const json& r);
    Result<json> close(const json& r);
    Result<json> partitions(const json& r);
    Result<> is_one_partition(const std::string& topic);
    json keep(Handle handle);
    std::shared_ptr<Handle> handle(const json& r);
    json told(const pulsar::MessageId& id, std::uint32_t batch_size);
    json told(const pulsar::Message& message, const std::string& schema_type);
    Place place(const json& where);

    pulsar::Client& client_;
    std::mutex mutex_;  // guards the rest; the things themselves are used outside it
    int next_ = 0;
    std::unordered_map<int, std::shared_ptr<Handle>> handles_;
    std::unordered_map<int, Place> places_;
};

}  // namespace weft::client_table
