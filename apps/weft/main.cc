// The weft program.

#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "completion.h"
#include "dispatch.h"
#include "first_process.h"
#include "registry.h"
#include "runtime/instance_main.h"

namespace {

int run(int argc, char** argv) {
    if (argc >= 2 && argv[1] == std::string_view("instance")) return weft::runtime::run_instance();
    const std::vector<std::string> all(argv + 1, argv + argc);
    const weft::app::Words words(all);
    const weft::app::Face& face = weft::app::face_called(argc > 0 ? argv[0] : "weft");
    if (!all.empty() && all.front() == "complete") return weft::app::print_candidates(face, words.subspan(1));
    return weft::app::dispatch(face, words);
}

}  // namespace

int main(int argc, char** argv) {
    if (getpid() != 1) return run(argc, argv);
    return weft::app::as_first_process([=] { return run(argc, argv); });
}
