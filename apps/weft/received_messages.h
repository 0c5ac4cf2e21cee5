#pragma once
// What pulsar-client's `consume` and `read` have in common: options, their bounds, and how messages are
// shown.

#include <functional>
#include <string>

#include "config/options.h"
#include "pulsar/client.h"

namespace weft::app {

inline constexpr config::Option kAutoAckChunkOption = {
    .names = "-ac, --auto_ack_chunk_q_full",
    .help = "Auto ack for oldest message on queue is full",
    .unsupported = "leave it out: chunked messages are not read"};
inline constexpr config::Option kCryptoFailureOption = {
    .names = "-ca, --crypto-failure-action",
    .value = "cryptoFailureAction",
    .help = "Crypto Failure Action",
    .unsupported = "leave it out: encrypted messages are shown as they are"};
inline constexpr config::Option kDecryptionKeyOption = {.names = "-ekv, --encryption-key-value",
                                                        .value = "encKeyValue",
                                                        .help = "The URI of private key to decrypt payload",
                                                        .unsupported = "decrypt the content after weft"};
inline constexpr config::Option kHexOption = {.names = "--hex", .help = "Display binary messages in hex."};
inline constexpr config::Option kHideContentOption = {.names = "--hide-content",
                                                      .help = "Do not write the message to console."};
inline constexpr config::Option kMaxChunkedOption = {
    .names = "-mc, --max_chunked_msg",
    .value = "maxPendingChunkedMessage",
    .help = "Max pending chunk messages",
    .unsupported = "leave it out: chunked messages are not read"};
inline constexpr config::Option kMetadataOption = {.names = "-mp, --print-metadata",
                                                   .help = "Message metadata"};
inline constexpr config::Option kPoolMessagesOption = {.names = "-pm, --pool-messages",
                                                       .value = "poolMessages",
                                                       .help = "Use the pooled message",
                                                       .unsupported = "leave it out: there is no such pool"};

/// What is wrong with --num-messages or --queue-size; empty: nothing.
std::string wrong_amount(const config::Arguments& arguments);

/// Shows what comes, as the arguments say it, until there were --num-messages of them (0: for ever); their
/// number. `next` waits for the next message, `shown` is called when one was shown.
Result<std::uint64_t> show_messages(const config::Arguments& arguments,
                                    const std::function<Result<pulsar::Message>(Deadline)>& next,
                                    const std::function<void(const pulsar::Message&)>& shown);

}  // namespace weft::app
