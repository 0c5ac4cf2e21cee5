#include "manual.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "commands.h"

namespace weft::app {

namespace {

constexpr std::string_view kExitStatus[][2] = {
    {"0", "It was done."},
    {"1",
     "It failed; standard error says what, on what and why. In the groups that pulsar-admin has, also: the "
     "command line is wrong."},
    {"2", "The command line is wrong."},
};

bool is_shown(const Entry& entry) { return !entry.hidden && entry.unsupported.empty(); }

std::string unsupported_of(const Group& group) {
    std::string out;
    for (const Entry& entry : group.entries) {
        if (!entry.unsupported.empty()) str_append(out, out.empty() ? "" : ", ", entry.word);
    }
    return out;
}

// --- man

std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
            out.push_back(c);
        }
    }
    return out;
}

class Page {
  public:
    Page(std::string name, std::string_view summary, std::string_view version) {
        std::string title = name;
        std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
        str_append(text_, ".TH ", roff(title), " 1 \"\" \"", roff(version), "\"\n.SH NAME\n", roff(name),
                   " \\- ", roff(summary), '\n');
    }
    void section(std::string_view title) { str_append(text_, ".SH ", title, '\n'); }
    void subsection(std::string_view title) { str_append(text_, ".SS ", roff(title), '\n'); }
    void line(std::string_view text) { str_append(text_, roff(text), '\n'); }
    void item(std::string_view term, std::string_view text) {
        str_append(text_, ".TP\n\\fB", roff(term), "\\fR\n", roff(text), '\n');
    }
    void options(std::span<const config::Option> options) {
        for (const config::Option& option : options) {
            std::string term = str_cat("\\fB", roff(option.names), "\\fR");
            if (!option.value.empty()) str_append(term, " \\fI", roff(option.value), "\\fR");
            const std::string text = config::description_of(option);
            str_append(text_, ".TP\n", term, '\n', roff(text.empty() ? "See Pulsar's manual." : text), '\n');
        }
    }
    void verbatim(std::string_view lines) { str_append(text_, ".nf\n", roff(lines), ".fi\n"); }
    void end(std::string_view see_also) {
        section("EXIT STATUS");
        for (const auto& [code, text] : kExitStatus) item(code, text);
        if (see_also.empty()) return;
        section("SEE ALSO");
        line(see_also);
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

std::string group_page(const Face& face, const Group& group) {
    Page page(str_cat(face.name, '-', group.word), group.summary, face.version);
    page.section("SYNOPSIS");
    page.line(str_cat(face.name, ' ', group.word, " COMMAND [OPTIONS]"));
    page.section("COMMANDS");
    bool shared = false;
    for (const Entry& entry : group.entries) {
        if (!is_shown(entry)) continue;
        shared = shared || entry.takes != Takes::nothing;
        page.subsection(config::synopsis_of(command_of(full_name(face, group, entry), entry)));
        page.line(entry.summary);
        page.options(entry.options);
    }
    if (shared) {
        page.section("OPTIONS OF ALL COMMANDS");
        page.options(face.globals);
    }
    if (const std::string missing = unsupported_of(group); !missing.empty()) {
        page.section("NOT SUPPORTED");
        page.line(str_cat("Known to Pulsar's tool and refused by name: ", missing, "."));
    }
    if (!group.examples.empty()) {
        page.section("EXAMPLES");
        page.verbatim(group.examples);
    }
    page.end(str_cat(face.name, "(1)"));
    return page.take();
}

std::string alone_page(const Face& face, const Group& group, const Entry& entry) {
    const std::string name = full_name(face, group, entry);
    Page page(str_cat(face.name, '-', entry.word), entry.summary, face.version);
    const config::Command command = command_of(name, entry);
    page.section("SYNOPSIS");
    page.line(config::synopsis_of(command));
    page.section("OPTIONS");
    page.options(command.options);
    page.options(command.global);
    page.item("-h, --help", "Show this help message and exit.");
    page.end(str_cat(face.name, "(1)"));
    return page.take();
}

std::string face_page(const Face& face, const std::map<std::string, std::string>& others) {
    Page page(std::string(face.name), face.summary, face.version);
    page.section("SYNOPSIS");
    page.line(str_cat(face.name, " [OPTIONS] COMMAND"));
    page.section("COMMANDS");
    for (const Group* group : face.groups) {
        if (!group->word.empty() && !group->summary.empty()) page.item(group->word, group->summary);
        if (!group->word.empty()) continue;
        for (const Entry& entry : group->entries) {
            if (is_shown(entry)) page.item(entry.word, entry.summary);
        }
    }
    page.section("OPTIONS");
    page.options(face.globals);
    page.item("-h, --help", "Show this help message and exit.");
    for (const Group* group : face.groups) {
        if (!group->word.empty() || group->examples.empty()) continue;
        page.section("EXAMPLES");
        page.verbatim(group->examples);
    }
    std::string see_also;
    for (const auto& [file, text] : others)
        str_append(see_also, see_also.empty() ? "" : ", ", file.substr(0, file.rfind('.')), "(1)");
    page.end(see_also);
    return page.take();
}

// --- Markdown

std::string in_table(std::string_view text) {
    std::string out;
    for (const char c : text) c == '|' ? str_append(out, "\\|") : out.push_back(c);
    return out;
}

void append_options(std::string& out, std::span<const config::Option> options) {
    if (options.empty()) return;
    out += "\n| option | |\n|---|---|\n";
    for (const config::Option& option : options) {
        std::string names(option.names);
        if (!option.value.empty()) str_append(names, " <", option.value, '>');
        str_append(out, "| `", names, "` | ", in_table(config::description_of(option)), " |\n");
    }
}

void append_entry(std::string& out, const Face& face, const Group& group, const Entry& entry) {
    const std::string name = full_name(face, group, entry);
    str_append(out, "\n### ", name, "\n\n", entry.summary, ".\n\n```\n",
               config::synopsis_of(command_of(name, entry)), "\n```\n");
    append_options(out, entry.options);
}

Result<> write_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) return fail(ErrorCode::io, "can't write ", path.native(), ": ", std::strerror(errno));
    return {};
}

