#include "pulsar/detail/failure.h"

#include <array>

namespace weft::pulsar::detail {

namespace {

struct Row {
    std::string_view name;
    ErrorCode code;
    Retry retry;
};

// Index = number of PulsarApi's ServerError.
constexpr std::array kServerErrors = {
    Row{"UnknownError", ErrorCode::unavailable, Retry::on_reconnect},
    Row{"MetadataError", ErrorCode::unavailable, Retry::always},
    Row{"PersistenceError", ErrorCode::unavailable, Retry::always},
    Row{"AuthenticationError", ErrorCode::unauthorized, Retry::on_reconnect},
    Row{"AuthorizationError", ErrorCode::unauthorized, Retry::never},
    Row{"ConsumerBusy", ErrorCode::conflict, Retry::on_reconnect},
    Row{"ServiceNotReady", ErrorCode::unavailable, Retry::always},
    Row{"ProducerBlockedQuotaExceededError", ErrorCode::limit_reached, Retry::on_reconnect},
    Row{"ProducerBlockedQuotaExceededException", ErrorCode::limit_reached, Retry::on_reconnect},
    Row{"ChecksumError", ErrorCode::corrupt, Retry::on_reconnect},
    Row{"UnsupportedVersionError", ErrorCode::not_supported, Retry::never},
    Row{"TopicNotFound", ErrorCode::not_found, Retry::never},
    Row{"SubscriptionNotFound", ErrorCode::not_found, Retry::never},
    Row{"ConsumerNotFound", ErrorCode::not_found, Retry::on_reconnect},
    Row{"TooManyRequests", ErrorCode::limit_reached, Retry::always},
    Row{"TopicTerminatedError", ErrorCode::precondition_failed, Retry::never},
    Row{"ProducerBusy", ErrorCode::conflict, Retry::on_reconnect},
    Row{"InvalidTopicName", ErrorCode::invalid_argument, Retry::never},
    Row{"IncompatibleSchema", ErrorCode::precondition_failed, Retry::never},
    Row{"ConsumerAssignError", ErrorCode::conflict, Retry::on_reconnect},
    Row{"TransactionCoordinatorNotFound", ErrorCode::not_supported, Retry::never},
    Row{"InvalidTxnStatus", ErrorCode::not_supported, Retry::never},
    Row{"NotAllowedError", ErrorCode::precondition_failed, Retry::never},
    Row{"TransactionConflict", ErrorCode::conflict, Retry::never},
    Row{"TransactionNotFound", ErrorCode::not_found, Retry::never},
    Row{"ProducerFenced", ErrorCode::conflict, Retry::never},
};

// Said with a code that is tried again otherwise, and nothing but a change of the namespace helps.
constexpr std::string_view kForeignNamespace = "Namespace missing local cluster name";

}  // namespace

Error migrated(std::string_view topic, std::string_view cluster_url) {
    return {ErrorCode::not_supported,
            str_cat("topic ", topic, " was migrated to the cluster at ", cluster_url,
                    "; this client does not follow it there: set its service URL to that cluster")};
}

Failure from_server(int server_error, std::string_view message, std::string_view what) {
    const bool known = server_error >= 0 && static_cast<std::size_t>(server_error) < kServerErrors.size();
    const Row& row = kServerErrors[known ? static_cast<std::size_t>(server_error) : 0];
    Error error{row.code, str_cat(what, ": the broker answered ", row.name, ": ", message)};
    if (message.contains(kForeignNamespace)) return Failure{std::move(error), Retry::on_reconnect};
    return Failure{std::move(error), row.retry};
}

}  // namespace weft::pulsar::detail
