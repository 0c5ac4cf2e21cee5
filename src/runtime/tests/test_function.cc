// Functions that the supervisor's test loads.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <weft/function.hpp>

namespace {

class Idle : public weft::Function {
    void process(const weft::Message&, weft::Context&) override {}
};

class Abort final : public Idle {
    void setup(weft::Context&) override {
        std::fprintf(stderr, "last words\n");
        std::abort();
    }
};

class Hang final : public Idle {
    void setup(weft::Context&) override {
        for (;;) pause();
    }
};

}  // namespace

WEFT_FUNCTION(Idle)
WEFT_FUNCTION(Abort)
WEFT_FUNCTION(Hang)
