#pragma once
// Completion of command lines in bash and zsh. The shells ask the program itself, so what they offer is what
// it takes.

#include <string>
#include <vector>

#include "command.h"

namespace weft::app {

struct Candidate {
    std::string text, help;
    bool operator==(const Candidate&) const = default;
};

/// What may stand in place of the last of the words behind the program's name. Nothing: a file, or anything.
std::vector<Candidate> candidates_of(const Face& face, Words words);

/// `weft complete SHELL WORDS...`, which the scripts call: prints the candidates.
int print_candidates(const Face& face, Words words);

}  // namespace weft::app
