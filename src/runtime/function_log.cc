#include "runtime/function_log.h"

#include <algorithm>
#include <array>

namespace weft::runtime {
namespace {
constexpr std::array<std::string_view, 4> kLevels = {"DEBUG", "INFO", "WARN", "ERROR"};
}

FunctionLog::FunctionLog(std::string fqfn, std::int32_t instance_id)
    : fqfn_(std::move(fqfn)),
      instance_id_(str_cat(instance_id)),
      logger_("function", str_cat(fqfn_, ":", instance_id_)),
      dropped_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

FunctionLog::~FunctionLog() = default;

void FunctionLog::write(int level, std::string_view text) {
    level = std::clamp(level, 0, 3);
    text = text.substr(0, kLineBytesMax);
    switch (level) {
        case 0:
            logger_.debug(text);
            break;
        case 1:
            logger_.info(text);
            break;
        case 2:
            logger_.warn(text);
            break;
        default:
            logger_.error(text);
            break;
    }
    if (producer_ == nullptr) return;
    const std::array<wire::Property, 3> properties = {
        {{"loglevel", kLevels[static_cast<std::size_t>(level)]}, {"instance", instance_id_}, {"fqn", fqfn_}}};
    wire::OutgoingMessage message;
    message.payload = text;
    message.properties = properties;
    auto receipt = [dropped = dropped_](const Result<wire::MessageId>& id) {
        if (!id) dropped->fetch_add(1, std::memory_order_relaxed);
    };
    if (!producer_->send_async(message, std::move(receipt), Deadline::after(0s))) dropped_->fetch_add(1);
}

void FunctionLog::close(Deadline deadline) {
    if (producer_ == nullptr) return;
    (void)producer_->flush(deadline);
    (void)producer_->close(deadline);
    if (dropped() != 0) logger_.warn("lines were dropped from the log topic", {{"lines", dropped()}});
}

}  // namespace weft::runtime
