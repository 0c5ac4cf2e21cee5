// Does what copy_text.py does.

#include <weft/function.hpp>

class CopyText final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override { context.emit(in, in.payload()); }
};

WEFT_FUNCTION(CopyText)
