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

void FunctionLog::print(int level, std::string_view text) const {
    switch (level) {
        case 0:
            return logger_.debug(text);
        case 1:
            return logger_.info(text);
        case 2:
            return logger_.warn(text);
        default:
            return logger_.error(text);
    }
}

void FunctionLog::write_to_stderr(int level, std::string_view text) {
    std::uint32_t left_out = 0;
    {
        const std::lock_guard lock(mutex_);
        if (const SteadyTime now = steady_now(); now - second_ >= 1s) {
            second_ = now;
            lines_in_second_ = 0;
            left_out = std::exchange(left_out_, 0);
        }
        if (++lines_in_second_ > kLinesPerSecondMax) {
            ++left_out_;
            return;
        }
    }
    if (left_out != 0)
        print(2, str_cat(left_out, " lines were left out here, more than are shown in a second"));
    print(level, text);
}

void FunctionLog::write(int level, std::string_view text) {
    level = std::clamp(level, 0, 3);
    text = text.substr(0, kLineBytesMax);
    write_to_stderr(level, text);
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
