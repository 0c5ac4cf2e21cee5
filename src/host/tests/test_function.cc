// Functions that the native host's test loads.

#include <stdexcept>
#include <weft/function.hpp>

namespace {

class Echo final : public weft::Function {
    void setup(weft::Context& context) override {
        prefix_ = context.user_config("prefix").value_or("");
        if (prefix_ == "refuse") throw std::runtime_error("told to refuse");
    }
    void process(const weft::Message& in, weft::Context& context) override {
        if (in.payload() == "throw") throw std::out_of_range("planted");
        if (in.payload() == "drop") return;
        if (in.payload() == "elsewhere") {
            context.publish(in, "other", weft::Output{in.payload(), "k", std::nullopt, {{"a", "b"}}});
            context.logger().warn("went elsewhere");
            return;
        }
        context.emit(in, prefix_ + std::string(in.payload()));
    }
    std::string prefix_;
};

class Whole final : public weft::Function {
    void process(const weft::Message&, weft::Context&) override {}
    void process_batch(const weft::Batch& batch, weft::Context& context) override {
        for (const weft::Message in : batch) {
            if (in.payload() == "throw") throw 42;
        }
        context.record_metric("batch", batch.size());
    }
};

}  // namespace

WEFT_FUNCTION(Echo)
WEFT_FUNCTION(Whole)
