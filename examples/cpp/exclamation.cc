// Appends an exclamation mark to each message.

#include <weft/function.hpp>

class Exclamation final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        text_.assign(in.payload()).push_back('!');
        context.emit(in, text_);
    }
    std::string text_;  // kept, so that its memory is used again
};

WEFT_FUNCTION(Exclamation)
