// Does what hang.py does, in C++.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <weft/function.hpp>

namespace {

class Hang final : public weft::Function {
    void process(const weft::Message& in, weft::Context& context) override {
        if (in.payload() == "poison") {
            const std::filesystem::path attempts(context.user_config("attempts").value());
            std::ofstream(attempts, std::ios::app) << 'x';
            while (std::filesystem::file_size(attempts) <= 2) pause();
        }
        context.emit(in, std::string(in.payload()) + "!");
    }
};

}  // namespace

WEFT_FUNCTION(Hang)