int run(const Call& call) {
    const std::filesystem::path directory = call.arguments.positional();
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        print_error(str_cat("can't make the folder ", directory.native(), ": ", error.message()));
        return kFailed;
    }
    auto files = call.arguments.is_set("--markdown")
                     ? std::map<std::string, std::string>{{"command-line.md", manual_markdown(call.face)}}
                     : manual_pages(call.face);
    for (const auto& [name, text] : files) {
        if (const auto written = write_file(directory / name, text); !written)
            return print_error(written.error().message), kFailed;
    }
    return kDone;
}

constexpr config::Option kOptions[] = {
    {.names = "--markdown", .help = "One document, command-line.md, instead of pages for man(1)."},
};

}  // namespace

std::map<std::string, std::string> manual_pages(const Face& face) {
    std::map<std::string, std::string> pages;
    for (const Group* group : face.groups) {
        if (!group->word.empty()) {
            if (!group->summary.empty())
                pages[str_cat(face.name, '-', group->word, ".1")] = group_page(face, *group);
            continue;
        }
        for (const Entry& entry : group->entries) {
            if (is_shown(entry))
                pages[str_cat(face.name, '-', entry.word, ".1")] = alone_page(face, *group, entry);
        }
    }
    pages[str_cat(face.name, ".1")] = face_page(face, pages);
    return pages;
}

std::string manual_markdown(const Face& face) {
    std::string out = str_cat(
        "# Command line\n\nGenerated by `weft man --markdown docs` from the tables of commands; do not "
        "edit. ",
        face.summary, "\n\n## Options of all commands\n\nThey stand before the command or behind it.\n");
    append_options(out, face.globals);
    out += "\n## Exit codes\n\n| code | |\n|---|---|\n";
    for (const auto& [code, text] : kExitStatus) str_append(out, "| ", code, " | ", text, " |\n");
    for (const Group* group : face.groups) {
        if (group->word.empty()) {
            out += "\n## Commands\n";
        } else if (group->summary.empty()) {
            continue;
        } else {
            str_append(out, "\n## ", face.name, ' ', group->word, "\n\n", group->summary, ".\n");
        }
        if (!group->examples.empty()) str_append(out, "\n```\n", group->examples, "```\n");
        for (const Entry& entry : group->entries) {
            if (is_shown(entry)) append_entry(out, face, *group, entry);
        }
        if (const std::string missing = unsupported_of(*group); !missing.empty())
            str_append(out, "\nRefused by name: ", missing, ".\n");
    }
    return out;
}

Entry manual_command() {
    return {.word = "man",
            .summary = "Write the manual pages into a folder",
            .options = kOptions,
            .positional = "<directory>",
            .takes = Takes::nothing,
            .run = run};
}

}  // namespace weft::app
