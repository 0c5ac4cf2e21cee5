// Settings from YAML, as Pulsar's functions_worker.yml is written.

#include <yaml-cpp/yaml.h>

#include "base/utf8.h"
#include "config/settings.h"

namespace weft::config {

namespace {

constexpr std::size_t kBytesMax = 1U << 20;
// Aliases make a small file into a large tree: counted expanded.
constexpr std::size_t kValuesMax = 10'000;
constexpr int kDepthMax = 32;

bool is_null(const YAML::Node& node) {
    if (node.IsNull() || !node.IsDefined()) return true;
    if (!node.IsScalar() || node.Tag() == "!") return false;  // "!": quoted
    const std::string& text = node.Scalar();
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class Flattening {
  public:
    explicit Flattening(std::string_view file) : file_(file) {}

    void take_map(const YAML::Node& map, const std::string& prefix, int depth) {
        if (depth == 0) throw YAML::Exception(map.Mark(), "the maps nest too deep");
        for (const auto& member : map) {
            if (!member.first.IsScalar()) throw YAML::Exception(member.first.Mark(), "a key is no word");
            const std::string name = prefix + member.first.Scalar();
            count(member.second);
            if (member.second.IsMap()) {
                take_map(member.second, name + ".", depth - 1);
            } else {
                settings_[name] = setting_of(member.second, member.first.Mark().line + 1);
            }
        }
    }
    Settings settings() && { return std::move(settings_); }

  private:
    void count(const YAML::Node& node) {
        if (left_-- == 0) throw YAML::Exception(node.Mark(), "too many values, aliases expanded");
    }
    Setting setting_of(const YAML::Node& node, int line) {
        Setting setting{.values = {}, .null = is_null(node), .where = str_cat(file_, ':', line)};
        if (node.IsSequence()) {
            for (const auto& item : node) {
                count(item);
                if (!item.IsScalar()) throw YAML::Exception(item.Mark(), "a list holds more than words");
                setting.values.push_back(item.Scalar());
            }
        } else if (!setting.null) {
            setting.values.push_back(node.Scalar());
        }
        return setting;
    }

    const std::string file_;
    Settings settings_;
    std::size_t left_ = kValuesMax;
};

// What a reader of Java takes for a comment. YAML reads it as text, and complains about something else.
std::optional<int> line_with_slashes(std::string_view text) {
    int number = 0;
    while (!text.empty()) {
        ++number;
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        const std::size_t begin = line.find_first_not_of(" \t");
        if (begin != std::string_view::npos && line.substr(begin).starts_with("//")) return number;
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return std::nullopt;
}

}  // namespace

Result<Settings> read_yaml(std::string_view text, std::string_view file) {
    const auto refuse = [&](const auto&... why) { return fail(ErrorCode::invalid_argument, file, why...); };
    if (text.size() > kBytesMax)
        return refuse(": it has more than ", kBytesMax, " bytes: give a smaller one");
    if (!is_utf8(text)) return refuse(": it is not UTF-8: save it as UTF-8");
    try {
        const YAML::Node root = YAML::Load(std::string(text));
        if (is_null(root)) return Settings{};
        if (!root.IsMap()) return refuse(": it is no map of settings: write lines like `workerPort: 6750`");
        Flattening flattening(file);
        flattening.take_map(root, "", kDepthMax);
        return std::move(flattening).settings();
    } catch (const YAML::Exception& thrown) {
        if (const auto line = line_with_slashes(text))
            return refuse(':', *line, ": it begins with //: begin comments with #");
        return refuse(": ", thrown.what(), ": correct the YAML");
    }
}

}  // namespace weft::config
