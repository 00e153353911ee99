#include "flow/notify_template.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"

namespace minato {
namespace {

bool is_tag_line_end(std::string_view source, std::size_t pos) { return pos >= source.size() || source[pos] == '\n'; }

// Control characters have no place in what people read; a value keeps its line feeds.
std::string without_controls(std::string_view text, char line_feed) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      out.push_back(line_feed);
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

class TemplateParser {
 public:
  TemplateParser(std::string_view source, const TemplateSchema& schema) : source_(source) {
    schemas_.push_back(&schema);
  }

  Result<std::vector<Template::Node>> parse() {
    std::vector<Template::Node> nodes;
    MN_CHECK(parse_until("", nodes));
    return nodes;
  }

 private:
  using Node = Template::Node;
  using Kind = Template::Kind;

  std::unexpected<Error> wrong(std::string what) const {
    const auto line = 1 + std::ranges::count(source_.substr(0, tag_begin_), '\n');
    return fail(Errc::kRefused, "line " + std::to_string(line) + ": " + std::move(what));
  }

  // Reads nodes until the end of section `name`, or of the source when it is empty.
  Status parse_until(std::string_view name, std::vector<Node>& out) {
    while (true) {
      const std::size_t open = source_.find("{{", pos_);
      if (open == std::string_view::npos) {
        tag_begin_ = source_.size();
        add_text(source_.substr(pos_), out);
        pos_ = source_.size();
        if (!name.empty()) return wrong("{{#" + std::string(name) + "}} is not closed");
        return {};
      }
      tag_begin_ = open;
      const std::size_t close = source_.find("}}", open);
      if (close == std::string_view::npos) return wrong("a tag is not closed");
      const std::string_view tag = trim(source_.substr(open + 2, close - open - 2));
      const char sign = tag.empty() ? '\0' : tag.front();
      const bool invisible = sign == '#' || sign == '^' || sign == '/' || sign == '!';
      take_text(open, close + 2, invisible, out);
      if (sign == '/') return close_section(trim(tag.substr(1)), name);
      if (sign == '!') continue;
      MN_CHECK(invisible ? take_section(sign, trim(tag.substr(1)), out) : take_value(tag, out));
    }
  }

  // The text in front of a tag. A tag alone on its line takes the line with it.
  void take_text(std::size_t open, std::size_t after, bool invisible, std::vector<Node>& out) {
    std::string_view text = source_.substr(pos_, open - pos_);
    pos_ = after;
    if (invisible) {
      const std::size_t line = open == 0 ? 0 : source_.rfind('\n', open - 1) + 1;
      const bool alone =
          trim(source_.substr(line, open - line)).empty() && is_tag_line_end(source_, skip_blanks(after));
      if (alone) {
        text.remove_suffix(std::min(text.size(), open - line));
        pos_ = std::min(source_.size(), skip_blanks(after) + 1);
      }
    }
    add_text(text, out);
  }

  std::size_t skip_blanks(std::size_t pos) const {
    while (pos < source_.size() && (source_[pos] == ' ' || source_[pos] == '\t' || source_[pos] == '\r')) ++pos;
    return pos;
  }

  static void add_text(std::string_view text, std::vector<Node>& out) {
    if (!text.empty()) out.push_back({Kind::kText, std::string(text), {}});
  }

  Status take_value(std::string_view name, std::vector<Node>& out) {
    const bool known = std::ranges::any_of(schemas_, [&](const TemplateSchema* schema) {
      return std::ranges::find(schema->values, name) != schema->values.end();
    });
    if (!known) return wrong("no value is named so here: " + std::string(name));
    out.push_back({Kind::kValue, std::string(name), {}});
    return {};
  }

  Status take_section(char sign, std::string_view name, std::vector<Node>& out) {
    if (schemas_.size() >= kTemplateDepthMax) return wrong("sections are nested too deep");
    const TemplateSchema* inner = nullptr;
    for (const TemplateSchema* schema : schemas_) {
      const auto found = schema->sections.find(std::string(name));
      if (found != schema->sections.end()) inner = &found->second;
    }
    if (inner == nullptr) return wrong("no section is named so here: " + std::string(name));
    static const TemplateSchema kNothing;
    Node node{sign == '#' ? Kind::kSection : Kind::kInverted, std::string(name), {}};
    schemas_.push_back(sign == '#' ? inner : &kNothing);
    MN_CHECK(parse_until(name, node.children));
    schemas_.pop_back();
    out.push_back(std::move(node));
    return {};
  }

  Status close_section(std::string_view closed, std::string_view open) const {
    if (closed == open && !open.empty()) return {};
    return wrong("{{/" + std::string(closed) + "}} closes nothing that is open");
  }

  std::string_view source_;
  std::size_t pos_ = 0;
  std::size_t tag_begin_ = 0;
  std::vector<const TemplateSchema*> schemas_;
};

Result<Template> Template::parse(std::string_view source, TemplateFormat format, const TemplateSchema& schema) {
  if (source.size() > kTemplateBytesMax) return fail(Errc::kTooLarge, "template is over its limit");
  if (!is_utf8(source)) return fail(Errc::kRefused, "template is not UTF-8");
  MN_TRY(nodes, TemplateParser(source, schema).parse());
  Template out;
  out.nodes_ = std::move(nodes);
  out.format_ = format;
  return out;
}

std::string Template::render(const TemplateValues& values) const {
  std::string out;
  Scopes scopes = {&values};
  render_nodes(nodes_, scopes, out);
  if (format_ == TemplateFormat::kLine) out = trim(without_controls(out, ' '));
  return out;
}

void Template::render_nodes(const std::vector<Node>& nodes, Scopes& scopes, std::string& out) const {
  const auto value_of = [&](const std::string& name) -> std::string_view {
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      if (const auto found = (*scope)->values.find(name); found != (*scope)->values.end()) return found->second;
    }
    return {};
  };
  const auto list_of = [&](const std::string& name) -> const std::vector<TemplateValues>* {
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      if (const auto found = (*scope)->sections.find(name); found != (*scope)->sections.end()) return &found->second;
    }
    return nullptr;
  };
  for (const Node& node : nodes) {
    if (node.kind == Kind::kText) {
      out += node.text;
    } else if (node.kind == Kind::kValue) {
      const std::string clean = without_controls(value_of(node.text), format_ == TemplateFormat::kLine ? ' ' : '\n');
      out += format_ == TemplateFormat::kHtml ? escape_html(clean) : clean;
    } else {
      const std::vector<TemplateValues>* list = list_of(node.text);
      const bool empty = list == nullptr || list->empty();
      if (node.kind == Kind::kInverted && empty) render_nodes(node.children, scopes, out);
      if (node.kind == Kind::kInverted || empty) continue;
      for (const TemplateValues& entry : *list) {
        scopes.push_back(&entry);
        render_nodes(node.children, scopes, out);
        scopes.pop_back();
      }
    }
  }
}

}  // namespace minato
