// Does what mixed.py does, in C++.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <weft/function.hpp>

namespace {

class Mixed final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        if (in.payload() == "abort") {
            const std::filesystem::path marker(context.user_config("marker").value());
            if (!std::filesystem::exists(marker)) {
                std::ofstream(marker).close();
                std::abort();
            }
        }
        const int n = std::stoi(std::string(in.property("n").value()));
        if (n % 10 == 3) return;
        if (n % 1000 == 7) {
            if (failed_.insert(n).second) throw std::runtime_error("planted " + std::to_string(n));
            context.logger().info("again " + std::to_string(n));
        }
        const std::string number = std::to_string(n);
        if (n % 100 == 5) {
            const std::string text = "extra " + number;
            weft::Output extra{text};
            extra.key = "x";
            extra.properties = {{"n", number}};
            context.publish(in, context.user_config("extra").value(), extra);
        }
        context.emit(in, std::string(in.payload()) + "!");
    }
    std::set<int> failed_;
};

}  // namespace

WEFT_FUNCTION(Mixed)
