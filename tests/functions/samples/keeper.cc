// Has a secret, and shows a sum of it: that it is the right one can be seen, the secret can't.

#include <weft/function.hpp>

#include <cstdint>

struct Keeper : weft::Function {
    void process(const weft::Message& message, weft::Context& context) override {
        const auto secret = context.secret("db");
        if (!secret) return context.emit(message, "none");
        std::uint64_t sum = 14695981039346656037U;  // FNV-1a
        for (const char c : *secret) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
        context.logger().info("a secret of " + std::to_string(secret->size()) + " characters");
        context.emit(message, std::to_string(sum));
    }
};
WEFT_FUNCTION(Keeper)
